"""Clauses: who acts, whether it is denied, asked or wished, read from what stands before a word."""

from __future__ import annotations

import re

_SPACE = re.compile(r" (?![^\[\]]*\])([?*+]?)")
_GAPS = re.compile(r" {2,}")
LEAD = 200


def rule(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in which a space stands for any number of spaces.

    Parameters
    ----------
    pattern : str
        A regular expression for `Prose.plain`; `` ?`` is a space that may be missing.
    """
    # Possessive: a negative lookahead behind spaces must not be got round by giving one back.
    return re.compile(_SPACE.sub(lambda found: " *" if found[1] in {"?", "*"} else " ++", pattern))


_BOUNDARY = rule(
    r"[;:()\[\]|]|[.!?]+ | -+ | [\u2013\u2014] ?"
    r"|,? ?\b(?:but|however|although|though|because|since|whereas|while|yet|therefore|hence) "
    r"|(?:,|\band|\bso|\bor|\bthen|, and|, so|\bbecause|\bas) "
    r"(?=(?:we|i|please|pls|plz|kindly|can|could|would|how|what|when|where|is|are|do|does|you"
    r"|our|my|they)\b)"
)

# Whoever is spoken of, when it is not the writer's own side.
_OTHERS = rule(
    r"\b(?:customers?|clients?|end[- ]users?|users?|subscribers?|members?|patients?|guests?"
    r"|students?"
    r"|tenants?|visitors?|shoppers?|buyers?|attendees?|employees?|candidates?|suppliers?|vendors?"
    r"|competitors?|friends?|neighbou?rs?|people|someone|somebody|anyone|everyone|nobody|who"
    r"|companies"
    r"|partners?|contractors?|landlord|airline|hotel|they|he|she|they'[a-z]+|he'[a-z]+|she'[a-z]+"
    r"|(?:another|other) (?:company|team|firm|business)|agents?|participants?|drivers?|players?"
    r"|admins?"
    r"|administrators?|owners of|collaborators?|donors?|parents?|recipients?)\b"
)
_OWN = rule(
    r"\b(?:we|i|us|me|please|pls|plz|kindly|let's|we'[a-z]+|i'[a-z]+|our (?:company|team"
    r"|organi[sz]ation|board"
    r"|management|side|business|firm|finance|leadership)|management|board|cfo|ceo|coo|cto|boss"
    r"|procurement)\b"
)
_PRONOUN = rule(r"\b(?:they|he|she|who|they'[a-z]+|he'[a-z]+|she'[a-z]+)\Z")
_AS_CUSTOMER = rule(r"\bas an? (?:[\w-]+ ){0,3}(?:customer|client|user|subscriber|member)s?\b")
_READER = rule(
    r"(?:\b(?:you|your (?:team|company|support|system|colleagues?))(?:'ve|'re|'ll|'d| have| had"
    r"| are| will| would| did| might| may| don't)"
    r"|\b(?:are|did|(?<!how\x20)(?<!how\x20\x20)do|have|had|if|when|because) you(?: guys| people)?"
    r"|\A\W*(?:you|your (?:team|company|support|system))|\A\W*will you(?! (?:please|kindly|pls)))"
    r"(?: (?:just|already|then|simply|going|planning|to|ever|also|really|suddenly|be|been))* \Z"
)

_GAP = (
    r"(?: (?!(?:and|so|but|therefore|hence|we|i|we'[a-z]+|i'[a-z]+|please|pls"
    r"|kindly)\b)[\w'/-]+){0,6}"
)
_DENIED = rule(
    r"(?:\b(?:not|never|without|rather than|instead of|no longer|avoid\w*|nor|neither|hardly"
    r"|dont|didnt|wont"
    r"|doesnt|isnt|arent|wouldnt|shouldnt|cant|prevent\w*|refus\w*|than|mad|crazy|silly|foolish"
    r"|stupid|mistake|shame|pity"
    r"|no (?:plans?|intentions?|desire|wish|need|reason|interest|intent|point|thoughts?|grounds)"
    r"|(?:keep|kept|stop|stopped|talked|saved?|deter\w*) (?:us|me)(?: out)?|against|hate"
    r"|reluctant|sorry"
    r"|far from|unlikely|last thing)|n't)" + _GAP + r" \Z"
)
_ONCE = rule(
    r"\b(?:almost|nearly|originally|initially|(?:was|were|had|had been) (?:just )?(?:about|going"
    r"|planning|thinking"
    r"|ready|considering|close|tempted|prepared|set|planned|thought|considered|almost|nearly"
    r"|contemplat\w+)"
    r"|thought (?:about|of)|(?:wanted|meant) to (?=[^?]*\bbut\b)|considered|used to)"
    + _GAP
    + r" \Z"
)
_UNABLE = rule(
    r"(?:\b(?:can't|cant|cannot|can not|couldn't|could not|unable|not able|won't let|doesn't let"
    r"|not (?:possible|sure|clear|see|know|find|understand|allowed)|don't (?:know|see|understand"
    r"|find)|dont know"
    r"|do not (?:know|see|understand|find)|undecided|unsure|hesita\w+|haven't decided"
    r"|not decided|no (?:way|option|button|link|idea|place|obvious|possibility|clue)"
    r"|impossible))" + _GAP + r" \Z"
)
_ASKED = rule(
    r"(?:\b(?:(?:how|where|when|what|which|who|whom|why)(?:'s|'re|'d)?|whether|too late"
    r"|walk (?:me|us) through|guide (?:me|us) through|talk (?:me|us) through|explain|wonder\w*"
    r"|possible|possibility|able|allowed|entitled"
    r"|permitted|eligible|free|easy|easier|hard|difficult|costs?|fees?|penalty|penalties"
    r"|charged?|deadline|process"
    r"|procedure|steps?|ways?|options?|ability|right|latest|last (?:day|date)|requirements?"
    r"|instructions?|link"
    r"|page|guide|forms?|paperwork|address|contact|questions?|enquir\w+|inquir\w+"
    r"|(?:info|information|details)(?= (?:on|about|how|regarding|as to|for)\b)|implications?"
    r"|consequences?|regarding|about|concerning)"
    r"(?: (?!(?:please|pls|kindly|want|wants|like|wish|wishes|decided|hereby)\b)[\w'/-]+){0,7}"
    r"|\b(?:if|in case|should|once|when|before|until|after|suppos\w+|assuming|were|unless) "
    r"(?:we|i|our [\w-]+|my [\w-]+|one)(?: [\w'-]+){0,6}"
    r"|\b(?:before|after|when|upon|if)(?: ever)?"
    r"|\b(?:can|could|may|might|do|does|did|must|should|would|are|am|will|shall|have|has) "
    r"(?:we|i|one|my company|our [\w-]+)(?: (?!(?:please|pls|kindly)\b)[\w'-]+){0,5}"
    r") \Z"
)
_PONDERED = rule(
    r"\b(?:consider\w*|think\w*|contemplat\w*|debat\w*|discuss\w*|evaluat\w*|weigh\w*|explor\w*"
    r"|tempted|lean\w*"
    r"|might|may|perhaps|maybe|possibly|probably|close|threaten\w*|toying|inclined|review\w*"
    r"|likely|better|best)"
    r"(?: [\w'-]+){0,5} \Z"
)
_SETTLED = rule(
    r"\b(?:conclusion|concluded|decided|decision|agreed|determined|resolved)\b(?! (?:if|whether"
    r"|yet))"
)
_EXERCISED = rule(r"\b(?:hereby|exercis\w+)\b")
_FILLER = (
    r"(?:please|pls|plz|kindly|just|now|then|also|hi|hello|hey|dear|team|all|there|guys|ok|okay"
    r"|yes|so|and|therefore"
    r"|hereby|immediately|simply|urgent(?:ly)?|asap|thanks|thank you|again|finally|or|subject"
    r"|effective"
    r"|(?:as of|from) \w+(?: \d+)?|today|instead|at once|first|both|formally|fully|completely"
    r"|go ahead and|proceed to|if possible|do|let's|lets|let us|permanently|action|request"
    r"|regretfully|officially"
    r"|unfortunately|sadly|with immediate effect|right away|enough|in that case|well|sorry|ever)"
)
_COMMANDED = rule(rf"\A[\W\d_]*+(?:(?>{_FILLER})\b[\W_]*+)*+\Z")
_ADVERBS = (
    r"(?:(?:please|now|hereby|therefore|also|formally|officially|then|unfortunately|sadly"
    r"|immediately|fully|completely"
    r"|just|kindly|regretfully|simply|like|really|instead|probably|all|be|actually|both"
    r"|permanently|reluctantly"
    r"|definitely|soon|finally|thus|still|thereby) )*"
)
_WISHED = rule(
    r"(?:\b(?:want(?:s|ed|ing)?|like|love|wish(?:es|ing)?|need(?:s|ed|ing)?|prefer|has|have|had"
    r"|got|going|plan(?:s|ning)?"
    r"|intend(?:s|ing)?|intention(?: is)?|intent|aim(?:ing)?|looking|ready|set|forced|obliged"
    r"|compelled|decided|chosen"
    r"|elected|opted|agreed|resolved|decision|determined|voted|deciding|hoping|hope|trying|tried"
    r"|try|writing|emailing"
    r"|contacting|reaching out|reach out|in touch|messaging|calling|called|here|requesting"
    r"|request|requested|asking"
    r"|asked|ask|decision(?: [\w'-]+){1,4}|(?:asked|requested|tried|told you|decided|want|need"
    r"|like|wish|agreed|written)(?: [\w'-]+){1,3}|best|better|instructed|instructions?|told"
    r"|directed|advised|you|us|me|u|someone|somebody|team|preparing|prepare"
    r"|prepared|due|time|support|sure|notice|appreciate it|authori[sz]ed?|authori[sz]ation"
    r"|this is|necessary|wishing"
    r"|happy|choose|proceed|desire|glad|required|right|option but|choice but|alternative but"
    r"|email is"
    r"|message is) to "
    rf"{_ADVERBS}"
    rf"|\b(?:wanna|gonna|gotta|lemme) {_ADVERBS}"
    r"|(?:\b(?:will|shall|must|hereby|are|am|is|have been|(?:we|i|you|us) should|we|i|i'd rather"
    r"|we'd rather|do)|'ll"
    r"|'re|'m) "
    rf"(?:be )?{_ADVERBS}"
    r"|\b(?:can|could|would|will|may|might) (?:you|u|someone|somebody|anyone|your team"
    r"|support)(?: guys)?(?: [\w'-]+){0,6} "
    r"|\b(?:can|could|may|would) (?:we|i)(?: [\w'-]+){0,3} (?:please|pls|kindly)(?: [\w'-]+){0,2} "
    r"|\b(?:please|pls|plz|kindly)(?: (?!(?:tell|explain|say|advise|clarify|describe"
    r"|help)\b)[\w'-]+){0,4} "
    r"|\b(?:you to|like you to|help (?:me|us)(?: to)?|assist (?:me |us )?(?:with|in)"
    r"|proceed with|go ahead with|mind"
    r"|go ahead and|get|appreciate you|(?:if|grateful if|that) you (?:could|would"
    r"|can)(?: [\w'-]+){0,2}|(?:request|ask|demand|require|insist|expect)(?:ing)? (?:that )?you"
    r"|(?:want|like|love|wish|need|please|decided|decision|going|will|must|had to|have to"
    r"|choose)(?: [\w'-]+){1,10} (?:and|or)|appreciate your|have you|get this|to immediately"
    r"|must insist on|insist on"
    r"|favou?r of|settled on|decided on|opted for|opting for|going with|help with|start|starting"
    r"|begin|demand that you) )\Z"
)
_CONDITION = rule(
    r"\b(?:if|unless|until|or else|otherwise)\b(?! (?:possible|you need|there(?:'s| is) anything"
    r"|that(?:'s| is)"
    r"|you can|not already|necessary|required|needed|this is (?:ok|okay|fine|possible)"
    r"|applicable|i can|we can|so|any|anything|i may|you require"
    r"|you have any|you could|you would|that works|you don't mind))"
)
_COMMITTED = rule(
    r"\b(?:will|shall|going|have to|must|need|forced|'ll|would|'d|'re|are)\b[^?]*\Z|'ll[^?]*\Z"
    r"|'re[^?]*\Z"
)


def lead(sentence: str, position: int) -> str:
    """Cut out what stands in a clause before a position.

    Parameters
    ----------
    sentence : str
        A sentence in plain words.
    position : int
        Where the word in question begins.

    Returns
    -------
    str
        From the beginning of its clause to the position, 200 characters at most.
    """
    before = without_gaps(sentence[:position])
    start = max(0, len(before) - LEAD)
    for match in _BOUNDARY.finditer(before, start):
        start = match.end()
    return before[start:]


def without_gaps(words: str) -> str:
    """Close the gaps between words: mark-up that is blanked leaves one as long as it was."""
    return _GAPS.sub(" ", words) if "  " in words else words


def of_others(before: str, *, own: bool = False) -> bool:
    """Whether somebody else acts than the writer's side or the reader.

    Parameters
    ----------
    before : str
        The lead of what is done.
    own : bool
        Whether it is done to what is plainly the writer's: a pronoun may stand for a colleague.
    """
    before = _AS_CUSTOMER.sub(" ", before)
    found = [*_OTHERS.finditer(before)]
    if not found or (own and _PRONOUN.search(found[-1][0])):
        return False
    return not _OWN.search(before, found[-1].end())


def of_reader(before: str) -> bool:
    """Whether the reader acts, without being asked to: you have, did you, your team."""
    return bool(_READER.search(before))


def denied(before: str) -> bool:
    """Whether it is denied, or was once thought of and no more."""
    return bool(_DENIED.search(before) or _ONCE.search(before))


def once(before: str) -> bool:
    """Whether it was once thought of."""
    return bool(_ONCE.search(before))


def unable(before: str) -> bool:
    """Whether the writer does not know how, or is kept from it."""
    return bool(_UNABLE.search(before))


def asked(before: str) -> bool:
    """Whether it is asked about or supposed: how, when, whether, if we."""
    return bool(_ASKED.search(before))


def pondered(before: str) -> bool:
    """Whether it is thought about and not settled."""
    return bool(_PONDERED.search(before))


def commanded(before: str) -> bool:
    """Whether nothing stands before it but a greeting or a please."""
    return bool(_COMMANDED.match(before) or _COMMANDED.match(before.rpartition(",")[2]))


def wished(before: str) -> bool:
    """Whether it is wanted, decided, announced or asked of the reader."""
    return bool(_WISHED.search(before))


def conditional(sentence: str, before: str) -> bool:
    """Whether it is announced on a condition."""
    return bool(_COMMITTED.search(before) and _CONDITION.search(sentence))


def exercised(before: str) -> bool:
    """Whether a right is not asked about and is made use of."""
    return bool(_EXERCISED.search(before))


def settled(before: str) -> bool:
    """Whether it is said to be decided."""
    return bool(_SETTLED.search(before))
