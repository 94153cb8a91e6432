"""A project folder, read once into frozen models and checked against itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pydantic import model_validator

from churnml.actions.tiers import RiskTiers, read_tiers
from churnml.config import FrozenModel, parse, read_toml
from churnml.errors import ConfigError, nearest
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.sources import Sources, read_sources
from churnml.labels.specs import ColumnLabel, InactivityLabel
from churnml.training.recipes import Recipe, read_recipe

MARK = "churnml"


class Folders(FrozenModel):
    """Where the parts of a project lie, relative to its root.

    Parameters
    ----------
    features, training, serving, data : str
        The folders people edit.
    var : str
        Everything generated. Point it at a larger disk when history is large.
    """

    features: str = "features"
    training: str = "training"
    serving: str = "serving"
    data: str = "data"
    var: str = "var"


class StorePlace(FrozenModel):
    """Where the service's store lies: a URL, or the environment variable that holds one.

    Parameters
    ----------
    url : str, optional
        A relative path of SQLite is relative to the project's root; ``service.db`` in `var` if
        omitted.
    url_env : str, optional
        For a URL with a password, which does not belong in a project file.
    """

    url: str | None = None
    url_env: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.url is not None and self.url_env is not None:
            raise ValueError("name either `url` or `url_env`, not both")
        return self


class ProjectTable(FrozenModel):
    """The ``[tool.churnml]`` table of ``pyproject.toml``.

    Parameters
    ----------
    name : str
        The project's name; experiments and bundles carry it.
    folders : Folders
        Where its parts lie, where that is not the usual place.
    store : StorePlace
        Where the service's store lies, where that is not the usual place.
    """

    name: str
    folders: Folders = Folders()
    store: StorePlace = StorePlace()


@dataclass(frozen=True)
class Project:
    """What a project folder says, read once.

    Parameters
    ----------
    root : Path
        The folder whose ``pyproject.toml`` has ``[tool.churnml]``.
    name : str
        The project's name.
    folders : Folders
        Where its parts lie, relative to `root`.
    recipes : mapping of str to Recipe
        What to learn and how, by name of the recipe's file.
    sources : Sources
        Where each table of history comes from; no table in a project of flat tables alone.
    catalogue : Catalogue
        Every feature; none in a project of flat tables alone.
    tiers : RiskTiers
        The probability at which each risk tier begins.
    store : StorePlace
        Where the service's store lies.
    """

    root: Path
    name: str
    folders: Folders
    recipes: Mapping[str, Recipe]
    sources: Sources
    catalogue: Catalogue
    tiers: RiskTiers
    store: StorePlace

    @classmethod
    def load(cls, path: Path = Path()) -> Project:
        """Read the project that a path lies in.

        Parameters
        ----------
        path : Path
            A folder of the project, or its root.

        Returns
        -------
        Project
            Read and checked: whatever one part names is there in the other.

        Raises
        ------
        ConfigError
            Naming file, key and nearest match, for whatever is missing, malformed or points
            nowhere.
        """
        root = find_root(path)
        marked = parse(ProjectTable, read_toml(root / "pyproject.toml")["tool"][MARK], _table(root))
        folders = marked.folders
        recipes = {
            file.stem: read_recipe(file)
            for file in _toml_files(root / folders.training, "recipe", "churn_90d.toml")
        }
        if all(isinstance(recipe.label, ColumnLabel) for recipe in recipes.values()):
            sources, catalogue = Sources(), Catalogue((), MappingProxyType({}))
        else:
            sources = read_sources(root / folders.data / "sources.toml")
            files = _toml_files(root / folders.features, "feature family", "usage.toml")
            catalogue = read_catalogue(files, sources.tables_declared())
        project = cls(
            root=root,
            name=marked.name,
            folders=folders,
            recipes=MappingProxyType(recipes),
            sources=sources,
            catalogue=catalogue,
            tiers=read_tiers(root / folders.serving / "tiers.toml"),
            store=marked.store,
        )
        project._check_recipes()
        return project

    def recipe(self, name: str) -> Recipe:
        """Look up a recipe.

        Raises
        ------
        ConfigError
            If there is none of that name, with the nearest.
        """
        if name not in self.recipes:
            where = self.root / self.folders.training
            raise ConfigError(f"{where}: no recipe {name!r}.{nearest(name, self.recipes)}")
        return self.recipes[name]

    @property
    def data(self) -> Path:
        """The folder that the paths of ``sources.toml`` are relative to."""
        return self.root / self.folders.data

    @property
    def serving(self) -> Path:
        """The folder of what follows from a score."""
        return self.root / self.folders.serving

    @property
    def var(self) -> Path:
        """The folder of everything generated."""
        return self.root / self.folders.var

    @property
    def history(self) -> Path:
        """Clean history."""
        return self.var / "history"

    @property
    def posted(self) -> Path:
        """What was posted to the service, for history to be read from."""
        return self.var / "posted"

    @property
    def readings(self) -> Path:
        """What customers' texts say, by the version of the reader that read them."""
        return self.var / "readings"

    @property
    def quarantine(self) -> Path:
        """Rows that would corrupt a score, with the reason of each."""
        return self.var / "quarantine"

    @property
    def training(self) -> Path:
        """Training tables and their data sheets."""
        return self.var / "training"

    @property
    def bundles(self) -> Path:
        """What scorers load."""
        return self.var / "bundles"

    @property
    def scores(self) -> Path:
        """Scores of current accounts."""
        return self.var / "scores"

    @property
    def tracking(self) -> Path:
        """The database of runs."""
        return self.var / "mlflow.db"

    def _check_recipes(self) -> None:
        contracts = self.sources.tables_declared()
        for name, recipe in self.recipes.items():
            where = self.root / self.folders.training / f"{name}.toml"
            if isinstance(recipe.label, ColumnLabel):
                self._check_file(where, recipe.label.file)
                continue
            self._check_features(where, recipe)
            if isinstance(recipe.label, InactivityLabel):
                _known(where, "label.table", [recipe.label.table], contracts)

    def _check_file(self, where: Path, file: str) -> None:
        path = self.root / file
        if not path.is_file():
            beside = [item.name for item in path.parent.glob("*") if item.is_file()]
            raise ConfigError(f"{where}: label.file: no file {path}.{nearest(path.name, beside)}")

    def _check_features(self, where: Path, recipe: Recipe) -> None:
        columns = self.catalogue.columns
        _known(where, "features.families", recipe.features.families, self.catalogue.titles)
        _known(where, "features.include", recipe.features.include, columns)
        _known(where, "features.exclude", recipe.features.exclude, columns)
        if "baseline" in recipe.model_fields_set:
            _known(where, "baseline", [recipe.baseline.removeprefix("-")], columns)


def find_root(path: Path) -> Path:
    """Find the project that a path lies in.

    Parameters
    ----------
    path : Path
        A folder of the project, or its root.

    Returns
    -------
    Path
        The nearest folder upward whose ``pyproject.toml`` has ``[tool.churnml]``.

    Raises
    ------
    ConfigError
        If there is none, or a ``pyproject.toml`` on the way is not TOML.
    """
    start = path.resolve()
    if not start.is_dir():
        raise ConfigError(f"{path}: no such folder. `churnml init {path}` makes a project there.")
    hint = ""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        tools = read_toml(file).get("tool", {})
        if MARK in tools:
            return folder
        close = difflib.get_close_matches(MARK, tools, n=1, cutoff=0.75)
        if close and not hint:
            hint = f" {file} has [tool.{close[0]}]: did you mean [tool.{MARK}]?"
    raise ConfigError(
        f"{start}: not in a churnml project: no pyproject.toml here or above has [tool.{MARK}]."
        + (hint or " `churnml init DIR` makes a project; --project DIR names one.")
    )


def _table(root: Path) -> str:
    return f"{root / 'pyproject.toml'} [tool.{MARK}]"


def _toml_files(folder: Path, what: str, example: str) -> list[Path]:
    """List the TOML files of a folder by name; there must be one."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        state = "has no .toml file" if folder.is_dir() else "no such folder"
        raise ConfigError(f"{folder}: {state}; expected one for each {what}, such as {example}.")
    return files


def _known(where: Path, key: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    there = set(allowed)
    for name in names:
        if name not in there:
            raise ConfigError(f"{where}: {key}: nothing is named {name!r}.{nearest(name, there)}")
