"""The bundle that answers: loaded beside the old one, verified, and swapped by one reference."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from churnml.errors import ChurnMLError
from churnml.explain.levers import find_levers
from churnml.explain.reasons import Telling
from churnml.serving.drift import Drift
from churnml.serving.rows import RowReader
from churnml.serving.writer import Writer
from churnml.training.bundle import GOLDEN
from churnml.training.champions import JOURNAL
from churnml.training.encoding import FeatureKind
from churnml.training.shelf import CHAMPION, LATEST, choose

if TYPE_CHECKING:
    from churnml.explain.levers import Levers
    from churnml.project import Project
    from churnml.training.bundle import Bundle

Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A bundle that is ready to answer.

    Parameters
    ----------
    bundle : Bundle
        Verified.
    role : str
        ``champion``, ``latest``, or the id that was asked for.
    reader : RowReader
        Reads rows of its features.
    drift : Drift or None
        Holds what it scores against what it learnt from; none where the bundle does not tell that.
    """

    bundle: Bundle
    role: str
    reader: RowReader
    drift: Drift | None

    @classmethod
    def of(cls, bundle: Bundle, role: str) -> Loaded:
        """Make a bundle ready, by having it answer and explain a row of nothing."""
        row = np.full((1, len(bundle.features)), np.nan)
        bundle.survival(row, bundle.model.score_matrix(row, contributions=True).probability)
        drift = Drift(bundle.reference) if bundle.reference is not None else None
        return cls(bundle, role, RowReader(bundle), drift)

    @cached_property
    def name(self) -> dict[str, Any]:
        """What every answer says of the model."""
        manifest = self.bundle.manifest
        return {
            "recipe": manifest.name,
            "bundle": self.bundle.id,
            "role": self.role,
            "catalogue": manifest.training.fingerprints.get("catalogue"),
        }

    @cached_property
    def telling(self) -> Telling:
        """How reasons are told of rows that are sent."""
        return Telling.of(self.bundle.features, self.bundle.catalogue, self.bundle.families)

    @cached_property
    def writer(self) -> Writer:
        """Writes the answers about single rows that are sent."""
        return Writer(self.telling)

    @cached_property
    def example(self) -> dict[str, Any]:
        """A row that it answers, as it is sent: one of its golden rows."""
        golden = json.loads((self.bundle.folder / GOLDEN).read_text(encoding="utf-8"))
        values = dict(zip(golden["columns"], golden["rows"][0], strict=True))
        features = {name: values[name] for name in self.bundle.features}
        return {"account_id": "A000608", "arr": 12_000.0, "features": features}

    @cached_property
    def codes(self) -> Mapping[str, frozenset[str]]:
        """The values of each category that the model knows."""
        known = self.bundle.model.encoding.codes
        return MappingProxyType({name: frozenset(values) for name, values in known.items()})

    @cached_property
    def levers(self) -> Levers | None:
        """What can be moved of a row, and computed anew; None for a flat table."""
        if self.bundle.catalogue is None:
            return None
        kinds = self.bundle.model.encoding.kinds
        numbers = [n for n, k in kinds.items() if k in {FeatureKind.NUMBER, FeatureKind.BOOLEAN}]
        texts = [n for n, k in kinds.items() if k is FeatureKind.CATEGORY]
        return find_levers(self.bundle.catalogue, tuple(kinds), numbers=numbers, texts=texts)

    def unseen(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Name the values of a row that the model never learnt from, by feature."""
        return {
            name: row[name]
            for name, known in self.codes.items()
            if row[name] is not None and row[name] not in known
        }


class InCharge:
    """Which bundle answers; what began with one ends with it.

    Parameters
    ----------
    project : Project
        Whose bundles.
    recipe : str
        Of which recipe.
    wanted : str or None
        As for `churnml.training.shelf.choose`.
    swapped : callable
        Told of each bundle that takes over.
    refused : callable
        Told of each that was not taken, and why; the old one goes on.

    Raises
    ------
    ConfigError, BundleError
        If there is none to begin with.
    """

    def __init__(
        self,
        project: Project,
        recipe: str,
        wanted: str | None,
        *,
        swapped: Callable[[Loaded], None],
        refused: Callable[[ChurnMLError], None],
    ) -> None:
        self._project, self._recipe, self._wanted = project, recipe, wanted
        self._swapped, self._refused = swapped, refused
        self._seen = self._signature()
        chosen = choose(project, recipe, wanted)
        self.now = Loaded.of(chosen.bundle, chosen.role)
        swapped(self.now)

    def look(self, *, again: bool = False) -> None:
        """Take over what was promoted or trained since, if anything was.

        Parameters
        ----------
        again : bool
            Whether to load it although nothing seems to have changed.
        """
        signature = self._signature()
        if signature == self._seen and not again:
            return
        self._seen = signature
        try:
            chosen = choose(self._project, self._recipe, self._wanted)
            if (chosen.bundle.id, chosen.role) == (self.now.bundle.id, self.now.role):
                return
            loaded = Loaded.of(chosen.bundle, chosen.role)
        except ChurnMLError as error:
            self._refused(error)
            return
        self.now = loaded
        self._swapped(loaded)

    def _signature(self) -> Signature:
        if self._wanted not in {None, LATEST, CHAMPION}:
            return ()
        home = self._project.bundles / self._recipe
        return tuple(stamp(home / name) for name in (LATEST, JOURNAL))


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Tell a file from what it was before; none where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
