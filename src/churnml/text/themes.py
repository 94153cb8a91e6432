"""What a message is about, by the words of an editable list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from churnml.text.clauses import rule, without_gaps
from churnml.text.prose import Prose, Span, plain
from churnml.text.terms import terms_pattern
from churnml.text.vocabulary import ThemeWords


class Theme(StrEnum):
    """What feedback is about."""

    PRODUCT = "product"
    TIMELINE = "timeline"
    PRICING_BILLING = "pricing_billing"
    SUPPORT = "support"
    COMPETITIVE = "competitive"
    POSITIVE = "positive"


_ORDER = {theme: place for place, theme in enumerate(Theme)}


@dataclass(frozen=True, slots=True)
class ThemeFinding:
    """A theme, and the words that tell it.

    Parameters
    ----------
    theme : Theme
        What the message is about.
    span : Span
        The first words that tell it, as they stand in the message.
    """

    theme: Theme
    span: Span


# Praise that is denied, wished for or over.
_NOT_PRAISE = rule(
    r"(?:\b(?:not|no|never|hardly|without|neither|nor|isnt|wasnt|dont|less|nothing|far from"
    r"|used to|would|could|should|"
    r"if|was once|anything but|instead of|lack of|more|some|any|how)|n't|'d be)(?: [\w'-]+){0,2} \Z"
)
_SARCASM = rule(
    r"\A\W*(?:oh |just |well |how |wow )*(?:great|wonderful|fantastic|brilliant|perfect|lovely"
    r"|nice|awesome|excellent|amazing)\b"
    r".*\b(?:again|another|still|broken|down|fail\w*|crash\w*|lost|yet|outage)\b"
)
_LOOK_BACK = 40


class Themes:
    """Finds the themes of messages.

    Parameters
    ----------
    words : ThemeWords
        What tells each theme.
    """

    def __init__(self, words: ThemeWords) -> None:
        self._exact: dict[str, tuple[Theme, ...]] = {}
        self._begun: dict[str, tuple[Theme, ...]] = {}
        for theme in Theme:
            for term in getattr(words, theme):
                of = self._begun if term.endswith("*") else self._exact
                key = plain(term).removesuffix("*")
                of[key] = (*of.get(key, ()), theme)
        self._pattern = terms_pattern(
            [*self._exact, *(f"{beginning}*" for beginning in self._begun)]
        )

    def find(self, prose: Prose) -> tuple[ThemeFinding, ...]:
        """Find what a message is about.

        Parameters
        ----------
        prose : Prose
            What a person wrote.

        Returns
        -------
        tuple of ThemeFinding
            Each theme at most once, in the order of `Theme`, with the first words that tell it.
        """
        found: dict[Theme, Span] = {}
        for match in self._pattern.finditer(prose.plain):
            start, end = match.span()
            for theme in self._themes(match[0]):
                if theme in found or (theme is Theme.POSITIVE and not _praises(prose, start)):
                    continue
                found[theme] = prose.span(start, end)
        return tuple(
            ThemeFinding(theme, found[theme]) for theme in sorted(found, key=_ORDER.__getitem__)
        )

    def _themes(self, words: str) -> Iterator[Theme]:
        words = " ".join(words.split())
        yield from self._exact.get(words, ())
        for length in range(len(words), 0, -1):
            if words[:length] in self._begun:
                yield from self._begun[words[:length]]
                return


def _praises(prose: Prose, position: int) -> bool:
    """Whether praise is meant: neither denied, nor wished for, nor sarcasm."""
    before_it = bisect_right(prose.sentences, position, key=itemgetter(0))
    start, end = prose.sentences[before_it - 1]
    before = without_gaps(prose.plain[start:position])[-_LOOK_BACK:]
    return not _NOT_PRAISE.search(before) and not _SARCASM.search(prose.plain[start:end])
