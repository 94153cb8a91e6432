"""What a sentence says of a move to a competitor: switched, switching, evaluating, or nothing.

What stands before the words that say it decides: a denied move is none, another's neither, and one
that is thought about, asked about or conditional is an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from churnml.text import clauses
from churnml.text.clauses import rule
from churnml.text.prose import Prose, stems
from churnml.text.wording import NAMED, OTHER, marked


class CompetitorLevel(StrEnum):
    """How far a customer has gone with a competitor, the least first."""

    MENTIONED = "mentioned"
    EVALUATING = "evaluating"
    SWITCHING = "switching"
    SWITCHED = "switched"


# In a sentence under judgement the competitor's name is written with these, as long as it is.
_X = rf"(?:the |a |an |their |{NAMED}+'s )?{NAMED}+(?:'s?)?"

_GAP = rf"(?:[\w'/&{OTHER}-]+ ){{0,6}}?"
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
    rf"|{NAMED}.{{0,100}}\b(?:look(?:ing)? (?:at|into)|evaluat\w+|consider\w*|try(?:ing)?"
    rf"|test(?:ing)?|compar\w+) (?:it|them)\b"
    rf"|\bwhy should we (?:stay|not)\b.*{NAMED}|\bwhy (?:we )?(?:did )?(?:not|we didn't"
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


def judge(
    prose: Prose, named: Sequence[tuple[int, int]], start: int
) -> tuple[CompetitorLevel, int, int]:
    """Read how far a message has gone with the competitor that it names at a place.

    Parameters
    ----------
    prose : Prose
        What a person wrote.
    named : sequence of (int, int)
        Where competitors are named.
    start : int
        Where the one in question begins; among `named`.

    Returns
    -------
    tuple of (CompetitorLevel, int, int)
        The level, and where the words that show it begin and end: the name itself where it is
        mentioned only.
    """
    end = dict(named)[start]
    first, last = next(((a, b) for a, b in prose.sentences if a <= start < b), (start, end))
    sentence = marked(prose, [(start, end)], named)[first:last]
    mentioned = CompetitorLevel.MENTIONED, start, end
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
        return level, first + match.start(), first + match.end()
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
