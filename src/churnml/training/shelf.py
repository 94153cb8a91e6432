"""The shelf: where a project's bundles lie, and which of them is meant.

::

    bundles/RECIPE/<id>/              a bundle
    bundles/RECIPE/latest             the id of the one that the latest training wrote
    bundles/RECIPE/promotions.jsonl   which was put in charge, when, by whom and why
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from churnml.errors import BundleError, ConfigError, nearest
from churnml.project import Project
from churnml.training import bundle as bundles
from churnml.training.bundle import Bundle
from churnml.training.champions import read_changes, standing

LATEST, CHAMPION = "latest", "champion"
ID_DIGITS = 12  # of a bundle's SHA-256, which name its folder
_LEAST_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Chosen:
    """A bundle, and as what it was chosen.

    Parameters
    ----------
    bundle : Bundle
        Verified.
    role : str
        ``champion``, ``latest``, or the id that was asked for.
    """

    bundle: Bundle
    role: str


def choose(project: Project, name: str, wanted: str | None = None) -> Chosen:
    """Load the bundle that is meant.

    Parameters
    ----------
    project : Project
        The project.
    name : str
        The recipe.
    wanted : str, optional
        ``champion``, ``latest``, or the beginning of a bundle's id. If omitted, the champion where
        one was promoted, else the latest.

    Raises
    ------
    ConfigError
        If there is no such recipe, or no bundle by the id that was named.
    BundleError
        If it was not trained or promoted yet, or the bundle is damaged or altered.
    """
    project.recipe(name)
    if wanted == LATEST:
        return Chosen(latest_bundle(project, name), LATEST)
    if wanted is None or wanted == CHAMPION:
        found = champion_bundle(project, name)
        if found is not None:
            return Chosen(found, CHAMPION)
        if wanted is None:
            return Chosen(latest_bundle(project, name), LATEST)
        raise BundleError(
            f"recipe {name!r} has no champion: none was promoted yet. `churnml models promote "
            f"{name}` makes one; the latest bundle is named 'latest'."
        )
    folder = named(project, name, wanted)
    remedy = f"`churnml models list {name}` shows the others."
    bundle = load(folder, remedy)
    if not bundle.id.startswith(wanted):  # a folder is named by the first digits alone
        raise BundleError(f"model {wanted!r}: {folder} is {bundle.id}. {remedy}")
    return Chosen(bundle, folder.name)


def champion_bundle(project: Project, name: str) -> Bundle | None:
    """Load the bundle that was put in charge of a recipe; none where none was yet.

    Parameters
    ----------
    project, name
        As for `choose`.

    Raises
    ------
    BundleError
        If it is gone, damaged or altered.
    """
    home = project.bundles / name
    now = standing(read_changes(home))
    if now is None:
        return None
    folder = home / now[:ID_DIGITS]
    remedy = (
        f"`churnml models promote {name} --model {folder.name}` brings it back from its run, "
        f"`churnml models rollback {name}` puts the one before in charge."
    )
    if not folder.is_dir():
        raise BundleError(f"{folder}: the champion of {name!r} is gone. {remedy}")
    return load(folder, remedy)


def latest_bundle(project: Project, name: str) -> Bundle:
    """Load the bundle that the latest training of a recipe wrote.

    Parameters
    ----------
    project, name
        As for `choose`.

    Raises
    ------
    ConfigError
        If there is no such recipe.
    BundleError
        If it was not trained yet, or the bundle is damaged or altered.
    """
    project.recipe(name)
    home = project.bundles / name
    wanted = latest_id(project, name)
    if wanted is None:
        trained = [item.parent.name for item in project.bundles.glob(f"*/{LATEST}")]
        hint = f" Trained so far: {', '.join(sorted(trained))}." if trained else ""
        raise BundleError(
            f"recipe {name!r} has no bundle in {home}. `churnml train {name}` makes one.{hint}"
        )
    if not re.fullmatch(r"[0-9a-f]+", wanted) or not (home / wanted).is_dir():
        raise BundleError(
            f"{home / LATEST}: names no bundle, but {wanted!r}. `churnml train {name}` mends it."
        )
    return load(home / wanted, f"`churnml train {name}` makes it again.")


def latest_id(project: Project, name: str) -> str | None:
    """Read which bundle the latest training of a recipe wrote; none before the first has ended.

    Parameters
    ----------
    project, name
        As for `choose`.

    Returns
    -------
    str or None
        The name of its folder, as it stands there; whether there is such a bundle is not looked at.
    """
    try:
        return (project.bundles / name / LATEST).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def named(project: Project, name: str, wanted: str) -> Path:
    """Find the folder of a bundle by the beginning of its id.

    Raises
    ------
    ConfigError
        If there is none, or several.
    """
    there = (project.bundles / name).glob("[0-9a-f]*")
    folders = sorted(item.name for item in there if item.is_dir())
    found = [item for item in folders if item.startswith(wanted[:ID_DIGITS])]
    if len(wanted) >= _LEAST_DIGITS and len(found) == 1:
        return project.bundles / name / found[0]
    why = (
        f"{len(found)} bundles begin so: {', '.join(found[:8])}"
        if len(found) > 1
        else f"there is no such bundle of {name!r}.{nearest(wanted, [CHAMPION, LATEST, *folders])}"
    )
    raise ConfigError(f"model {wanted!r}: {why} Name at least {_LEAST_DIGITS} digits of its id.")


def load(folder: Path, remedy: str) -> Bundle:
    """Load a bundle from its place, whose name vouches for the manifest.

    Raises
    ------
    BundleError
        If it is damaged or altered.
    """
    bundle = bundles.load(folder)
    # The manifest vouches for the other files; its own hash is the folder's name.
    if not bundle.id.startswith(folder.name):
        raise BundleError(
            f"{bundle.folder}: altered since it was written: its manifest's SHA-256 begins with "
            f"{bundle.id[:ID_DIGITS]}. {remedy}"
        )
    return bundle
