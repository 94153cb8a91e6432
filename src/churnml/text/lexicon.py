"""Words of feeling: which words and phrases say what, read once from ``lexicon.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from churnml.config import FrozenModel, parse
from churnml.errors import ConfigError
from churnml.text.tokens import tokenize

LEXICON = "lexicon.toml"
FEELINGS = ("delight", "liking", "doubt", "anger", "fury", "mock")
MANNERS = (
    "thanks",
    "negation",
    "boost",
    "soften",
    "turn",
    "repeat",
    "time",
    "ask",
    "urgency",
    "polite",
    "blame",
    "company",
)
MARKS = ("!", "?", ".")
NOTHING = ""
SILENT, NO_FEELING = "nothing", -1  # phrases that say nothing of feeling, whatever their words


class LexiconFile(FrozenModel):
    """What ``lexicon.toml`` holds.

    Parameters
    ----------
    words : dict of str to str
        Words by feeling or manner, parted by blanks; a trailing ``*`` stands for any ending.
    phrases : dict of str to tuple of str
        Phrases by feeling, or `SILENT`.
    emoji : dict of str to str
        Emoji and emoticons by feeling, parted by blanks.
    """

    words: dict[str, str]
    phrases: dict[str, tuple[str, ...]]
    emoji: dict[str, str]

    @field_validator("words", "phrases", "emoji")
    @classmethod
    def _groups_are_known(cls, groups: dict[str, object]) -> dict[str, object]:
        known = (*FEELINGS, *MANNERS, SILENT)
        unknown = [name for name in groups if name not in known]
        if unknown:
            raise ValueError(f"no group {unknown[0]!r}; there are {', '.join(known)}")
        return groups


@dataclass(frozen=True, eq=False)
class Meanings:
    """What tokens may mean, by number: the first means nothing, then there are `MARKS`.

    Parameters
    ----------
    feeling : ndarray of int (n,)
        Position in `FEELINGS`; `NO_FEELING` for none.
    manner : ndarray of bool (n, n_manners)
        Which of `MANNERS` each has.
    begins : ndarray of bool (n,)
        Whether phrases begin with it.
    """

    feeling: npt.NDArray[np.intp]
    manner: npt.NDArray[np.bool_]
    begins: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words, phrases and emoji by what they say.

    Parameters
    ----------
    source : str
        The TOML that it was read from.
    feelings : mapping of str to int
        Word or emoji to its position in `FEELINGS`.
    manners : mapping of str to tuple of int
        Word to its positions in `MANNERS`; a word may have several.
    phrases : mapping of str to tuple of (tuple of str, int)
        First token to the phrases that begin with it, the longest first: further tokens, feeling.
    stems : tuple of (str, int)
        Beginnings of words that stand for any ending.
    """

    source: str
    feelings: Mapping[str, int]
    manners: Mapping[str, tuple[int, ...]]
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], int], ...]]
    stems: tuple[tuple[str, int], ...]

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(stem for stem, _ in self.stems)

    @cached_property
    def _known(self) -> tuple[str, ...]:
        words = dict.fromkeys([*self.feelings, *self.manners, *self.phrases])
        return tuple(word for word in words if not word.startswith(MARKS))

    @cached_property
    def meanings(self) -> Meanings:
        """What tokens may mean: behind nothing and marks, known words first, then stems."""
        silent, ending = 1 + len(MARKS), len(self.stems)
        felt = [None] * silent + [self.feeling(word) for word in self._known]
        felt += [feeling for _, feeling in self.stems]
        held = [()] * silent + [self.manners.get(word, ()) for word in self._known] + [()] * ending
        begins = [False] * silent + [word in self.phrases for word in self._known]
        return Meanings(
            feeling=np.array([NO_FEELING if feeling is None else feeling for feeling in felt]),
            manner=np.array([[kind in kinds for kind in range(len(MANNERS))] for kinds in held]),
            begins=np.array(begins + [False] * ending),
        )

    @cached_property
    def number(self) -> Callable[[str], int]:
        """The place of a token in `meanings`; 0 where it means nothing, as most do."""
        first = {word: place for place, word in enumerate((NOTHING, *MARKS, *self._known))}

        @lru_cache(maxsize=1 << 16)
        def number(token: str) -> int:
            if token.startswith(MARKS):
                return first[token[0]]
            if token in first:
                return first[token]
            begun = (place for place, stem in enumerate(self._beginnings) if token.startswith(stem))
            return next((len(first) + place for place in begun), 0)

        return number

    def feeling(self, token: str) -> int | None:
        """The feeling of a token, if it has one."""
        found = self.feelings.get(token)
        if found is None and token.startswith(self._beginnings):
            return next(feeling for stem, feeling in self.stems if token.startswith(stem))
        return found


def shipped_lexicon() -> Lexicon:
    """Read the words that come with churnml."""
    source = resources.files(__package__) / LEXICON
    return parse_lexicon(source.read_text("utf-8"), LEXICON)


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon of one's own.

    Raises
    ------
    ConfigError
        If it is missing, is no TOML, or names an unknown group.
    """
    try:
        return parse_lexicon(path.read_text("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from error


def parse_lexicon(source: str, where: Path | str) -> Lexicon:
    """Arrange a lexicon for look-ups.

    Parameters
    ----------
    source : str
        TOML.
    where : Path or str
        What an error names.

    Raises
    ------
    ConfigError
        If it is no TOML, or names an unknown group.
    """
    try:
        content = parse(LexiconFile, tomllib.loads(source), where)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is not TOML: {error}.") from error
    feelings: dict[str, int] = {}
    manners: dict[str, tuple[int, ...]] = {}
    stems: list[tuple[str, int]] = []
    # The strongest feeling of a word counts, so the groups stand from the weakest to the strongest.
    for name in ("liking", "doubt", "delight", "anger", "fury"):
        for word in content.words.get(name, "").split():
            if word.endswith("*"):
                stems.append((word[:-1], FEELINGS.index(name)))
            else:
                feelings[word] = FEELINGS.index(name)
    for place, name in enumerate(MANNERS):
        for word in content.words.get(name, "").split():
            manners[word] = (*manners.get(word, ()), place)
    for name, signs in content.emoji.items():
        feelings.update(dict.fromkeys(signs.split(), FEELINGS.index(name)))
    return Lexicon(
        source=source,
        feelings=MappingProxyType(feelings),
        manners=MappingProxyType(manners),
        phrases=MappingProxyType(_by_first(content.phrases)),
        stems=tuple(stems),
    )


def _by_first(
    phrases: Mapping[str, Iterable[str]],
) -> dict[str, tuple[tuple[tuple[str, ...], int], ...]]:
    found: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for name, group in phrases.items():
        feeling = NO_FEELING if name == SILENT else FEELINGS.index(name)
        for phrase in group:
            first, *rest = tokenize(phrase)
            found.setdefault(first, []).append((tuple(rest), feeling))
    return {
        first: tuple(sorted(group, key=lambda item: -len(item[0])))
        for first, group in found.items()
    }
