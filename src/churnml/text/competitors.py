"""Whom a message names beside us, and how far it has gone with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from churnml.text import clauses
from churnml.text.clauses import rule
from churnml.text.prose import Prose, Span, stems
from churnml.text.terms import terms_pattern
from churnml.text.vocabulary import Competitor


class CompetitorLevel(StrEnum):
    """How far a customer has gone with a competitor, the least first."""

    MENTIONED = "mentioned"
    EVALUATING = "evaluating"
    SWITCHING = "switching"
    SWITCHED = "switched"


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
_STEP = {level: step for step, level in enumerate(CompetitorLevel)}

# In a sentence under judgement the competitor's name is written with these, as long as it is.
_MARK = "\ue000"
_OTHER_MARK = "\ue001"
_X = rf"(?:the |a |an |their |{_MARK}+'s )?{_MARK}+(?:'s?)?"

_UNNAMED_STEMS = stems("compe vendo provi suppl alter anoth other diffe tools solut elsew")
_UNNAMED = rule(
    r"\b(?:(?:another|a different|a competing|a rival|a cheaper|a new|an alternative|other"
    r"|different|competing|alternative|rival)"
    r" (?:vendors?|providers?|suppliers?|platforms?|solutions?)"
    r"|(?:a|your|one of your|some of your|the) (?:direct |main |biggest )?(?:competitors?"
    r"|rivals?|competition)(?: of yours)?|(?:an |any |some |the )?alternatives)\b"
)

_GAP = rf"(?:[\w'/&{_OTHER_MARK}-]+ ){{0,6}}?"
_SWITCHED = rule(
    rf"\b(?:switched|moved|migrated|transitioned|converted|swapped|defected|shifted|gone|went"
    rf"|jumped|changed) {_GAP}(?:over )?(?:to|with|onto|for) {_X}"
    rf"|\b(?:now|already|currently|since) (?:using|on|with|running on|live (?:on|with)|use"
    rf"|run on|work with|working with|customers? of) {_X}"
    rf"|\b(?:replaced|swapped) (?:you|your|it|this|the|them) {_GAP}(?:with|by|for|out for) {_X}"
    rf"|{_X} (?:has|have) (?:already |now )?replaced (?:you|your)"
    rf"|\b(?:signed|contracted) {_GAP}with {_X}|\bbought {_X}|\bleft (?:you )?for {_X}"
)
_MOVE = r"(?:switch|move|migrate|transition|convert|shift|change|go|jump|defect|head)"
_MOVING = (
    r"(?:switching|moving|migrating|transitioning|converting|shifting|changing|going|jumping"
    r"|heading)"
)
_SWITCHING = rule(
    rf"\b{_MOVING} {_GAP}(?:over )?(?:to|with|onto) {_X}|\b{_MOVE} {_GAP}(?:over )?(?:to|with"
    rf"|onto) {_X}"
    rf"|\b(?:leav(?:e|ing)|ditch(?:ing)?|dropp?(?:ing)?|cancel\w*) {_GAP}for {_X}"
    rf"|\b(?:replac(?:e|ing)|swap(?:ping)?) (?:you|your|it|this|the) {_GAP}(?:with|by|for) {_X}"
    rf"|\b(?:implementing|onboarding (?:with|onto|to)|rolling out|deploying|adopting|introducing"
    rf"|choosing|selecting|sign(?:ing)?(?: up)? with|buying) {_X}"
    rf"|\b(?:chose|chosen|selected|picked|opted for|decided (?:on|for|in favou?r of)|settled on"
    rf"|in favou?r of|awarded {_GAP}to) {_X}"
    rf"|{_X} (?:will|is going to|is about to) (?:replace|take over)"
    rf"|\bmigration (?:{_GAP})?to {_X}"
)
_EVALUATING = rule(
    rf"\b(?:evaluat\w+|compar\w+|comparison|trial\w*|trying|tried|pilot\w*|test(?:ing|ed)"
    rf"|looking|looked|look|demos?|demoed|consider\w*|assess\w*|shortlist\w*"
    r"|explor\w+|review\w*|talk(?:ing|ed|s)?|speaking|spoke|negotiat\w+|quotes?|proposals?"
    r"|offers?|pricing|poc|proof of concept|rfp|benchmark\w*"
    r"|investigat\w+|checking out|checked out|versus|vs|meeting|met|alternatives? (?:like"
    r"|such as)|options like|approached|contacted|courted)\W+"
    rf"(?:(?!integrat\w*|import\w*)[\w'/&%-]+[ ,]+){{0,5}}?{_X}"
    rf"|{_X}(?: [\w'-]+){{0,3}} (?:demos?|trial|pilot|proposal|quote|poc|showed|pitched"
    rf"|approached|presented|shortlist\w*|gave us|quoted|alongside|side by side)\b"
    rf"|{_X} (?:has |have )?(?:offer(?:s|ed)?|made) us\b"
    rf"|{_MARK}.{{0,100}}\b(?:look(?:ing)? (?:at|into)|evaluat\w+|consider\w*|try(?:ing)?"
    rf"|test(?:ing)?|compar\w+) (?:it|them)\b"
    rf"|\bwhy should we (?:stay|not)\b.*{_MARK}|\bwhy (?:we )?(?:did )?(?:not|we didn't"
    rf"|we did not) (?:buy|choose|pick|take|go with) {_X}"
)
_SIGNS = (
    (
        CompetitorLevel.SWITCHED,
        _SWITCHED,
        stems(
            "switched moved migrated transitioned converted swapped defected shifted gone went"
            " jumped"
            " changed now already currently since replaced signed contracted bought left"
        ),
    ),
    (
        CompetitorLevel.SWITCHING,
        _SWITCHING,
        stems(
            "switch move moving migrate transition convert shift change changing go going jump"
            " defect"
            " heading head leave leaving ditch drop dropping cancel replace swap implementing"
            " onboarding rolling deploying adopting introducing choosing selecting sign signing"
            " buying"
            " chose chosen selected picked opted decided settled favour favor awarded will is"
        ),
    ),
    (
        CompetitorLevel.EVALUATING,
        _EVALUATING,
        stems(
            "evaluating compare trial trialling trying tried try pilot test tested testing looking"
            " looked look demo demos demoed considering assess shortlist exploring review talk"
            " talking"
            " talks speaking spoke negotiating quote quotes quoted proposal offer offers pricing"
            " poc"
            " proof rfp benchmark investigating checking checked versus vs meeting met alternatives"
            " options approached contacted courted showed pitched presented gave alongside side"
            " made"
            " why"
        ),
    ),
)
_STAYED = rule(
    r"\b(?:stay(?:ed|ing)? with you|stayed put|decided to stay|(?:chose|choosing|picked|picking"
    r"|selected|selecting|prefer(?:red)?|chosen|bought|went with|going with|stick(?:ing)? with"
    r"|stuck with|keep(?:ing)?) (?:you\b|your)"
    r"|(?:came|come|coming|switched|moved|went|migrated) (?:back |over )*to you|returned to you"
    r"|(?:glad|happy) (?:we|i) (?:stayed|chose|switched|moved|came)|(?:far |much "
    r"|way )?better than|not as good as|no match for|worse than yours|decided against"
    r"|ruled out)\b"
)


class Competitors:
    """Finds competitors in messages.

    Parameters
    ----------
    listed : iterable of Competitor
        Who is looked for.
    """

    def __init__(self, listed: Iterable[Competitor]) -> None:
        listed = tuple(listed)
        self._by_name = {name.lower(): item for item in listed for name in item.names}
        self._pattern = terms_pattern(self._by_name)

    def find(self, prose: Prose) -> tuple[CompetitorFinding, ...]:
        """Find whom a message names and how far it has gone.

        Parameters
        ----------
        prose : Prose
            What a person wrote.

        Returns
        -------
        tuple of CompetitorFinding
            Each competitor once, at the highest level the message shows, in order of appearance.
            One that is not named is found only where it is evaluated or switched to.
        """
        mentions = [*self._named(prose), *_unnamed(prose)]
        if not mentions:
            return ()
        best: dict[str | None, CompetitorFinding] = {}
        mentions = sorted(mentions, key=lambda mention: mention[1])[:_MENTIONS]
        for name, start, end in mentions:
            level, span = _judge(prose, mentions, start, end)
            if name is None and level is CompetitorLevel.MENTIONED:
                continue
            known = best.get(name)
            if known is None or _STEP[level] > _STEP[known.level]:
                best[name] = CompetitorFinding(name, level, span)
        return tuple(best.values())

    def _named(self, prose: Prose) -> Iterator[tuple[str | None, int, int]]:
        for match in self._pattern.finditer(prose.plain):
            words = " ".join(match[0].split())
            competitor = self._by_name[words]
            written = " ".join(prose.text[match.start() : match.end()].split())
            if not competitor.as_written or written in competitor.names:
                yield competitor.name, match.start(), match.end()


def _unnamed(prose: Prose) -> Iterator[tuple[str | None, int, int]]:
    if not _UNNAMED_STEMS.isdisjoint(prose.stems):
        for match in _UNNAMED.finditer(prose.plain):
            yield None, match.start(), match.end()


def _judge(
    prose: Prose, mentions: list[tuple[str | None, int, int]], start: int, end: int
) -> tuple[CompetitorLevel, Span]:
    """Read how far a message has gone with the competitor that it names at a place."""
    first, last = next(((a, b) for a, b in prose.sentences if a <= start < b), (start, end))
    sentence = _marked(prose.plain[first:last], first, mentions, start)
    mentioned = CompetitorLevel.MENTIONED, prose.span(start, end)
    stayed = _STAYED.search(sentence) is not None
    for level, pattern, words in _SIGNS:
        match = pattern.search(sentence) if prose.may_hold(words) else None
        if match is None:
            continue
        before = clauses.lead(sentence, match.start())
        if stayed or clauses.denied(before) or clauses.of_others(before):
            return mentioned
        if level is not CompetitorLevel.EVALUATING and _open(sentence, before):
            level = CompetitorLevel.EVALUATING  # noqa: PLW2901 (a move not settled)
        return level, prose.span(first + match.start(), first + match.end())
    return mentioned


def _open(sentence: str, before: str) -> bool:
    """Whether a move is thought about, and not settled."""
    return (
        clauses.pondered(before)
        or "?" in sentence
        or clauses.conditional(sentence, before)
        or bool(_COULD.search(before))
    )


_COULD = rule(
    r"\b(?:could|would|can|if|unless|how|whether|want(?:s)? (?:me|us) to|keeps? (?:asking"
    r"|telling))\b"
)


def _marked(
    sentence: str, first: int, mentions: list[tuple[str | None, int, int]], judged: int
) -> str:
    letters = list(sentence)
    for _, start, end in mentions:
        if first <= start and end <= first + len(letters):
            mark = _MARK if start == judged else _OTHER_MARK
            letters[start - first : end - first] = mark * (end - start)
    return "".join(letters)
