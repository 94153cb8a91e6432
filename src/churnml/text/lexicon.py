"""Words of feeling: which words and phrases say what, read once from ``lexicon.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

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


class LexiconFile(FrozenModel):
    """What ``lexicon.toml`` holds.

    Parameters
    ----------
    words : dict of str to str
        Words by feeling or manner, parted by blanks; a trailing ``*`` stands for any ending.
    phrases : dict of str to tuple of str
        Phrases by feeling.
    emoji : dict of str to str
        Emoji and emoticons by feeling, parted by blanks.
    """

    words: dict[str, str]
    phrases: dict[str, tuple[str, ...]]
    emoji: dict[str, str]

    @field_validator("words", "phrases", "emoji")
    @classmethod
    def _groups_are_known(cls, groups: dict[str, object]) -> dict[str, object]:
        unknown = [name for name in groups if name not in FEELINGS + MANNERS]
        if unknown:
            raise ValueError(f"no group {unknown[0]!r}; there are {', '.join(FEELINGS + MANNERS)}")
        return groups


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
    def says_nothing(self) -> Callable[[str], bool]:
        """Whether a token has no feeling and no manner, and begins no phrase: most have none."""

        @lru_cache(maxsize=1 << 16)
        def silent(token: str) -> bool:
            known = token in self.manners or token in self.phrases
            return not known and self.feeling(token) is None

        return silent

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
        for phrase in group:
            first, *rest = tokenize(phrase)
            found.setdefault(first, []).append((tuple(rest), FEELINGS.index(name)))
    return {
        first: tuple(sorted(group, key=lambda item: -len(item[0])))
        for first, group in found.items()
    }
