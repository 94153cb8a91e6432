from __future__ import annotations

from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.text.vocabulary import Competitor, read_vocabulary

THEMES = """[themes]
product = ["bug*"]
timeline = ["late"]
pricing_billing = ["price"]
support = ["ticket"]
competitive = ["rival"]
positive = ["great"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "text.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_vocabulary_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, f'[[competitor]]\nname = "Acme"\naliases = ["a  c m e"]\n{THEMES}')

    vocabulary = read_vocabulary(path)

    assert vocabulary.competitor == (Competitor(name="Acme", aliases=("a c m e",)),)
    assert vocabulary.competitor[0].names == ("Acme", "a c m e")
    assert vocabulary.themes.product == ("bug*",)


def test_the_reference_vocabulary_is_sound(root: Path) -> None:
    vocabulary = read_vocabulary(root / "data" / "text.toml")

    assert [competitor.name for competitor in vocabulary.competitor] == [
        "Fieldstack",
        "Opsnova",
        "Quillbase",
        "Tandemly",
        "Northbeam",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[competitor]]\nname = "A"\nalias = ["b"]\n' + THEMES, "Did you mean 'aliases'"),
        (THEMES.replace("support", "suport"), "Did you mean 'support'"),
        (THEMES.replace('"bug*"', '"b*g"'), "at the end of a word list's entry"),
        (THEMES.replace('"bug*"', '" * "'), "expected a word or a phrase"),
        (THEMES.replace('"bug*"', ""), "themes.product"),
        ('[[competitor]]\nname = " "\n' + THEMES, "expected a name"),
        (f'[[competitor]]\nname = "{"A" * 201}"\n' + THEMES, "has 201 characters; expected 200"),
        ('[[competitor]]\nname = "A"\naliases = ["b*"]\n' + THEMES, "names are whole words"),
        (
            '[[competitor]]\nname = "A"\n[[competitor]]\nname = "B"\naliases = ["a"]\n' + THEMES,
            "'a' names both A and B",
        ),
        (
            '[[competitor]]\nname = "A"\n[[competitor]]\nname = "A"\n' + THEMES,
            "listed twice",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"text\.toml") as error:
        read_vocabulary(write(tmp_path, text))

    assert message in str(error.value)
