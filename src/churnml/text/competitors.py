"""Whom a message names beside us, and how far it has gone with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError
from churnml.text.clauses import rule
from churnml.text.moves import CompetitorLevel, judge
from churnml.text.phrases import PhraseModel
from churnml.text.prose import Prose, Span, plain, read_prose, stems, straight
from churnml.text.terms import terms_pattern
from churnml.text.vocabulary import Competitor
from churnml.text.wording import Wording, wording


@dataclass(frozen=True, slots=True)
class CompetitorFinding:
    """A competitor, how far it has gone, and what shows it.

    Parameters
    ----------
    name : str or None
        The competitor as the list calls it; None where none is named, such as "another vendor".
    level : CompetitorLevel
        The highest level that the message shows.
    span : Span
        The words that show it, as they stand in the message.
    """

    name: str | None
    level: CompetitorLevel
    span: Span


# A message that names competitors more often than this is a list; the first ones will do.
_MENTIONS = 20
SHIPPED = "levels.npz"
LEVELS = tuple(level.value for level in CompetitorLevel)
_STEP = {level: step for step, level in enumerate(CompetitorLevel)}

_UNNAMED_STEMS = stems("compe vendo provi suppl alter")
_UNNAMED = rule(
    r"\b(?:(?:another|a different|a competing|a rival|a cheaper|a new|an alternative|other"
    r"|different|competing|alternative|rival)"
    r" (?:vendors?|providers?|suppliers?|platforms?|solutions?)"
    r"|(?:a|your|one of your|some of your|the) (?:direct |main |biggest )?(?:competitors?"
    r"|rivals?|competition)(?: of yours)?|(?:an |any |some |the )?alternatives)\b"
)
Mention = tuple[str | None, int, int]  # who, and where the name begins and ends


class Names:
    """Finds whom messages name.

    Parameters
    ----------
    listed : iterable of Competitor
        Who is looked for.
    """

    def __init__(self, listed: Iterable[Competitor]) -> None:
        listed = tuple(listed)
        self._by_name = {plain(name): item for item in listed for name in item.names}
        self._pattern = terms_pattern(self._by_name)
        told = [read_prose(name).stems for name in self._by_name]
        self._stems = frozenset().union(*told) if all(told) else None  # some scripts have none

    def find(self, prose: Prose) -> list[Mention]:
        """Find where a message names competitors, in order; ``None`` for one without a name."""
        found = [*self._named(prose), *_unnamed(prose)]
        return sorted(found, key=lambda mention: mention[1])[:_MENTIONS]

    def _named(self, prose: Prose) -> Iterator[Mention]:
        if self._stems is not None and not prose.may_hold(self._stems):
            return
        for match in self._pattern.finditer(prose.plain):
            words = " ".join(match[0].split())
            competitor = self._by_name[words]
            written = straight(" ".join(prose.text[match.start() : match.end()].split()))
            if not competitor.as_written or written in map(straight, competitor.names):
                yield competitor.name, match.start(), match.end()


class Levels:
    """Finds how far it has gone with whom messages name.

    Parameters
    ----------
    model : PhraseModel, optional
        Tells of each `CompetitorLevel` of the one whose name is marked; the shipped one if omitted.
    """

    def __init__(self, model: PhraseModel | None = None) -> None:
        self.model = PhraseModel.shipped(SHIPPED) if model is None else model

    def find(
        self, prose: Sequence[Prose], mentions: Sequence[Sequence[Mention]]
    ) -> list[tuple[CompetitorFinding, ...]]:
        """Find how far it has gone with whom messages name.

        Parameters
        ----------
        prose : sequence of Prose
            What people wrote.
        mentions : sequence of sequence of Mention
            Whom each names.

        Returns
        -------
        list of tuple of CompetitorFinding
            For each message each competitor once, in order of appearance. One that is not named is
            found only where it is evaluated or switched to.
        """
        asked = [
            (place, name)
            for place, named in enumerate(mentions)
            for name in dict.fromkeys(name for name, _, _ in named)
        ]
        if not asked:
            return [()] * len(prose)
        texts = [about(prose[place], mentions[place], name) for place, name in asked]
        ruled = [rules_say(prose[place], mentions[place], name) for place, name in asked]
        log_odds = self.model.log_odds(texts, signs([level for level, _, _ in ruled]))
        found: list[list[CompetitorFinding]] = [[] for _ in prose]
        for (place, name), text, rule_said, odds in zip(asked, texts, ruled, log_odds, strict=True):
            level = CompetitorLevel(self.model.names[int(odds.argmax())])
            if level is rule_said[0]:
                where = rule_said[1:]
            elif level is CompetitorLevel.MENTIONED:
                where = next((start, end) for who, start, end in mentions[place] if who == name)
            else:
                where = self.model.shown_by(text, level.value)
            if name is not None or level is not CompetitorLevel.MENTIONED:
                found[place].append(CompetitorFinding(name, level, prose[place].span(*where)))
        return [tuple(items) for items in found]


def load_levels(path: Path) -> PhraseModel:
    """Read a model of how far it has gone with a competitor.

    Raises
    ------
    BundleError
        If it is missing, damaged, or tells of something else.
    """
    model = PhraseModel.load(path)
    if model.names != LEVELS or model.of_signs.shape[0] != len(LEVELS):
        raise BundleError(
            f"{path}: tells of {', '.join(model.names)}; expected a model of competitors' levels, "
            "as `churnml text adapt --of levels` makes one."
        )
    return model


def _unnamed(prose: Prose) -> Iterator[Mention]:
    if not _UNNAMED_STEMS.isdisjoint(prose.stems):
        for match in _UNNAMED.finditer(prose.plain):
            yield None, match.start(), match.end()


def about(prose: Prose, mentions: Sequence[Mention], name: str | None) -> Wording:
    """Take the words of a message as they are about one of the competitors that it names."""
    return wording(
        prose,
        named=[(start, end) for who, start, end in mentions if who == name],
        others=[(start, end) for who, start, end in mentions if who != name],
    )


def nameless(prose: Prose, mentions: Sequence[Mention]) -> Wording:
    """Take the words of a message, whoever is named hidden."""
    return wording(prose, named=[(start, end) for name, start, end in mentions if name is not None])


def rules_say(
    prose: Prose, mentions: Sequence[Mention], name: str | None
) -> tuple[CompetitorLevel, int, int]:
    """What the rules find of one competitor: the highest level, and the words that show it."""
    named = [(start, end) for _, start, end in mentions]
    found = [judge(prose, named, start) for who, start, _ in mentions if who == name]
    return max(found, key=lambda item: _STEP[item[0]])


def signs(levels: Sequence[CompetitorLevel]) -> npt.NDArray[np.float64]:
    """What the rules find, as signs (n, 4): one for each level."""
    return np.array([[level is one for one in CompetitorLevel] for level in levels], dtype=float)
