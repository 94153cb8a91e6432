"""Files of models of text: numbers and plain text, packed; nothing in them can execute."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError, ConfigError

Floats = npt.NDArray[np.float64]

_LEARNED_UNTIL = "learned_until"  # by which `about` of a model tells it
_META = "model.json"
_ARRAY = ".npy"


@dataclass(frozen=True, eq=False)
class Parts:
    """What a file holds.

    Parameters
    ----------
    meta : mapping
        Values that JSON knows.
    arrays : mapping of str to ndarray
        Numbers, in the precision in which they are kept.
    texts : mapping of str to str
        Further files, by name.
    """

    meta: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    texts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of the content, however it is compressed."""
        digest = hashlib.sha256()
        for name, content in self._files().items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def _files(self) -> dict[str, bytes]:
        files = {_META: json.dumps(self.meta, sort_keys=True).encode()}
        files |= {name: text.encode() for name, text in self.texts.items()}
        for name, array in self.arrays.items():
            held = io.BytesIO()
            np.save(held, array, allow_pickle=False)
            files[name + _ARRAY] = held.getvalue()
        return files

    def save(self, path: Path) -> None:
        """Write them to a file, the same bytes for the same parts: no times, no order of chance.

        Raises
        ------
        ConfigError
            If it cannot be written.
        """
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in self._files().items():
                packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        try:
            path.write_bytes(out.getvalue())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from error


def learned(until: dt.datetime | None) -> dict[str, str]:
    """Tell in `about` of a model when people said the latest of what it learned."""
    return {} if until is None else {_LEARNED_UNTIL: until.isoformat()}


class Packed(ABC):
    """A model that is kept as `Parts`; `about` says what it learned from."""

    about: dict[str, Any]

    @property
    @abstractmethod
    def parts(self) -> Parts:
        """What its file holds."""

    @cached_property
    def version(self) -> str:
        """SHA-256 of what it says, by which readings name the model that made them."""
        return self.parts.digest

    @property
    def learned_until(self) -> dt.datetime | None:
        """When people said the latest of what it learned, UTC; None where they said nothing."""
        said = self.about.get(_LEARNED_UNTIL)
        return None if said is None else dt.datetime.fromisoformat(said)

    def save(self, path: Path) -> None:
        """Write the model to a file.

        Raises
        ------
        ConfigError
            If it cannot be written.
        """
        self.parts.save(path)


def read_parts(path: Path, what: str, mend: str) -> Parts:
    """Read a file that `Parts.save` wrote.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, for the error.
    mend : str
        What to do where it is not.

    Raises
    ------
    BundleError
        If it is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
        return Parts(
            meta=json.loads(files.pop(_META)),
            arrays={
                name.removesuffix(_ARRAY): np.load(io.BytesIO(content), allow_pickle=False)
                for name, content in files.items()
                if name.endswith(_ARRAY)
            },
            texts={
                name: content.decode()
                for name, content in files.items()
                if not name.endswith(_ARRAY)
            },
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path}: no {what} that this version can read: {error!r}. {mend}"
        ) from error
