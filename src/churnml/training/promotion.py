"""Promotion: putting a bundle in charge of its recipe, through the gates, and taking it back.

One promotion runs at a time in a project, so that nobody is compared with a champion that is
replaced meanwhile. The journal decides (see `churnml.training.champions`); MLflow's alias follows,
and where it cannot, that is told and mended by the next change.
"""

from __future__ import annotations

import datetime as dt
import getpass
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import BundleError, ChurnMLError, ConfigError, TrainingError
from churnml.features.table import read_table
from churnml.history.store import workplace
from churnml.labels import ColumnLabel
from churnml.locks import locked
from churnml.project import Project
from churnml.training.answers import asker
from churnml.training.audit import Audit, audit
from churnml.training.bundle import Bundle
from churnml.training.champions import Change, GateRecord, append, previous, read_changes, standing
from churnml.training.contest import Contest, contest, incomparable
from churnml.training.gates import Gate, GatesSpec, judge, leakage
from churnml.training.record import model_name
from churnml.training.shelf import CHAMPION, ID_DIGITS, LATEST, choose, latest_id, load
from churnml.training.tables import Progress, prepare
from churnml.training.tracking import (
    BUNDLE,
    CHALLENGER,
    OUT_OF_TIME,
    Version,
    artifact,
    set_alias,
    versions,
)


@dataclass(frozen=True, eq=False)
class Models:
    """The models of a recipe.

    Parameters
    ----------
    versions : tuple of Version
        All that were recorded, the latest first.
    champion : str or None
        SHA-256 of the bundle in charge; none where none was promoted yet.
    latest : str or None
        The bundle that the latest training wrote, as `latest_id` reads it.
    """

    versions: tuple[Version, ...]
    champion: str | None
    latest: str | None

    @property
    def challenger(self) -> Version | None:
        """The version of the latest training; where that was not recorded, none stands for it.

        A training that was killed may be on record without having become the latest. Where no file
        tells the latest, since the bundles were lost, it is the version that was recorded last.
        """
        if self.latest is None:
            return self.versions[0] if self.versions else None
        there = (item for item in self.versions if item.bundle[:ID_DIGITS] == self.latest)
        return next(there, None)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the gates found of a challenger.

    Parameters
    ----------
    recipe : str
        Whose models.
    challenger : Version
        Who wants to be champion.
    champion : str or None
        SHA-256 of the bundle in charge; none where none was promoted yet.
    gates : tuple of Gate
        What each found.
    """

    recipe: str
    challenger: Version
    champion: str | None
    gates: tuple[Gate, ...]

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that were not passed."""
        return tuple(gate for gate in self.gates if gate.passed is False)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.failed


@dataclass(frozen=True, eq=False)
class Promotion:
    """What came of an attempt to promote, or of a rollback.

    Parameters
    ----------
    change : Change or None
        The change of the bundle in charge; none where a gate refused it.
    verdict : Verdict or None
        What the gates found; none for a rollback, which asks none.
    alias : str
        Why MLflow's alias does not follow, if so.
    """

    change: Change | None
    verdict: Verdict | None
    alias: str = ""


def listed(project: Project, name: str) -> Models:
    """List the models of a recipe, and tell which is in charge and which is the challenger.

    Raises
    ------
    ConfigError
        If there is no such recipe.
    ChurnMLError
        If the registry or the journal cannot be read.
    """
    project.recipe(name)
    return Models(
        versions(project.tracking, model_name(project, name)),
        standing(read_changes(project.bundles / name)),
        latest_id(project, name),
    )


def judged(
    project: Project,
    name: str,
    wanted: str = CHALLENGER,
    *,
    rule: str | None = None,
    progress: Progress,
) -> Verdict:
    """Ask the gates about a challenger, and change nothing.

    Parameters
    ----------
    project : Project
        The project.
    name : str
        The recipe.
    wanted : str
        ``challenger`` or ``latest`` for the latest training, or the beginning of a bundle's id.
    rule : "better" or "not_worse", optional
        Instead of the recipe's; see `GatesSpec`.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    ConfigError
        If there is no such recipe, or no such model.
    BundleError
        If nothing was trained yet, or the challenger's bundle is damaged.
    """
    recipe = project.recipe(name)
    spec = recipe.gates
    if rule is not None:
        spec = GatesSpec(**{**spec.model_dump(), "rule": rule})
    models = listed(project, name)
    champion = models.champion
    challenger = _version(project, models, name, wanted)
    rows = _rows(project, challenger)
    if rows is None:
        raise BundleError(
            f"model {challenger.bundle[:ID_DIGITS]} of {name!r}: its run {challenger.run} has lost "
            f"{OUT_OF_TIME}, without which nothing can be judged. `churnml train {name}` makes it "
            "again."
        )
    found, alone = None, {"alone": "it is the champion itself"} if champion is not None else {}
    if champion is not None and champion != challenger.bundle:
        found = _contest(project, name, rows, challenger, champion, models.versions, progress)
    progress("gates", 0.0)
    gates = (
        *judge(rows, found, spec, **alone),
        leakage(_audited(project, name, challenger, progress)),
    )
    progress("done", 1.0)
    return Verdict(name, challenger, champion, gates)


def promote(
    project: Project,
    name: str,
    wanted: str = CHALLENGER,
    *,
    by: str | None = None,
    force: str | None = None,
    reason: str | None = None,
    rule: str | None = None,
    progress: Progress,
) -> Promotion:
    """Put a bundle in charge, if the gates let it through.

    Parameters
    ----------
    project, name, wanted, rule, progress
        As for `judged`.
    by : str, optional
        Who; the name of the login if omitted.
    force : str, optional
        Why it is promoted although a gate failed. What failed is kept beside it.
    reason : str, optional
        What is to be remembered of it.

    Returns
    -------
    Promotion
        Without a change where a gate failed and nothing was forced.

    Raises
    ------
    ConfigError
        If there is no such recipe or model, the journal cannot be written, or nobody says who
        decides.
    BundleError
        If it is champion already, or as `judged`.
    """
    if force is not None and not force.strip():
        raise ConfigError("a forced promotion needs a reason that can be read later; got none.")
    who = _who(by)
    with _turn(project, progress):
        verdict = judged(project, name, wanted, rule=rule, progress=progress)
        bundle = verdict.challenger.bundle
        if bundle == verdict.champion:
            _shelve(project, name, verdict.challenger)
            raise BundleError(
                f"model {bundle[:ID_DIGITS]} is the champion of {name!r} already, and its bundle "
                "is where scorers look."
            )
        if verdict.failed and force is None:
            return Promotion(None, verdict)
        _shelve(project, name, verdict.challenger)
        # Where no gate failed nothing was forced, but what was said of it is kept.
        said = (reason,) if verdict.failed else (reason, force)
        change = Change(
            at=_now(),
            by=who,
            action="promote",
            bundle=bundle,
            before=verdict.champion,
            gates=tuple(_recorded(gate) for gate in verdict.gates),
            forced=force if verdict.failed else None,
            reason="; ".join(filter(None, said)) or None,
        )
        append(project.bundles / name, change)
        return Promotion(change, verdict, _follow(project, name, bundle))


def rollback(
    project: Project,
    name: str,
    *,
    by: str | None = None,
    reason: str | None = None,
    progress: Progress,
) -> Promotion:
    """Put the champion before this one in charge again; no gate is asked.

    Parameters
    ----------
    project, name, by, reason, progress
        As for `promote`.

    Raises
    ------
    ConfigError
        If there is no such recipe, the journal cannot be written, or nobody says who decides.
    BundleError
        If there was no champion before this one, or its bundle is gone or damaged.
    """
    project.recipe(name)
    home, who = project.bundles / name, _who(by)
    with _turn(project, progress):
        changes = read_changes(home)
        before = previous(changes)
        if before is None:
            told = "one champion" if changes else "no champion"
            raise BundleError(
                f"recipe {name!r} has had {told}: there is nothing to go back to. `churnml models "
                f"list {name}` shows what could be promoted."
            )
        load(home / before[:ID_DIGITS], "Bring that bundle back, or promote another.")
        change = Change(
            at=_now(),
            by=who,
            action="rollback",
            bundle=before,
            before=standing(changes),
            reason=reason,
        )
        append(home, change)
        return Promotion(change, None, _follow(project, name, before))


@contextmanager
def _turn(project: Project, progress: Progress) -> Iterator[None]:
    with locked(
        project.var / ".promotion.lock",
        lambda: progress("waiting: another promotion runs", 0.0),
    ):
        yield


def _who(by: str | None) -> str:
    try:
        return by or getpass.getuser()
    except (KeyError, OSError, ImportError) as error:  # as in a container, of an unknown number
        raise ConfigError(
            "who decides is kept in the journal, and the login has no name. Give one with --by."
        ) from error


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)


def _recorded(gate: Gate) -> GateRecord:
    return GateRecord.model_validate(gate.document())


def _version(project: Project, models: Models, name: str, wanted: str) -> Version:
    """Find the version that is meant; of several of one bundle the latest."""
    there = models.versions
    if not there:
        raise BundleError(
            f"recipe {name!r} has no models in the registry. `churnml train {name}` makes one."
        )
    if wanted in {CHALLENGER, LATEST}:
        if models.challenger is not None:
            return models.challenger
        raise BundleError(
            f"{project.bundles / name / LATEST} names {models.latest!r}, which is not in the "
            f"registry, so that nothing tells what it is worth. `churnml train {name}` records "
            f"it; --model {there[0].bundle[:ID_DIGITS]} names the one recorded last."
        )
    found = {item.bundle for item in there if item.bundle.startswith(wanted)}
    if len(wanted) < 4 or len(found) != 1:
        known = ", ".join(dict.fromkeys(item.bundle[:ID_DIGITS] for item in there[:8]))
        raise ConfigError(
            f"model {wanted!r}: {len(found)} models of {name!r} begin so; expected {CHALLENGER!r} "
            f"or at least 4 digits of an id. There are: {known}."
        )
    return next(item for item in there if item.bundle in found)


def _rows(project: Project, version: Version) -> pa.Table | None:
    path = artifact(project.tracking, version.run, OUT_OF_TIME)
    return None if path is None else pq.read_table(path)


def _audited(project: Project, name: str, challenger: Version, progress: Progress) -> Audit | None:
    """Audit the table that a challenger learned from; none where that is not to be had any more."""
    recipe = project.recipe(name)
    try:
        table = (
            prepare(project, recipe, progress).table
            if isinstance(recipe.label, ColumnLabel)
            else read_table(project.training / f"{name}.parquet")
        )
    except (ChurnMLError, OSError):
        return None
    if table.fingerprints.table != challenger.table:
        return None
    return audit(table, recipe, progress)


def _contest(
    project: Project,
    name: str,
    rows: pa.Table,
    challenger: Version,
    champion: str,
    there: tuple[Version, ...],
    progress: Progress,
) -> Contest:
    own = _shelve(project, name, challenger).manifest
    kept = next((item for item in there if item.bundle == champion), None)
    try:
        holder = (
            choose(project, name, CHAMPION).bundle if kept is None else _shelve(project, name, kept)
        )
    except BundleError as error:
        # Who is lost for good must not hold the place for ever.
        why = f"the champion cannot be asked: {error}"
        return Contest(rows.slice(0, 0), 0, 0, rows.num_rows, why)
    return contest(
        rows,
        holder,
        None if kept is None else _rows(project, kept),
        asker(project, holder, progress),
        refused=incomparable(holder.manifest, own),
    )


def _shelve(project: Project, name: str, version: Version) -> Bundle:
    """Load a bundle from where scorers look; where it is gone or harmed, bring it from its run."""
    home = project.bundles / name
    folder = home / version.bundle[:ID_DIGITS]
    try:
        return load(folder, f"`churnml train {name}` makes it again.")
    except BundleError:
        kept = artifact(project.tracking, version.run, BUNDLE)
        copies = [] if kept is None else [item for item in kept.iterdir() if item.is_dir()]
        if not copies:
            raise
    with workplace(folder) as work:
        shutil.copytree(copies[0], work / folder.name)
        load(work / folder.name, f"`churnml train {name}` makes it again.")
        if folder.exists():
            folder.rename(work / "damaged")
        (work / folder.name).rename(folder)
    return load(folder, f"`churnml train {name}` makes it again.")


def _follow(project: Project, name: str, bundle: str) -> str:
    """Let MLflow's alias name the version in charge; give the reason where it cannot."""
    try:
        there = listed(project, name).versions
        number = next((item.number for item in there if item.bundle == bundle), None)
        if number is None:
            return f"no version of {model_name(project, name)!r} is bundle {bundle[:ID_DIGITS]}"
        set_alias(project.tracking, model_name(project, name), CHAMPION, number)
    except TrainingError as error:
        return str(error)
    return ""
