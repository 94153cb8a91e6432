"""Lean imports: without what a library takes along where it is there, and nobody here asks for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import TYPE_CHECKING

from churnml.labels.specs import ColumnLabel

if TYPE_CHECKING:
    from churnml.project import Project


def be_lean(project: Project, recipe: str) -> None:
    """Make this process one that scores by a recipe and does nothing else; before it loads a model.

    Parameters
    ----------
    project : Project
        Whose accounts.
    recipe : str
        By which they are scored.
    """
    import_lightgbm()
    if isinstance(project.recipe(recipe).label, ColumnLabel):
        do_without_pandas()


class _Without(MetaPathFinder):
    """Has packages not be found that were not imported yet."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Leave a module to others, or refuse it."""
        del path, target
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)


def import_lightgbm() -> None:
    """Import LightGBM alone, in a process that gives it arrays and nothing else.

    Where scikit-learn and pandas are installed it imports both, for its own estimators and for data
    frames: more than 100 MB of each process, and a second or two of its start. Where they are not,
    it does without; so it is told that they are not. Whoever else wants them can import them after.
    """
    without = _Without("sklearn", "pandas")
    sys.meta_path.insert(0, without)
    try:
        import lightgbm  # noqa: F401
    finally:
        sys.meta_path.remove(without)


def do_without_pandas() -> None:
    """Have all that is imported from now on take it that there is no pandas.

    Arrow looks for it whenever it turns values into an array, or an array into values, and imports
    it where it is there: 35 MB. Only for a process in which no code of a project's own runs, which
    may want data frames.
    """
    sys.meta_path.insert(0, _Without("pandas"))
