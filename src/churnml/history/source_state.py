"""What a reading was made from, by which to tell whether another would give the same."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from churnml.errors import SourceError
from churnml.history.extracts import find_files
from churnml.history.posted import Posted
from churnml.history.sources import Sources


@dataclass(frozen=True)
class SourceState:
    """The state of all that a reading depends on; databases have none that can be seen.

    Parameters
    ----------
    config : str
        SHA-256 of what ``sources.toml`` says.
    code : str
        SHA-256 of the modules that read.
    files : dict of str to list of int
        Each file's size, bytes, and time of change, nanoseconds.
    """

    config: str
    code: str
    files: dict[str, list[int]]

    @classmethod
    def of(cls, sources: Sources, base: Path, posted: Posted | None = None) -> SourceState:
        """Take the state as it is now.

        Parameters
        ----------
        sources : Sources
            Where each table comes from.
        base : Path
            The folder that relative paths start from.
        posted : Posted, optional
            What was posted to the service.

        Raises
        ------
        SourceError
            If a source is not there.
        """
        code = hashlib.sha256()
        for module in sorted(Path(__file__).parent.glob("*.py")):
            code.update(module.read_bytes())
        config = hashlib.sha256(sources.model_dump_json().encode()).hexdigest()
        files = _files(sources, base.resolve()) | (posted.state() if posted else {})
        return cls(config, code.hexdigest(), files)

    def as_json(self) -> dict[str, Any]:
        """Give the state as JSON keeps it."""
        return asdict(self)

    def require_unchanged(self, sources: Sources, base: Path, posted: Posted | None = None) -> None:
        """Refuse a reading of which nobody can say what it read.

        Parameters
        ----------
        sources : Sources
            Where each table comes from.
        base : Path
            The folder that relative paths start from.
        posted : Posted, optional
            What was posted to the service.

        Raises
        ------
        SourceError
            If a file has come, gone or changed since the state was taken.
        """
        now = _files(sources, base.resolve()) | (posted.state() if posted else {})
        every = {**self.files, **now}
        changed = [path for path in every if self.files.get(path) != now.get(path)]
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise SourceError(
                f"{changed[0]}{others}: changed while it was read, so that rows of two states may "
                "be mixed; history was not written. Run again when the export is complete."
            )


def _files(sources: Sources, base: Path) -> dict[str, list[int]]:
    files = {}
    for name, source in sources.tables.items():
        given = source.files.values() if isinstance(source.files, dict) else source.files or ()
        for item in (given,) if isinstance(given, str) else given:
            for path in find_files(name, (item,), base):
                state = path.stat()
                files[str(path)] = [state.st_size, state.st_mtime_ns]
    return files
