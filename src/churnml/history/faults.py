"""What can be wrong with history: every fault, what it means and what is done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Fault(StrEnum):
    """The kinds of fault that reading history finds, in the order in which they are reported."""

    MISSING_COLUMN = "missing_column"
    EMPTY = "empty"
    MALFORMED_LINE = "malformed_line"
    MISSING_VALUE = "missing_value"
    UNREADABLE_VALUE = "unreadable_value"
    MIXED_ZONES = "mixed_zones"
    NOT_FINITE = "not_finite"
    IMPOSSIBLE_VALUE = "impossible_value"
    WRONG_ORDER = "wrong_order"
    AFTER_NOW = "after_now"
    NOT_YET_RECORDED = "not_yet_recorded"
    NOT_YET_KNOWN = "not_yet_known"
    UNKNOWN_ACCOUNT = "unknown_account"
    BEFORE_ACCOUNT = "before_account"
    CONFLICT = "conflict"
    DUPLICATE = "duplicate"
    NOT_A_NUMBER = "not_a_number"
    NEVER_KNOWN = "never_known"
    RECORDED_EARLY = "recorded_early"
    OVERLAP = "overlap"
    STALE = "stale"


OF_THE_TABLE = frozenset({Fault.MISSING_COLUMN, Fault.EMPTY, Fault.STALE})


class Severity(StrEnum):
    """Whether a fault would corrupt a score."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class FaultMeaning:
    """What a fault says and what becomes of its rows.

    Parameters
    ----------
    doc : str
        What is wrong.
    remedy : str
        What to do about it, in ``data/sources.toml`` or at the source.
    severity : Severity
        An error counts towards `max_faulty`; a warning is only reported.
    quarantined : bool
        Whether the row is set aside.
    acceptable : bool
        Whether `accept` may turn it into a warning and keep the row.
    """

    doc: str
    remedy: str
    severity: Severity = Severity.ERROR
    quarantined: bool = True
    acceptable: bool = False


def _error(doc: str, remedy: str, *, acceptable: bool = False) -> FaultMeaning:
    return FaultMeaning(doc, remedy, acceptable=acceptable)


def _warning(doc: str, remedy: str) -> FaultMeaning:
    return FaultMeaning(doc, remedy, severity=Severity.WARNING, quarantined=False)


MEANINGS: Mapping[Fault, FaultMeaning] = MappingProxyType(
    {
        Fault.MISSING_COLUMN: FaultMeaning(
            "a required column has no source; nothing of the table is read",
            "map it in `columns`, `expressions` or `constants`",
            quarantined=False,
        ),
        Fault.EMPTY: FaultMeaning(
            "the source holds no rows, as after a failed export",
            "export it again, or accept 'empty'",
            quarantined=False,
            acceptable=True,
        ),
        Fault.MALFORMED_LINE: _error(
            "a line of a CSV file has too many or too few fields, or bytes of another encoding",
            "repair the line, or set `csv.delimiter`, `csv.quote` or `csv.encoding`",
        ),
        Fault.MISSING_VALUE: _error(
            "a required value is missing",
            "complete it at the source, or leave such rows out with `where`",
        ),
        Fault.UNREADABLE_VALUE: _error(
            "a value cannot be read as its kind",
            "give its form in `formats`, recode it in `values`, name it in `missing`, "
            "or convert it in `expressions`",
        ),
        Fault.MIXED_ZONES: _error(
            "a time without a zone in a column where other times have one",
            "write all times with a zone, or accept 'mixed_zones' to read them in the "
            "table's `timezone`",
            acceptable=True,
        ),
        Fault.NOT_FINITE: _error(
            "a number is infinite",
            "repair it at the source, or name it in `missing`",
        ),
        Fault.IMPOSSIBLE_VALUE: _error(
            "a value is out of bounds or none of its choices, or a time is not in 1900-2199",
            "recode it in `values`, or repair it at the source",
            acceptable=True,
        ),
        Fault.WRONG_ORDER: _error(
            "a time lies before the time that it must follow",
            "repair it at the source, or check the time zones of both columns",
            acceptable=True,
        ),
        Fault.AFTER_NOW: _error(
            "the row is said to have happened at or after the end of observation",
            "set `observed_until`, or check the table's `timezone`",
            acceptable=True,
        ),
        Fault.NOT_YET_RECORDED: FaultMeaning(
            "the row was recorded at or after the end of observation: nothing could know it yet, "
            "so leaving it out changes no score",
            "none is needed where the source reaches past `observed_until`; else set that, or "
            "check the table's `timezone`",
            severity=Severity.WARNING,
        ),
        Fault.NOT_YET_KNOWN: _warning(
            "a time that is known when it has come lies at or after the end of observation: it, "
            "and what is known at it, is blank in clean history until then; the rest of the row "
            "is kept",
            "none is needed for what is planned: the value stays in the source, at the rows named, "
            "and is read when it has come; else set `observed_until`, or check the table's "
            "`timezone`",
        ),
        Fault.UNKNOWN_ACCOUNT: _error(
            "the account is not in the accounts table",
            "complete the accounts, or leave such rows out with `where`",
            acceptable=True,
        ),
        Fault.BEFORE_ACCOUNT: _error(
            "the row happened before the day on which its account came to exist",
            "correct created_at, or accept 'before_account' where it tells of the CRM's record "
            "rather than of the first contact",
            acceptable=True,
        ),
        Fault.CONFLICT: _error(
            "a further row has the key of an earlier one and says something else; "
            "the row that was known first is kept",
            "make the key unique at the source, or choose the right row in `sql` or `query`",
        ),
        Fault.DUPLICATE: FaultMeaning(
            "a further row repeats another in every column; one of them is kept",
            "none is needed; deliver rows once to be rid of the message",
            severity=Severity.WARNING,
        ),
        Fault.NOT_A_NUMBER: _warning(
            "a number is NaN and was taken as missing",
            "none is needed where NaN means missing",
        ),
        Fault.NEVER_KNOWN: _warning(
            "a value without the time at which it became known; no feature will ever see it",
            "map the time column, or give it in `expressions`",
        ),
        Fault.RECORDED_EARLY: _warning(
            "a row is said to be recorded before it happened; it counts from when it happened",
            "check the time zones of both columns",
        ),
        Fault.OVERLAP: _warning(
            "a term starts before the account's earlier term of the same plan has ended, "
            "so that revenue and seats count twice",
            "end the earlier term in `terminated_at` where it was replaced",
        ),
        Fault.STALE: _warning(
            "nothing of the table happened or became known in the last `stale_days` before the end "
            "of observation",
            "export the table again, or raise `stale_days`",
        ),
    }
)
