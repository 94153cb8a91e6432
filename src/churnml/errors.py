"""The errors churnml raises on purpose.

Every message says what was found, where, what was expected and what to do::

    ChurnMLError
    ├── ConfigError        a project file is missing, malformed or points nowhere
    ├── SourceError        a source of history cannot be read or mapped to its table
    ├── DataError          rows that were read would corrupt a score
    ├── FeatureError       a feature cannot be computed as it is declared
    ├── LabelError         a recipe leaves nothing to learn or to predict
    ├── TrainingError      a model cannot be fitted to the table it was given
    ├── BundleError        a bundle is damaged, or does not fit the rows to score
    └── StoreError         the service's store cannot be opened, or is not as it has to be
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class ChurnMLError(Exception):
    """Root of every error that churnml raises on purpose."""


class ConfigError(ChurnMLError):
    """A project file is missing, malformed or refers to something that is not there."""


class SourceError(ChurnMLError):
    """A source of history cannot be read, or cannot be mapped to its table."""


class DataError(ChurnMLError):
    """Rows that were read would corrupt a score."""


class FeatureError(ChurnMLError):
    """A feature cannot be computed as it is declared."""


class LabelError(ChurnMLError):
    """A recipe leaves nothing to learn from or nothing to predict."""


class TrainingError(ChurnMLError, ValueError):
    """A model cannot be fitted to the table it was given.

    A ValueError too, as scikit-learn expects of its estimators.
    """


class BundleError(ChurnMLError):
    """A bundle is damaged, or does not fit the rows it is asked to score."""


class StoreError(ChurnMLError):
    """The service's store cannot be opened, or is not as it has to be."""


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn what the file system refuses while something is written into an error of ours.

    Parameters
    ----------
    where : Path
        What is written, named where the system names no file.

    Raises
    ------
    ConfigError
        In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{error.filename or where}: cannot be written: {error.strerror or error}. Name "
            "another place, or grant access and free space there."
        ) from error


def cause(error: BaseException) -> str:
    """Tell on one line what went wrong, without the SQL and the links that libraries put around it.

    Parameters
    ----------
    error : BaseException
        Whatever a library raised; where a database refused something, its own words are told.
    """
    found = (getattr(around, "orig", None) for around in (error, error.__cause__))
    own = next((inner for inner in found if inner is not None), error)
    return str(own).strip().partition("\n")[0].rstrip(" .") or type(own).__name__


def nearest(wanted: str, allowed: Iterable[str]) -> str:
    """Say which allowed name is meant, for the end of an error message.

    Parameters
    ----------
    wanted : str
        The name that was not found.
    allowed : iterable of str
        The names that exist.

    Returns
    -------
    str
        ``" Did you mean 'x'?"``, or the list of what is allowed when nothing is near.
    """
    names = sorted(set(allowed))
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    if not names:
        return " There are none."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f" Expected one of: {shown}."
