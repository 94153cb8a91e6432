"""Which columns of a flat table a model can learn from, and as what."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from churnml.flat import mixes_zones
from churnml.training.encoding import FeatureKind, as_numbers, is_number_text, kind_of

# Fewer rows a value than this, and what is learnt of a category is its few rows by heart.
LEAST_ROWS_A_VALUE = 5
FEW_VALUES = 20
MOST_WORDS = 0.1  # of a column's values; where more are words, it is not one of numbers
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_IDENTIFIER = re.compile(  # the last word of a name
    r"((account|client|company|customer|member|order|person|row|subscriber|user)s?)?"
    r"(id|number|key|code)|index"
)
# Pandas' names of a nameless index, which numbers rows. A sample of them keeps the order of the
# whole, which may well be by outcome.
_ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__|level_\d+")


@dataclass(frozen=True)
class Columns:
    """What is learnt from a flat table.

    Parameters
    ----------
    features : tuple of str
        The columns to learn from, in the table's order.
    categorical : tuple of str
        Those among them that are categories; other text holds numbers.
    left_out : mapping of str to str
        The others, and why.
    doubted : mapping of str to str
        Categories that were meant as numbers by all appearance, and why.
    """

    features: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: Mapping[str, str]
    doubted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def choose(
        cls, table: pa.Table, names: Iterable[str], *, keep: Collection[str] = ()
    ) -> Columns:
        """Look at a table's columns.

        Left out are columns that say nothing, whose values are all the same or missing, and those
        that name rather than describe: identifiers, and text that hardly repeats. A model learns
        such names by heart, and knows none of those to come.

        Parameters
        ----------
        table : pyarrow.Table
            The rows to learn from.
        names : iterable of str
            The columns to look at.
        keep : collection of str
            Those to learn from whatever they look like.
        """
        kinds: dict[str, FeatureKind] = {}
        left_out: dict[str, str] = {}
        doubted: dict[str, str] = {}
        for name in names:
            fault = None if name in keep else _fault(name, table[name])
            if fault is not None:
                left_out[name] = fault
                continue
            kind = kind_of(table[name].type)
            if kind is FeatureKind.CATEGORY and is_number_text(table[name]):
                kind = FeatureKind.NUMBER
            kinds[name] = kind or FeatureKind.NUMBER
            doubt = _words_among_numbers(table[name]) if kind is FeatureKind.CATEGORY else None
            if doubt is not None and name not in keep:
                doubted[name] = doubt
        return cls(
            features=tuple(kinds),
            categorical=tuple(n for n, kind in kinds.items() if kind is FeatureKind.CATEGORY),
            left_out=MappingProxyType(left_out),
            doubted=MappingProxyType(doubted),
        )


def _fault(name: str, column: pa.ChunkedArray) -> str | None:
    """Why a column is not to be learnt from; nothing where it may be."""
    kind = kind_of(column.type)
    if kind is None and not pa.types.is_null(column.type):
        return f"holds {column.type}, which a model cannot read"
    told = len(column) - column.null_count
    distinct = pc.count_distinct(column, mode="only_valid").as_py() if told else 0
    if distinct <= 1 and column.null_count in {0, len(column)}:
        return "holds no value" if not told else "holds one value only"
    if (
        kind is not FeatureKind.DATE
        and distinct == told > FEW_VALUES
        and _is_identifier(name, column)
    ):
        return f"identifies: each of {told:,} rows has a number of its own"
    if mixes_zones(column):
        return "holds times with a zone beside others without, which may be hours off"
    names = distinct > FEW_VALUES and told < LEAST_ROWS_A_VALUE * distinct
    if names and kind is FeatureKind.CATEGORY and not is_number_text(column):
        rather = f"names rather than describes: {distinct:,} values in {told:,} rows"
        return _words_among_numbers(column) or rather
    return None


def _words_among_numbers(column: pa.ChunkedArray) -> str | None:
    """Say which words make text of what else are many numbers; nothing where they are not."""
    values = column.cast(pa.string()).unique().drop_null()
    number = pc.match_substring_regex(pc.utf8_trim_whitespace(values), _NUMBER)
    words = values.filter(pc.invert(number)).to_pylist()
    numbers = len(values) - len(words)
    if numbers <= FEW_VALUES or not 0 < len(words) <= MOST_WORDS * len(values):
        return None
    shown = ", ".join(map(repr, words[:3])) + (", …" if len(words) > 3 else "")
    return f"holds {numbers:,} numbers, and {shown}, which is none; leave blank what is not known"


def _is_identifier(name: str, column: pa.ChunkedArray) -> bool:
    """Whether whole numbers that never repeat count the rows, or are called an identifier.

    They may be written with a point, as pandas does where one is blank, or as text.
    """
    numbers = as_numbers(column)
    if numbers is None or not pc.all(pc.equal(numbers, pc.floor(numbers)), min_count=0).as_py():
        return False
    ends = pc.min_max(numbers).as_py()
    counts = ends["max"] - ends["min"] < 2 * len(column)
    words = [word.casefold() for word in re.findall(r"[A-Z]*[a-z]+|[A-Z]+", name)]
    called = bool(words) and _IDENTIFIER.fullmatch(words[-1]) is not None
    return counts or called or _ROW_NUMBERS.fullmatch(name) is not None
