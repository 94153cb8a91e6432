"""The versions of a recipe's model: what lies on the shelf, and what its journal says of it."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.errors import BundleError
from churnml.history.asof import instant_of
from churnml.serving.answers import utc
from churnml.serving.bundles import stamp
from churnml.training.bundle import MANIFEST, read_manifest
from churnml.training.champions import read_changes, standing
from churnml.training.shelf import CHAMPION, ID_DIGITS, LATEST, latest_id

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.training.manifest import Manifest

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class _Kept:
    """A bundle's manifest as it was read; none where it is damaged."""

    stamp: Stamp
    id: str
    manifest: Manifest | None

    @property
    def written(self) -> dt.datetime:
        """When, UTC and naive."""
        return instant_of((self.stamp[1] if self.stamp else 0) // 1000)


class Versions:
    """The versions of a recipe's model, by its bundles and its journal alone.

    Parameters
    ----------
    project : Project
        Whose models.
    recipe : str
        Of which recipe.
    """

    def __init__(self, project: Project, recipe: str) -> None:
        self._project, self._recipe = project, recipe
        self._home = project.bundles / recipe
        self._kept: dict[Path, _Kept] = {}

    def document(self, answers: str) -> dict[str, Any]:
        """Tell of all versions, the latest first, in values that JSON knows.

        Parameters
        ----------
        answers : str
            The id of the bundle that answers now.

        Raises
        ------
        BundleError
            If the journal is damaged.
        """
        changes = read_changes(self._home)
        champion, latest = standing(changes), latest_id(self._project, self._recipe)
        promoted = {change.bundle: change.at for change in changes}
        found, damaged = [], []
        for folder in sorted(path for path in self._home.glob("[0-9a-f]*") if path.is_dir()):
            kept = self._read(folder)
            if kept.manifest is None:
                damaged.append(folder.name)
                continue
            roles = [
                role
                for role, id_ in ((CHAMPION, champion), (LATEST, latest))
                if id_ is not None and kept.id[:ID_DIGITS] == id_[:ID_DIGITS]
            ]
            at = promoted.get(kept.id)
            found.append(
                {
                    "bundle": kept.id,
                    "roles": roles,
                    "answers": kept.id == answers,
                    "promoted_at": None if at is None else utc(_naive(at)),
                    "trained_at": utc(kept.written),
                    **_told(kept.manifest),
                }
            )
        found.sort(key=lambda item: (item["trained_at"], item["bundle"]), reverse=True)
        return {"recipe": self._recipe, "models": found, "damaged": damaged}

    def _read(self, folder: Path) -> _Kept:
        """Read a manifest, once as long as it stays as it is."""
        now = stamp(folder / MANIFEST)
        kept = self._kept.get(folder)
        if kept is None or kept.stamp != now:
            try:
                raw, manifest = read_manifest(folder)
                id_ = hashlib.sha256(raw).hexdigest()
                # The folder's name vouches for the manifest.
                kept = _Kept(now, id_, manifest if id_.startswith(folder.name) else None)
            except BundleError:
                kept = _Kept(now, "", None)
            self._kept[folder] = kept
        return kept


def _told(manifest: Manifest) -> dict[str, Any]:
    until, training = manifest.learned_until, manifest.training
    return {
        "learned_until": None if until is None else utc(until),
        "rows": training.rows,
        "accounts": training.accounts,
        "churned": training.churned,
        "metrics": {name: metric.model_dump() for name, metric in manifest.metrics.items()},
        "churnml": training.churnml,
    }


def _naive(at: dt.datetime) -> dt.datetime:
    return at.astimezone(dt.UTC).replace(tzinfo=None) if at.tzinfo is not None else at
