"""A contest: the champion's answers on the rows that the challenger was tested on.

At each cutoff the champion answers by its own bundle, if that had learned nothing that was not yet
known then; else by the model that its training tested at that cutoff, if it did. Rows of which
neither is to be had are not compared: a bundle that has seen what came would win them unfairly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnml.actions.account_tiers import AccountTiers
from churnml.errors import ChurnMLError, TrainingError, nearest
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel
from churnml.training.encoding import FeatureKind, kind_of
from churnml.training.gates import SEGMENT, GatesSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.features.table import TrainingTable
    from churnml.training.bundle import Bundle
    from churnml.training.manifest import Manifest
    from churnml.training.testing import Tested

Answer = Callable[[pa.Table], "NDArray[np.float64]"]


@dataclass(frozen=True, eq=False)
class Contest:
    """Rows that both were asked about.

    Parameters
    ----------
    rows : pyarrow.Table
        The challenger's out-of-time rows that the champion answered, with its ``champion``
        probability beside the challenger's ``probability``.
    by_bundle, by_tests : int
        Of how many rows the champion's bundle answered, and of how many the models that its
        training tested.
    not_compared : int
        Rows that the champion has no fair answer for.
    refused : str
        Why nothing can be compared, if so.
    """

    rows: pa.Table
    by_bundle: int
    by_tests: int
    not_compared: int
    refused: str = ""

    @property
    def said(self) -> str:
        """Which rows were compared, in words."""
        left = f", {self.not_compared:,} not comparable" if self.not_compared else ""
        return (
            f"{self.rows.num_rows:,} rows ({self.by_bundle:,} by the champion's bundle, "
            f"{self.by_tests:,} by the models its training tested{left})"
        )


def require_segments(table: TrainingTable, spec: GatesSpec) -> None:
    """Refuse segments that no feature gives, before a long training rather than after it.

    Raises
    ------
    TrainingError
        If one is not a category or a truth among the features.
    """
    for name in spec.segments:
        if name not in table.features:
            raise TrainingError(
                f"[gates] segments names {name!r}, which is no feature of the recipe."
                f"{nearest(name, table.features)}"
            )
        held = table.frame[name].type
        if kind_of(held) not in {FeatureKind.CATEGORY, FeatureKind.BOOLEAN}:
            raise TrainingError(
                f"[gates] segments names {name!r}, which holds {held}; expected a category or a "
                "truth, whose values part accounts."
            )


def out_of_time(tested: Tested, table: TrainingTable, spec: GatesSpec) -> pa.Table:
    """Give the rows that were tested with all that a later contest needs to know of them.

    Parameters
    ----------
    tested : Tested
        The tests.
    table : TrainingTable
        What was tested.
    spec : GatesSpec
        Names segments.

    Returns
    -------
    pyarrow.Table
        ``account_id``, ``cutoff`` (if there are times), ``label``, ``probability``, ``arr``,
        ``account_tier``, ``unseen`` (whether the account was never trained on), and a column
        ``segment:NAME`` for each segment.
    """
    rows = table.frame.take(pa.array(np.concatenate([item.test for item in tested.splits])))
    arr = rows["arr"].cast(pa.float64())
    tiers = AccountTiers().tiers(arr.to_numpy())
    kept = tested.frame.append_column("arr", arr)
    kept = kept.append_column("account_tier", pa.array(tiers, pa.string()))
    kept = kept.append_column("unseen", pa.array(tested.unseen))
    for name in spec.segments:
        kept = kept.append_column(SEGMENT + name, rows[name].cast(pa.string()))
    return kept


def incomparable(champion: Manifest, challenger: Manifest) -> str:
    """Say why two models cannot be asked about the same rows; empty where they can.

    Where no column names accounts, a row is known by its number alone. In a file that has changed
    that may be somebody else, and whoever answers for others loses any contest.

    Parameters
    ----------
    champion, challenger : Manifest
        What their bundles say of themselves.
    """
    label = challenger.label
    if label != champion.label:
        return "the champion foresees something else: its recipe's [label] differs"
    learned, learns = (x.training.fingerprints["data"] for x in (champion, challenger))
    if isinstance(label, ColumnLabel) and label.id is None and learned != learns:
        return (
            f"{label.file} is not what the champion learned from, and without a column that names "
            "accounts, id under [label], its rows cannot be known again"
        )
    return ""


def contest(
    rows: pa.Table, champion: Bundle, tests: pa.Table | None, answer: Answer, *, refused: str = ""
) -> Contest:
    """Put the champion beside the challenger.

    Parameters
    ----------
    rows : pyarrow.Table
        The challenger's out-of-time rows; see `out_of_time`.
    champion : Bundle
        Its bundle.
    tests : pyarrow.Table or None
        The champion's out-of-time rows; None where its run is lost.
    answer : callable
        Gives the probabilities of the champion's bundle for some of the rows.
    refused : str
        Why the two cannot be compared at all, if so; see `incomparable`.

    Returns
    -------
    Contest
        Refused as well where the champion cannot be asked: a gate then fails, and may be forced,
        where an error would leave no way on.
    """
    if refused:
        return Contest(rows.slice(0, 0), 0, 0, rows.num_rows, refused)
    chance = _tested(rows, tests)
    unanswered = _before(rows, champion)
    if unanswered.any():
        places = np.flatnonzero(unanswered)
        try:
            chance[places] = answer(rows.take(pa.array(places)))
        except ChurnMLError as error:
            why = f"the champion cannot be asked: {error}"
            return Contest(rows.slice(0, 0), 0, 0, rows.num_rows, why)
    there = np.isfinite(chance)
    compared = rows.append_column("champion", pa.array(chance)).filter(pa.array(there))
    label = compared["label"].to_numpy()
    both = 0 < int(label.sum()) < label.size
    return Contest(
        rows=compared,
        by_bundle=int((there & unanswered).sum()),
        by_tests=int((there & ~unanswered).sum()),
        not_compared=int((~there).sum()),
        refused=""
        if both
        else f"{label.size} of the challenger's {rows.num_rows} rows can be compared, too few to "
        "tell: the champion learned of the others, and was not tested on them",
    )


def _before(rows: pa.Table, champion: Bundle) -> NDArray[np.bool_]:
    """Find the rows by whose cutoff all that the champion's bundle learned was known."""
    learned = champion.manifest.learned_until
    if learned is None or "cutoff" not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=bool)
    cutoffs = np.asarray(rows["cutoff"], dtype="datetime64[us]")
    return np.asarray(cutoffs >= np.datetime64(learned, "us"))


def _tested(rows: pa.Table, tests: pa.Table | None) -> NDArray[np.float64]:
    """Look up the champion's own tests; nan where it was not tested on a row.

    Only its probability is taken over: an outcome may have been recorded since, and both have to
    be judged by the same.
    """
    if tests is None or ("cutoff" in tests.column_names) != ("cutoff" in rows.column_names):
        return np.full(rows.num_rows, np.nan)
    found = dict(zip(_keys(tests), tests["probability"].to_pylist(), strict=True))
    return np.array([found.get(key, np.nan) for key in _keys(rows)], dtype=np.float64)


def _keys(rows: pa.Table) -> list[tuple[object, ...]]:
    names = [name for name in (ACCOUNT_ID, "cutoff") if name in rows.column_names]
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))
