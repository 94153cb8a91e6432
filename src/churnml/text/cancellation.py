"""Cancellation: who asks that a subscription be ended, and who asks about ending one.

A finding needs a thing that customers hold and a verb that ends it in one clause, or one of the set
phrases of leaving. What stands before it in the clause then decides: another's cancellation and a
denied one are none; a supposed, pondered or enquired one is a question; a wished, announced or
commanded one is a request. One that is announced on a condition is a question: nothing is asked to
be done yet, and somebody should answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from churnml.text import clauses, leaving
from churnml.text.clauses import rule
from churnml.text.prose import Prose, stems
from churnml.text.subscriptions import CANCEL, CANCELLATION, FEATURES

_POLITE = rule(r"\b(?:please|pls|plz|kindly|can you|could you|would you)\b")
_UNDONE = rule(
    r"\b(?:hasn't|haven't|isn't|has not|have not|is not|is still not|still not|never"
    r"|has still not)\b.* been\b|\bstill (?:not|hasn't)\b|\bisn't\b.*\byet\b"
)
_AMISS = rule(
    r"\b(?:why|by mistake|accident\w*|reinstat\w*|wrong\w*|error|without (?:notice|warning"
    r"|telling))\b"
)
_HYPOTHESIS = rule(
    r"\b(?:if|once|after|when|before|until|how|where|whether)(?: [\w'-]+){0,4} \Z"
    r"|\A\W*(?:(?:hi|hello|hey|so|also)\W+)?(?:can|could|will|would|may|is|has|have|does|do|are"
    r"|was)"
    r"(?: [\w'-]+){0,4} \Z"
)
_TO_BE = rule(r"\b(?:to|should|must|needs?)(?: [\w'-]+){0,2} be\b|\bto be\b|\bneeds?\b")
_DONE = rule(r"\b(?:is|was|been|has|have|gets?|are)\b")
_NOT = rule(r"\bnot\b|n't\b")
_BE = rule(r" be \w+(?: down)?\Z")
_ORDERED = rule(r"\b(?:ask|asking|request\w*|require|demand\w*|insist|want|that)\b")
_STATE = rule(
    r"\b(?:confirm\w*|confirmation|ensure|make sure|makes sure|see to it|until"
    r"|assure)(?: [\w'-]+){0,4} \Z"
)
_HAVE = rule(
    r"\b(?:want|wants|like|need|needs|have|get|see|request|demand|having|getting|prefer"
    r"|rather have)(?: [\w'-]+)? \Z"
)
_SAID = rule(r"\A(?:request|ask|submit|appl|want|need|demand|insist|require|sent|fil|sending)")
_OURSELVES = rule(
    r"\b(?:we|i|us|me|our (?:company|team|board|management|organi[sz]ation|business|firm"
    r"|subscription|contract|agreement|plan)|management|board|company)\b(?!.*\b(?:you|it|they)\b)"
)
_RESOLVED = rule(
    r"\b(?:advised|note|inform|informed|notify|notified|aware|decided|decision|chosen|elected"
    r"|want|wish|prefer|opted|intention|intend|like)\b"
)
_PERISHABLE = rule(
    r"\b(?:certificates?|ssl|tokens?|domains?|passwords?|keys?|passports?|cookies?|sessions?"
    r"|cache|customers'?|members?)\b"
)
_WHY_NOT = rule(r"\b(?:why|no reason|imagine|see why|would be (?:crazy|mad|silly))\b")
_THIRD = rule(
    r"\b(?:does|did|has|have|had|is) \Z|\b(?:doesn|didn|hasn|haven|hadn)\Z|\b(?:does|did|has"
    r"|have|had|doesn|didn|hasn|haven) *\Z"
)
_COULD_NOT = rule(r"\b(?:can|ca|could|cannot)\b *\Z")
_MADE_SURE = rule(r"\b(?:ensure|make (?:absolutely )?sure|see to it|please|kindly)\b")
_ENQUIRY = rule(
    r"\?|\b(?:what'?s?|how|looking|is there|are there|when|whether|wonder\w*|asked|asks|asking"
    r"|tell (?:me"
    r"|us)|send (?:me|us|over)|explain|want(?:s)? to know|like to know"
    r"|need(?:s)? to know|confirm|clarify|questions?|enquir\w+|inquir\w+|provide|share|details"
    r"|info\w*|know|check\w*|advise|curious|understand|remind|look up"
    r"|find|looking for|point me|let (?:me|us) know)\b"
)
_FOREIGN_TERMS = rule(
    r"\b(?:(?:our|their|his|her|a|an) (?:customers?|guests?|bookings?|users?|clients?|members?"
    r"|subscribers?|patients?|employees?|staff|tenants?|checkout|landlord)"
    r"|to a booking|customers?|guests?|employees?|patients?|checkout|bookings?|(?:add|configure"
    r"|customi[sz]e|translate|edit|display|show|upload|insert|set up|build)"
    r"|before (?:\w+ )?(?:downtime|outages?|updates?|changes?)|notice (?:do|will|can|would) you"
    r"|do you (?:give|send)|maintenance|price (?:changes?|increases?)"
    rf"|{FEATURES})\b"
)
_TAKEN_BACK = rule(
    rf"\b(?:ignore|disregard|withdraw|withdrawing|rescind|revoke|retract|undo|reverse|scrap|void"
    rf"|forget) (?:\w+ ){{0,4}}?(?:{CANCELLATION}|notice|termination"
    rf"|requests? to {CANCEL}|{CANCEL} request)\b"
    r"|(?<!not\x20)(?<!n't\x20)(?<!never\x20)(?<!reason\x20to\x20)\bchanged (?:our|my) minds?\b"
    r"|\b(?:decided|going|want|like|happy|happily|love|prefer|will) (?:to )?"
    r"(?:stay(?:ing)? with you|keep (?:our|the|my) (?:subscription|account|contract|plan))\b"
    rf"|\b(?:do not|don't|dont|please not|no need to) {CANCEL}\b(?! (?:the|a|any) (?!sub|acc|con))"
    rf"|\breinstat\w+\b|\breactivat\w+\b|\bby mistake\b|\baccidentally\b|\bun-?{CANCEL}"
)
_STILL = rule(
    r"\b(?:still|yet|keep (?:charging|billing)|keeps? (?:charging|billing)|(?:been|being|was"
    r"|were|got) (?:bill|charg|invoic|debit)\w+|nothing (?:has )?happened|no (?:reply|response"
    r"|answer))\b"
)
_QUOTED = rule(r'"[^"]{1,160}"')
_ASIDE = rule(
    r"\b(?:following|after|per|during|on|from|in|about) (?:our|the|my|your|today's|yesterday's"
    r"|this) \w+"
    r"|\b(?:our|my|last) (?:phone )?call\b"
)
_FEATURE = rule(rf"\b{FEATURES}\b")
_HELD = rule(
    r"\b(?:subscri\w*|contract|membership|our account|my account|agreement|licen[cs]e|our plan"
    r"|my plan|renewal)\b"
)
_MACHINE = rule(
    r"\b(?:api|endpoint|webhooks?|sdk|workflow|automation|script|zapier|stripe|json|payload"
    r"|sandbox|staging|programmatically|test environment)\b"
)
_MINE = rule(r"\b(?:our|my|your|us|me)\b")
_DEFINITE = rule(r"\b(?:our|my|your|us|me|the|this|early)\b")


class Stance(Enum):
    """How a message stands to a cancellation."""

    REQUEST = "request"
    QUESTION = "question"
    DENIAL = "denial"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What a message says about ending a subscription.

    Parameters
    ----------
    stance : Stance
        Whether it is asked for, asked about, or denied or taken back.
    start, end : int
        Where the words that show it begin and end, offsets into the message.
    """

    stance: Stance
    start: int
    end: int


def find_cancellation(prose: Prose) -> Cancellation | None:
    """Find whether a message asks for, asks about, or denies the end of a subscription.

    Parameters
    ----------
    prose : Prose
        What a person wrote.

    Returns
    -------
    Cancellation or None
        The first request, or what takes it back; where there is none, the first question; where
        there is none of these, the first denial; else None.
    """
    held = prose.stems & _STEMS
    phrases = [
        phrase
        for phrase in _PHRASES
        if not held.isdisjoint(phrase.words)
        and (phrase.others is None or not held.isdisjoint(phrase.others))
    ]
    if not phrases:
        return None
    question = denial = None
    before = ""
    for start, end in prose.sentences:
        sentence = _Sentence(prose.plain[start:end], before, prose.plain)
        before = sentence.words
        for stance, first, last in sentence.stances(phrases):
            found = Cancellation(stance, start + first, start + last)
            if stance is Stance.REQUEST:
                return _taken_back(prose) or found
            if stance is Stance.QUESTION:
                question = question or found
            else:
                denial = denial or found
    return question or denial or _taken_back(prose)


def _taken_back(prose: Prose) -> Cancellation | None:
    match = _TAKEN_BACK.search(prose.plain)
    return None if match is None else Cancellation(Stance.DENIAL, *match.span())


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One sentence, the one before it, and the whole message."""

    words: str
    before: str
    message: str

    @property
    def asks(self) -> bool:
        return "?" in self.words

    def stances(self, phrases: list[_Phrase]) -> Iterator[tuple[Stance, int, int]]:
        """Judge each phrase of leaving in the sentence, save what it quotes."""
        quoted = (
            [match.span() for match in _QUOTED.finditer(self.words)] if '"' in self.words else []
        )
        for phrase in phrases:
            for match in phrase.pattern.finditer(self.words):
                first, last = match.span()
                if any(start < first and last < end for start, end in quoted):
                    continue
                stance = phrase.judge(self, match)
                if stance is not None:
                    yield stance, first, last


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase of leaving, how it is judged, and the words without which it cannot be there."""

    pattern: re.Pattern[str]
    judge: Callable[[_Sentence, re.Match[str]], Stance | None]
    words: frozenset[str]
    others: frozenset[str] | None = None


def _lead(sentence: _Sentence, match: re.Match[str]) -> str:
    return clauses.lead(sentence.words, match.start())


def _foreign(before: str, *, own: bool = False) -> bool:
    """Whether others or the reader do it, or it was once thought of."""
    return clauses.of_reader(before) or clauses.of_others(before, own=own) or clauses.once(before)


def _judge(sentence: _Sentence, match: re.Match[str], *, own: bool) -> Stance | None:
    """Read what stands before a cancellation: whose, denied, asked about or asked for."""
    before = _lead(sentence, match)
    if _foreign(before, own=own):
        return None
    if clauses.unable(before):
        return Stance.QUESTION
    if clauses.denied(before):
        return Stance.DENIAL
    asked = clauses.asked(before) and not clauses.exercised(before)
    if asked or (clauses.pondered(before) and not clauses.settled(before)):
        return Stance.QUESTION
    if clauses.commanded(before):
        doubtful = sentence.asks and not _POLITE.search(sentence.words)
        doubtful = doubtful or clauses.conditional(sentence.words, before)
        return Stance.QUESTION if doubtful else Stance.REQUEST
    if clauses.wished(before):
        conditional = clauses.conditional(sentence.words, before)
        return Stance.QUESTION if conditional else Stance.REQUEST
    return Stance.QUESTION if sentence.asks and own else None


def _ends(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a verb that ends a thing that customers hold."""
    stance = _judge(sentence, match, own=bool(_DEFINITE.search(match[0])))
    if not _MINE.search(match["thing"]):
        # Nobody's in particular: where a program does it, it is a matter of the product's.
        spoken = sentence.words if stance is Stance.QUESTION else _lead(sentence, match)
        return None if _MACHINE.search(spoken) else stance
    return stance


def _bare(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a verb without an object, which a thing of the product's beside it would be."""
    if _FEATURE.search(_ASIDE.sub(" ", sentence.words)):
        return None
    return _judge(sentence, match, own=True)


def _it(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a verb whose object is named elsewhere."""
    if not _HELD.search(sentence.message) or _FEATURE.search(sentence.before + sentence.words):
        return None
    return _judge(sentence, match, own=True)


def _idiom(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    return _judge(sentence, match, own=True)


def _noun(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a cancellation that is granted, demanded or announced as a noun."""
    stance = _judge(sentence, match, own=True)
    if stance is None and _SAID.match(match[0]) and _OURSELVES.search(_lead(sentence, match)):
        return Stance.REQUEST
    return stance


def _not_going_on(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a negation: not renewing, not continuing."""
    before = _lead(sentence, match)
    # The auxiliary of a contraction stands right before: won't, doesn't.
    spaced = f"{before.rstrip()} "
    if _foreign(spaced) or _PERISHABLE.search(sentence.words):
        return None
    if clauses.pondered(spaced):
        return Stance.QUESTION
    if clauses.denied(spaced) or _WHY_NOT.search(spaced):
        return None
    if _THIRD.search(spaced):
        return Stance.REQUEST if _MADE_SURE.search(sentence.words) and not sentence.asks else None
    if clauses.asked(spaced) or clauses.conditional(sentence.words, spaced):
        return Stance.QUESTION
    if _COULD_NOT.search(spaced) and "renew" in (match["renew"] or ""):
        return None
    if clauses.commanded(spaced) or _OURSELVES.search(spaced) or _RESOLVED.search(spaced):
        return Stance.QUESTION if sentence.asks else Stance.REQUEST
    return None


def _passive(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge a thing that is to be ended, has been, or has still not been."""
    before = _lead(sentence, match)
    words = clauses.without_gaps(match[0])
    if _foreign(before, own=True) or clauses.denied(before):
        return None
    if _UNDONE.search(words):
        return Stance.REQUEST
    if _NOT.search(words) or _AMISS.search(sentence.words):
        return None
    supposed = _HYPOTHESIS.search(before) is not None
    if supposed and sentence.asks and _POLITE.search(sentence.words) and _HAVE.search(before):
        return Stance.REQUEST
    if supposed and sentence.asks:
        return Stance.QUESTION
    if _TO_BE.search(words) or (_BE.search(words) and _ORDERED.search(before)):
        if sentence.asks:
            return Stance.QUESTION
        wanted = not supposed and not clauses.asked(before) and not _DONE.search(words)
        return Stance.REQUEST if wanted else None
    if _DONE.search(words):
        return Stance.REQUEST if _STATE.search(before) else None
    if clauses.asked(before):
        return Stance.QUESTION if sentence.asks else None
    return Stance.REQUEST if _HAVE.search(before) else None


def _stated(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    """Judge what says of itself that somebody leaves."""
    before = _lead(sentence, match)
    if _foreign(before) or clauses.denied(before):
        return None
    if clauses.asked(before) or clauses.pondered(before):
        return Stance.QUESTION
    return Stance.REQUEST


def _notice(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    before = _lead(sentence, match)
    if sentence.asks or _foreign(before) or clauses.denied(before):
        return None
    return Stance.REQUEST


def _headline(sentence: _Sentence, match: re.Match[str]) -> Stance | None:  # noqa: ARG001
    return None if sentence.asks else Stance.REQUEST


def _done(sentence: _Sentence, match: re.Match[str]) -> Stance | None:  # noqa: ARG001
    """Judge a cancellation that was made and is not honoured."""
    return Stance.REQUEST if _STILL.search(sentence.message) else None


def _undone(sentence: _Sentence, match: re.Match[str]) -> Stance | None:  # noqa: ARG001
    return Stance.REQUEST


def _policy(sentence: _Sentence, match: re.Match[str]) -> Stance | None:  # noqa: ARG001
    words = sentence.words
    return Stance.QUESTION if _ENQUIRY.search(words) and not _FOREIGN_TERMS.search(words) else None


def _afterwards(sentence: _Sentence, match: re.Match[str]) -> Stance | None:  # noqa: ARG001
    words = sentence.words
    return Stance.QUESTION if _ENQUIRY.search(words) and not clauses.of_others(words) else None


def _wavering(sentence: _Sentence, match: re.Match[str]) -> Stance | None:
    before = _lead(sentence, match)
    return None if _foreign(before) or clauses.denied(before) else Stance.QUESTION


_CANCELS = stems("cance cansel cansl cancl canca canel cnace cacne cence termi nonre non")
_THINGS = stems(
    "subsc subcr subsr subri sucsc suscr contr agree membe accou acoun acct plan servi"
    " licen renew autor auto partn relat"
    " retai msa trial deal packa arran works tenan org organ engag sub profi every whole busin"
)
_ENDINGS = _CANCELS | stems(
    "end endin disco quit take takin quitt exit exiti stop stopp cease ceasi concl disso void"
    " voidi resci"
    " scrap ditch wind windi"
    " close closi shut shutt rid out withd walk walki plug step stepp unsub relea deact delet"
    " remov erase erasi disab"
    " turn turni switc part parti pass passi skip skipp forgo decli break drop dropp putti put"
)
_NEGATIONS = stems("not t never longe dont wont again canno")
_PHRASES = (
    _Phrase(leaving.ENDS, _ends, _ENDINGS, _THINGS),
    _Phrase(leaving.BARE, _bare, _CANCELS),
    _Phrase(leaving.IT, _it, _CANCELS | stems("end stop close"), _THINGS),
    _Phrase(
        leaving.IDIOM,
        _idiom,
        stems(
            "leave leavi off away part parti separ elsew quits offbo lapse expir run end using"
            " use usage notic"
        ),
        stems("you your platf servi vendo ways compa separ elsew quits offbo off let notic our us"),
    ),
    _Phrase(leaving.NOUN, _noun, _CANCELS | stems("closu delet closi")),
    _Phrase(
        leaving.NOT_GOING_ON,
        _not_going_on,
        stems(
            "renew autor auto exten conti prolo resig re keep keepi go going proce movin move"
            " sign signi commi stay stayi custo bill billi"
            " charg invoi debit"
        ),
        _NEGATIONS,
    ),
    _Phrase(
        leaving.PASSIVE,
        _passive,
        _CANCELS | stems("ended close delet deact disco stopp shut remov wound"),
        _THINGS,
    ),
    _Phrase(
        leaving.NOTICE,
        _notice,
        _CANCELS | stems("notic notif resig"),
    ),
    _Phrase(
        leaving.NO_NEED,
        _stated,
        _NEGATIONS | stems("done out last final no"),
        stems(
            "servi platf produ softw tool tools syste app solut compa offer subsc accou licen"
            " plan contr membe you your want wants like need renew let our my"
        ),
    ),
    _Phrase(
        leaving.BILLING,
        _stated,
        stems("stop cease quit halt stopp"),
        stems("bill billi charg invoi debit payme takin"),
    ),
    _Phrase(leaving.LEAVING, _stated, stems("leave leavi movin elsew")),
    _Phrase(leaving.MADE_TO_END, _stated, stems("ensur sure see want like need wish"), _THINGS),
    _Phrase(leaving.HEADLINE, _headline, _CANCELS),
    _Phrase(
        leaving.DONE_BY_US,
        _done,
        _CANCELS | stems("close ended delet"),
        stems("still yet keep keeps bille billi charg invoi debit nothi no"),
    ),
    _Phrase(
        leaving.UNDONE_BY_YOU,
        _undone,
        _CANCELS | stems("close ended delet deact"),
        _NEGATIONS | stems("yet"),
    ),
    _Phrase(
        leaving.POLICY,
        _policy,
        _CANCELS
        | stems(
            "notic exit break opt get walk cance subsc contr early offbo cooli locke lock minim"
            " penal tied bound stuck"
            " leavi leave"
        ),
    ),
    _Phrase(
        leaving.AFTERWARDS,
        _afterwards,
        stems("if when after once at until follo upon befor shoul case"),
        _CANCELS
        | stems(
            "contr subsc agree accou membe plan term licen leave left elsew walk stop quit away"
        ),
    ),
    _Phrase(leaving.WAVERING, _wavering, stems("think consi conte tempt close")),
)
_STEMS = frozenset().union(*(phrase.words | (phrase.others or set()) for phrase in _PHRASES))
