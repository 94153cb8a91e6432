"""``churnml features``: what is measured of an account."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_project

if TYPE_CHECKING:
    from churnml.features.catalogue import Feature
    from churnml.project import Project

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_features(
    *,
    family: Annotated[
        str | None,
        typer.Option("--family", metavar="FAMILY", help="The features of one family alone."),
    ] = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """List every feature with its unit and meaning."""
    from rich.table import Table

    from churnml.errors import ConfigError, nearest

    catalogue = open_project(project).catalogue
    if family is not None and family not in catalogue.titles:
        raise ConfigError(f"no feature family {family!r}.{nearest(family, catalogue.titles)}")
    shown = [
        feature
        for feature in catalogue.features
        if not feature.entry.internal and family in {None, feature.family}
    ]
    if as_json:
        console.emit([_document(feature) for feature in shown])
        return
    table = Table("feature", "family", "unit", "what it is", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for feature in shown:
        table.add_row(feature.name, feature.family, feature.entry.unit, feature.description)
    out = console.stdout()
    out.print(table)
    out.print(f"\n{len(shown)} features")


@app.command("show")
def show_feature(
    name: Annotated[str, typer.Argument(metavar="FEATURE", help="The feature's column.")],
    *,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one feature."""
    document = _document(open_project(project).catalogue.get(name))
    if as_json:
        console.emit(document)
        return
    width = max(map(len, document))
    for key, value in document.items():
        if value is not None and value != "":
            typer.echo(f"{key:<{width}}  {value}")


@app.command("sql", short_help="Show the queries that aggregate history for features.")
def show_sql(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FEATURE]...", help="The features; all when omitted."),
    ] = None,
    *,
    cutoff: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The cutoff to plan for, UTC; today if omitted."),
    ] = None,
    dialect: Annotated[
        str, typer.Option(help="The engine: duckdb, spark, snowflake, bigquery, postgres, ….")
    ] = "duckdb",
    project: ProjectFolder = Path(),
) -> None:
    """Show the queries that aggregate history for features, in an engine's SQL.

    Each is one group-by of one table over accounts and segments of time. They join the small table
    segment_of_day, which is the plan of the cutoff; sums over segments then become the features.
    """
    from sqlglot import Dialects

    from churnml.errors import ConfigError, nearest

    engines = [engine.value for engine in Dialects if engine.value]
    if dialect not in engines:
        raise ConfigError(f"no dialect {dialect!r}.{nearest(dialect, engines)}")
    day = cutoff or dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    typer.echo(_sql(open_project(project), names or [], day, dialect), nl=False)


def _sql(project: Project, names: list[str], cutoff: dt.datetime, dialect: str) -> str:
    from churnml.features.aggregation import fact_query
    from churnml.features.facts import compile_catalogue
    from churnml.features.segments import plan

    declared = project.sources.tables_declared()
    contracts = {name: declared[name] for name in project.sources.tables}
    catalogue, omitted = project.catalogue.select(names or project.catalogue.columns).available(
        contracts
    )
    program = compile_catalogue(catalogue, contracts)
    own = {item.name: item.entry.function for item in program.custom}
    micros = int(cutoff.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    cut = plan([micros], program.windows)
    parts = [f"-- {item.feature} is left out: {item.why}\n" for item in omitted]
    parts += [f"-- {name} is no query but Python: {called}\n" for name, called in own.items()]
    for key, fact in program.facts.items():
        used = [name for name, terms in program.terms.items() if key in {t.fact for t in terms}]
        title = f"-- {key.table} by {key.at}, for {', '.join(used)}"
        parts.append(f"{title}\n{fact_query(fact, cut).sql(dialect=dialect, pretty=True)};\n")
    return "\n".join(parts)


def _document(feature: Feature) -> dict[str, Any]:
    """Everything the catalogue says of a feature, for people and machines alike."""
    entry = feature.entry
    low, high = feature.bounds
    return {
        "name": feature.name,
        "family": feature.family,
        "description": feature.description,
        "unit": entry.unit,
        "window_days": feature.window,
        "offset_days": feature.offset,
        "minimum": low,
        "maximum": high,
        "risky": entry.risk,
        "monotone": feature.monotone,
        "actionable": entry.actionable,
        "sentence": feature.fill(entry.sentence),
        "missing": feature.fill(entry.missing),
        "table": entry.table,
        "aggregate": None if entry.aggregate is None else entry.aggregate.value,
        "at": entry.at,
        "where": _line(feature, entry.where),
        "value": _line(feature, entry.value),
        "hit": _line(feature, entry.hit),
        "breaks": _line(feature, entry.breaks),
        "absent": entry.absent,
        "formula": _line(feature, entry.formula),
        "function": entry.function,
        "file": feature.source,
    }


def _line(feature: Feature, text: str | None) -> str | None:
    """Write an expression with the window's days filled in, on one line."""
    return None if text is None else " ".join(feature.fill(text).split())
