"""What a person wrote in a message, without what their mail program put around it.

Quoted replies, signatures, legal footers, mark-up, addresses and the marks of a subject are
blanked: each character becomes a space (or stays a line break), so that every offset still points
into the message as it was received. Characters that nobody sees, which part words, are left out
beforehand, and those that mark-up names (``&#39;``) are written out; where there are any, each
place is kept.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Straight where word processors bend them, and one kind of space: each for one, lengths stay.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4\u0060\u2032\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u2028\u2029", " "),
    }
)
_SPACE = str.maketrans(dict.fromkeys("\n\t\x0b\x0c", " "))

# What has no width: controls, soft hyphens, joiners, marks of direction. The one that makes one
# emoji of two stays before an emoji.
_UNSEEN = re.compile(
    r"[\0-\x08\x0e-\x1b\x7f\u00ad\u034f\u061c\u180e"
    r"\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    r"|\u200d(?![\u2190-\u2bff\U0001f000-\U0001faff])"
)

_REFERENCE = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)
_ELEMENT = re.compile(
    r"<(style|script|blockquote)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK = re.compile(r"</?(?:br|p|div|li|tr|h[1-6])\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE
)
_MAIL = re.compile(r"@(?<=[\w.+-]@)[\w-]+\.[\w-]")  # begins with a letter that is soon looked for
# Halves of characters, as programs leave that cut by length, and the marks that `wording` writes.
_FOREIGN = re.compile(r"[\ud800-\udfff\ue000\ue001]")
_MARKS = re.compile(r"\s*(?:subject: *)?(?:(?:re|fwd?|aw|wg)(?:\[\d+\])?: *)*", re.IGNORECASE)

_QUOTED_LINE = re.compile(r"^[ ]*>.*$", re.MULTILINE)
# Headers of what is quoted, as mail programs write them in English, German, French, Spanish,
# Italian, Dutch and Portuguese, in this order; people write English with any of them.
_COLON = r"[ \u00a0\u202f]?:"
_WROTE = rf"(?:wrote|a écrit|escribió|ha scritto|escreveu){_COLON}"
_REPLY = re.compile(
    rf"^[ ]*(?:on|le|el|il|em) (?=[^:]{{0,300}}\d)[^\n]{{5,200}}"
    rf"(?:\n[^\n]{{0,100}}){{0,2}}?\b{_WROTE} *$"
    rf"|\b(?:on|le|el|il|em) [a-z]{{3,9}}[.,]* [^\n]{{3,40}}\b\d{{4}}\b[^\n]{{1,100}}\b{_WROTE}"
    r"|^[ ]*(?:am|op) [^\n]{5,80}(?:\n[^\n]{0,80})?\b(?:schrieb|schreef)"
    rf"\b[^\n:]{{1,150}}(?:\n[^\n:]{{0,100}})?{_COLON} *$"
    rf"|\b(?:am|op) [^\n]{{3,30}}\b\d{{4}}\b[^\n]{{1,30}}\b(?:schrieb|schreef)"
    rf"\b[^\n:]{{1,100}}{_COLON}",
    re.IGNORECASE | re.MULTILINE,
)
_REPLY_WORDS = ("wrote", "schrieb", "a écrit", "escribió", "scritto", "schreef", "escreveu")
_FROM = ("from", "von", "de", "da", "van")
_SENT = (
    r"(?:sent|date|gesendet|datum|envoyé|enviado(?: el)?|fecha|inviato|data|verzonden"
    rf"|enviad[ao] em){_COLON}\*? "
)
_TO = rf"(?:to|an|à|para|aan){_COLON}\*? "
_MORE = rf"(?:cc|subject|betreff|objet|asunto|oggetto|onderwerp|assunto){_COLON}"
_HEADER = re.compile(
    r"(?<!-)-{2,}+ *+(?:(?:original|forwarded|reply)[a-z ]*message"
    r"|(?:ursprüngliche|weitergeleitete) nachricht"
    r"|message (?:d['\u2019]origine|original|transféré)|mensaje (?:original|reenviado)"
    r"|messaggio (?:originale|inoltrato)|(?:oorspronkelijk|doorgestuurd) bericht"
    r"|mensagem (?:original|encaminhada)) *-{2,}"
    r"|^[ ]*(?:(?:begin forwarded message|anfang der weitergeleiteten nachricht"
    r"|début du message (?:réexpédié|transféré)|inicio del mensaje reenviado"
    rf"|inizio messaggio inoltrato|begin doorgestuurd bericht)|_{{10,}}) *(?:{_COLON})? *$"
    rf"|^[ *]*(?:{'|'.join(_FROM)}){_COLON}\*? (?:[^\n]*\n(?:[^\n]*\n){{0,2}}?[ *]*{_SENT}"
    # From and to are also said of seats and days, where no mail's address was blanked.
    rf"|[^\n]*  \n(?:[^\n]*\n){{0,2}}?[ *]*{_TO}"
    rf"|[^\n]*\n[ *]*{_TO}[^\n]*\n(?:[^\n]*\n)??[ *]*{_MORE})",
    re.IGNORECASE | re.MULTILINE,
)

_HEADER_WORDS = (
    *("message", "nachricht", "mensaje", "messaggio", "bericht", "mensagem", "_____"),
    *(f"{word}{gap}:" for word in _FROM for gap in ("", " ", "\u00a0")),
)
_DELIMITER = re.compile(r"^(?:--|\u2014) *$", re.MULTILINE)
_CLOSING = re.compile(
    r"^[ ]*(?:(?P<thanks>thanks|thank you|many thanks|thx|cheers)"
    r"|(?:with )?(?:best|kind|kindest|warm|warmest)? ?(?:regards|wishes)"
    r"|thanks (?:and|&) regards|(?:all the )?best|br|rgds"
    r"|(?:yours )?(?:sincerely|faithfully|truly|respectfully|cordially)(?: yours)?)"
    r" *[,.!]? *$",
    re.IGNORECASE | re.MULTILINE,
)
_CLOSING_INLINE = re.compile(
    r"\b(?:best|kind|kindest|warm|warmest) regards\b[^\n?]{0,80}\s*\Z", re.IGNORECASE
)
_DEVICE = re.compile(
    r"^[ ]*(?:sent (?:from|via|with) (?:my |the )?|get outlook for "
    r"|von meinem |envoyé de(?:puis)? mon |enviado desde mi |inviato da(?:l mio)? "
    r"|verzonden vanaf mijn |enviado do meu )[^\n]{2,60}$",
    re.IGNORECASE | re.MULTILINE,
)
_DEVICE_WORDS = ("sent ", "outlook", "von meinem", "envoyé", "enviado", "inviato", "verzonden")
_FOOTER = re.compile(
    r"^[ *]*(?:confidentiality (?:notice|note)|disclaimer|legal (?:notice|disclaimer)"
    r"|privacy notice)\b[ *]*(?:[:.-]|\n)"
    r"|^[ *]*(?:this|the|any|information)\b[^\n]{0,80}\b(?:e-?mail|message|communication"
    r"|transmission)"
    r"\b[^\n]{0,200}?(?:\n[^\n]{0,200}?)?\b(?:confidential|privileged|intended (?:only|solely"
    r"|for))\b",
    re.IGNORECASE | re.MULTILINE,
)
_FOOTER_WORDS = (
    "confidential",
    "disclaimer",
    "privileged",
    "legal notice",
    "privacy notice",
    "intended",
)
_UNSUBSCRIBE = re.compile(
    r"^[^\n]*\b(?:click|to|here|link)\b[^\n]{0,40}\bunsubscribe\b[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_POSTSCRIPT = re.compile(r"p\.? ?s\b", re.IGNORECASE)
_SIGNATURE = 600
_LINE = re.compile(r"\n([^\n]*\S[^\n]*)")  # with something on it
_TITLE_WORDS = frozenset(
    {"of", "and", "the", "for", "at", "de", "van", "von", "der", "la", "on", "in"}
)

_BOUNDARY = re.compile(
    r"(?<![.!?\u2026])(?P<stop>[.!?\u2026]++)[\"')\]]*+(?=\s|\Z)"
    r"|\n\s*\n"
    r"|\n(?=\s*(?:[-*\u2022]|\d+[.)]|[A-Z\"]))"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|mr|mrs|ms|dr|inc|ltd|co|corp|vs|no|st|approx|resp|dept|art|sec|para)"
    r"|\b[a-z])\Z",
    re.IGNORECASE,
)
_LONGEST = 2000  # characters of a sentence; rules look from many of its words to its end
STEM = 5
_STEM = re.compile(rf"([a-z]{{1,{STEM}}})[a-z]*")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a message.

    Parameters
    ----------
    start, end : int
        Offsets into the message as it was received, half-open.
    text : str
        What stands there.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """What a person wrote.

    Parameters
    ----------
    source : str
        The message as it was received.
    text : str
        What is seen of the message, with all that a person did not write blanked, of the same
        length.
    plain : str
        `text` in lower case, with straight quotation marks and nothing but spaces between words:
        what rules are written for. Of the same length too.
    sentences : tuple of (int, int)
        Where each sentence begins and ends, half-open.
    stems : frozenset of str
        The first `STEM` letters of every word, by which most rules know that they need not look.
    places : tuple of (int, int) or None
        Where each character of `text` begins and ends in the message; None where that is written
        with the same characters.
    """

    source: str
    text: str
    plain: str
    sentences: tuple[tuple[int, int], ...]
    stems: frozenset[str]
    places: tuple[tuple[int, int], ...] | None = None

    def may_hold(self, words: frozenset[str]) -> bool:
        """Whether there is one of some stems."""
        return not self.stems.isdisjoint(words)

    def span(self, start: int, end: int) -> Span:
        """Quote the message as it was received, by offsets into `text`."""
        if self.places is not None:
            start, end = self.places[start][0], self.places[end - 1][1]
        return Span(start, end, self.source[start:end])


def read_prose(text: str) -> Prose:
    """Find what a person wrote in a message.

    Parameters
    ----------
    text : str
        A message in plain text or simple HTML; a subject is the first line.

    Returns
    -------
    Prose
        Its prose, its sentences and its words.
    """
    shown = seen(text)
    blanked = blank(shown)
    small = plain(blanked)
    return Prose(
        source=text,
        text=blanked,
        plain=small,
        sentences=tuple(split(blanked)),
        stems=frozenset(_STEM.findall(small)),
        places=None if shown == text else _places(text),
    )


def seen(text: str) -> str:
    """Write out the characters that mark-up names, and leave out those that nobody sees."""
    return _UNSEEN.sub("", _REFERENCE.sub(_named, text) if "&" in text else text)


def _named(reference: re.Match[str]) -> str:
    named = html.unescape(reference[0])
    return reference[0] if named == "<" else named  # what is written as no tag shall not become one


def _places(text: str) -> tuple[tuple[int, int], ...]:
    written: list[str] = []
    places: list[tuple[int, int]] = []
    last = 0
    for match in _REFERENCE.finditer(text):
        named = _named(match)
        written += text[last : match.start()], named
        places += ((at, at + 1) for at in range(last, match.start()))
        places += [match.span()] * len(named)
        last = match.end()
    written.append(text[last:])
    places += ((at, at + 1) for at in range(last, len(text)))
    unseen = {match.start() for match in _UNSEEN.finditer("".join(written))}
    return tuple(span for place, span in enumerate(places) if place not in unseen)


def straight(text: str) -> str:
    """Straighten quotation marks and hyphens; each is one character still."""
    return text if text.isascii() else text.translate(_PLAIN)


def plain(text: str) -> str:
    """Write a text as `Prose.plain` has it, of the same length."""
    small = _lower(straight(text))
    return small.translate(_SPACE) if "\n" in small or "\t" in small else small


def blank(text: str) -> str:
    """Blank whatever a person did not write.

    Parameters
    ----------
    text : str
        A message.

    Returns
    -------
    str
        Of the same length: what was quoted, signed by a program or marked up is spaces.
    """
    if not text.isascii():
        text = _FOREIGN.sub("\ufffd", text)
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    if "<" in text:
        text = _without_markup(text)
    if "://" in text or "www." in text or ("@" in text and _may_hold_address(text)):
        text = _ADDRESS.sub(_spaces, text)
    if ":" in text:
        text = _MARKS.sub(_spaces, text, count=1) if _MARKS.match(text) else text
    if "\n" in text:
        text = _without_signature(_without_replies(text))
    elif ":" in text:
        text = _without_replies(text)
    return _CLOSING_INLINE.sub(_spaces, text) if "egards" in text else text


def split(text: str) -> Iterator[tuple[int, int]]:
    """Split prose into sentences.

    Parameters
    ----------
    text : str
        Blanked prose.

    Yields
    ------
    tuple of (int, int)
        Where a sentence begins and ends, half-open, without the space around it. What goes on
        without end, such as a table or a log, is cut between two words.
    """
    start = 0
    for match in _BOUNDARY.finditer(text):
        if match["stop"] == "." and _ABBREVIATION.search(
            text, max(start, match.start() - 7), match.start()
        ):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def stems(words: str) -> frozenset[str]:
    """Cut words to their stems, to look them up among those of a message."""
    return frozenset(word[:STEM] for word in words.split())


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    endless = end - start > _LONGEST and len(" ".join(text[start:end].split())) > _LONGEST
    while endless and end - start > _LONGEST:
        gap = max(text.rfind(space, start + 1, start + _LONGEST) for space in " \n")
        cut = start + _LONGEST if gap < 0 else gap
        yield from _stripped(text, start, cut)
        start = cut
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    words = part.strip()
    if words:
        start += len(part) - len(part.lstrip())
        yield start, start + len(words)


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    # A few capitals, such as the dotted I of Turkish, have no small letter of one character.
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def _may_hold_address(text: str) -> bool:
    """Whether an @ is more than one before a name, or an address of the web is there."""
    return _MAIL.search(text) is not None or "www." in text.lower()


def _spaces(match: re.Match[str]) -> str:
    found = match[0]
    return " " * len(found) if "\n" not in found else re.sub(r"[^\n]", " ", found)


def _break(match: re.Match[str]) -> str:
    return "\n" + " " * (len(match[0]) - 1)


def _blank_from(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]


def _without_markup(text: str) -> str:
    for pattern in (_COMMENT, _ELEMENT):
        text = pattern.sub(_spaces, text)
    return _TAG.sub(_spaces, _BREAK.sub(_break, text))


def _without_replies(text: str) -> str:
    """Blank what is quoted; what stands below a quotation of marked lines was written by hand."""
    lower = text.lower()
    if any(word in lower for word in _HEADER_WORDS) and (match := _HEADER.search(text)):
        text = _blank_from(text, match.start())
    if any(word in lower for word in _REPLY_WORDS) and (match := _REPLY.search(text)):
        below = text[match.end() :].lstrip()
        text = _blank_from(text, match.start(), match.end() if below.startswith(">") else None)
    return _QUOTED_LINE.sub(_spaces, text) if ">" in text else text


def _without_signature(text: str) -> str:
    lower = text.lower()
    if any(word in lower for word in _FOOTER_WORDS) and (match := _FOOTER.search(text)):
        text = _blank_from(text, match.start())
    if "unsubscribe" in lower:
        text = _UNSUBSCRIBE.sub(_spaces, text)
    if any(word in lower for word in _DEVICE_WORDS):
        text = _DEVICE.sub(_spaces, text)
    if match := _DELIMITER.search(text):
        text = _blank_from(text, match.start())
    closings = list(_CLOSING.finditer(text))
    return _without_closings(text, closings) if closings else text


def _without_closings(text: str, closings: list[re.Match[str]]) -> str:
    """Blank closings with what is below each; a copy a closing would take time without end."""
    chars = list(text)
    for match in closings:
        below = "".join(chars[match.end() : match.end() + _SIGNATURE])
        length = _signature(below)
        if length or not match["thanks"]:
            blanked = re.sub(r"[^\n]", " ", match[0] + below[:length])
            chars[match.start() : match.end() + length] = blanked
    return "".join(chars)


def _signature(text: str) -> int:
    """How far names, titles and numbers go below a closing: to a line that is a sentence."""
    end = 0
    for line in _LINE.finditer(text):
        words = line[1].split()
        said = sum(word[0].islower() and word not in _TITLE_WORDS for word in words)
        if said >= 3 or line[1].rstrip().endswith(("?", "!")) or _POSTSCRIPT.match(line[1]):
            break
        end = line.end()
    return end
