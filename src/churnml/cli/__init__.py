"""The command line. Each command is a module; what it needs is imported when it runs.

An error that churnml raises on purpose ends as one message on stderr, without a traceback. The exit
status is 2 where a command, a project file, a feature, a source or the store has to be mended, and
1 where the data themselves would corrupt a score or cannot be learned from.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from churnml.cli import (
    audit,
    check,
    explain,
    features,
    forecast,
    indicators,
    init,
    keys,
    models,
    responses,
    score,
    serve,
    simulate,
    store,
    text,
    train,
)
from churnml.errors import ChurnMLError, ConfigError, FeatureError, SourceError, StoreError

MENDABLE = (ConfigError, FeatureError, SourceError, StoreError)
HELP = "Which customers will leave, why, and what to do on Monday."

app = typer.Typer(
    name="churnml",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help answers three times faster than panels
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("init", short_help="Make a project.")(init.init)
app.command("simulate", short_help="Make up a company with a history.")(simulate.simulate)
app.command("check", short_help="Check history and keep what is clean.")(check.check)
app.command("audit", short_help="Look for leaks in a training table.")(audit.audit)
app.command("train", short_help="Learn who leaves, and measure it.")(train.train)
app.command("score", short_help="Score every current account, with reasons.")(score.score)
app.command("serve", short_help="Answer over HTTP who may leave, and why.")(serve.serve)
app.command("explain", short_help="Tell why one account has its score, and what changed.")(
    explain.explain
)
app.add_typer(models.app, name="models", help="Compare models, and put one in charge.")
app.command("forecast", short_help="Tell how much will leave next quarter.")(forecast.forecast)
app.command("indicators", short_help="Show plain signs of leaving, with what shows them.")(
    indicators.indicators
)
app.command("responses", short_help="Show which texts are owed an answer, and until when.")(
    responses.responses
)
app.command("mix", short_help="Show how customers sounded, week by week.")(responses.mix)
app.add_typer(text.app, name="text", help="Read what customers say.")
app.add_typer(features.app, name="features", help="Show what is measured of an account.")
app.add_typer(keys.app, name="keys", help="Say who may use the service, and for what.")
app.add_typer(store.app, name="store", help="Keep what the service keeps.")


def _version(*, wanted: bool) -> None:
    if wanted:
        import churnml

        typer.echo(f"churnml {churnml.__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line, turning deliberate errors into one message and an exit status."""
    try:
        app()
    except ChurnMLError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, MENDABLE) else 1)
