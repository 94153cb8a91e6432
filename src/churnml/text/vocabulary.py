"""The words a team edits, as ``data/text.toml`` has them: competitors, and what tells a theme."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from churnml.config import FrozenModel, read_model
from churnml.text.prose import seen

FILE = "text.toml"  # in a project's data folder
_LONGEST = 200  # characters of a word, a phrase or a name


def _term(text: str) -> str:
    words = _short(text)
    if not words.strip("*"):
        raise ValueError("expected a word or a phrase")
    if "*" in words[:-1]:
        raise ValueError("a * stands at the end of a word list's entry, for any ending")
    return words


def _short(text: str) -> str:
    words = " ".join(seen(text).split())
    if len(words) > _LONGEST:
        raise ValueError(
            f"{words[:20]!r}… has {len(words)} characters; expected {_LONGEST} at most"
        )
    return words


def _name(text: str) -> str:
    words = _short(text)
    if not words:
        raise ValueError("expected a name")
    if words.endswith("*"):
        raise ValueError("names are whole words; a * at the end, for any ending, is for themes")
    return words


Term = Annotated[str, AfterValidator(_term)]
Name = Annotated[str, AfterValidator(_name)]


class Competitor(FrozenModel):
    """A company or product that customers may leave for.

    Parameters
    ----------
    name : str
        What findings call it. It is found by this name too.
    aliases : tuple of str
        What else customers call it: other spellings, former names, products.
    as_written : bool
        Whether only its own capitals count. Set it for a name that is also a common word, such as
        Monday or Slack.
    """

    name: Name
    aliases: tuple[Name, ...] = ()
    as_written: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever it is called."""
        return (self.name, *self.aliases)


class ThemeWords(FrozenModel):
    """What tells each theme: words and phrases in any case, a ``*`` at the end for any ending.

    Parameters
    ----------
    product, timeline, pricing_billing, support, competitive, positive : tuple of str
        The words of each theme. A word may tell several.
    """

    product: tuple[Term, ...] = Field(min_length=1)
    timeline: tuple[Term, ...] = Field(min_length=1)
    pricing_billing: tuple[Term, ...] = Field(min_length=1)
    support: tuple[Term, ...] = Field(min_length=1)
    competitive: tuple[Term, ...] = Field(min_length=1)
    positive: tuple[Term, ...] = Field(min_length=1)


class Vocabulary(FrozenModel):
    """Everything that ``data/text.toml`` says.

    Parameters
    ----------
    competitor : tuple of Competitor
        Who is looked for in messages; nobody when empty.
    themes : ThemeWords
        What tells each theme.
    model : str, optional
        The model of tone that `churnml text train` made, by its path from this file's folder; the
        shipped one if omitted.
    intents : str, optional
        The model of intents that `churnml text adapt --of intents` made, in the same way.
    levels : str, optional
        The model of competitors' levels that `churnml text adapt --of levels` made, in the same
        way.
    """

    model: str | None = None
    intents: str | None = None
    levels: str | None = None
    competitor: tuple[Competitor, ...] = ()
    themes: ThemeWords

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        owners: dict[str, str] = {}
        for competitor in self.competitor:
            for name in competitor.names:
                owner = owners.setdefault(name.casefold(), competitor.name)
                if owner != competitor.name:
                    raise ValueError(
                        f"{name!r} names both {owner} and {competitor.name}; expected one of them"
                    )
        if len({competitor.name for competitor in self.competitor}) < len(self.competitor):
            raise ValueError("a competitor is listed twice; put its other names under aliases")
        return self


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the words of ``data/text.toml``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Vocabulary
        Competitors and the words of each theme.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, has an unknown key, an empty word or a name of two
        competitors.
    """
    return read_model(Vocabulary, path)
