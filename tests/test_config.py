"""TOML is read into frozen models, or refused by file and key."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from churnml.config import FrozenModel, parse, read_model, read_toml
from churnml.errors import ConfigError


class Gate(FrozenModel):
    metric: str
    at_least: float = 0.5


class Recipe(FrozenModel):
    name: str
    lead: int = Field(default=0, ge=0)
    since: dt.date | None = None
    model: Literal["trees", "line"] = "trees"
    gates: tuple[Gate, ...] = ()
    named: dict[str, Gate] = Field(default_factory=dict)
    best: Gate | None = None
    label: str = Field(default="", alias="is")

    @model_validator(mode="after")
    def _short(self) -> Recipe:
        if len(self.name) > 200:
            raise ValueError("a name has at most 200 letters")
        return self


def test_a_file_becomes_a_frozen_model(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "ä"\nlead = 3\nsince = 2025-01-02\nis = "x"\n[[gates]]\nmetric = "auc"\n',
        encoding="utf-8",
    )
    recipe = read_model(Recipe, path)
    assert (recipe.name, recipe.lead, recipe.label) == ("ä", 3, "x")
    assert (recipe.since, recipe.gates) == (dt.date(2025, 1, 2), (Gate(metric="auc"),))
    with pytest.raises(ValidationError, match="frozen"):
        recipe.lead = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "a.toml: key 'name' is required and is missing."),
        ({"name": "a", "leed": 1}, "a.toml: unknown key 'leed'. Did you mean 'lead'?"),
        ({"name": "a", "label": "b"}, "a.toml: unknown key 'label'."),
        (
            {"name": "a", "lead": "1"},
            "a.toml: key 'lead': got '1': Input should be a valid integer",
        ),
        ({"name": "a", "lead": -1}, "key 'lead': got -1: Input should be greater than or equal"),
        ({"name": "a", "lead": 1.5}, "a.toml: key 'lead': got 1.5:"),
        ({"name": "a", "lead": True}, "a.toml: key 'lead': got True:"),
        ({"name": "a", "gates": [{"metric": "a", "at_least": float("inf")}]}, "at_least"),
        (
            {"name": "a", "gates": [{"metric": "a"}, {"metric": "b", "atleast": 1}]},
            "a.toml: unknown key 'gates.1.atleast'. Did you mean 'at_least'?",
        ),
        (
            {"name": "a", "named": {"x": {"metric": "a", "atleast": 1}}},
            "a.toml: unknown key 'named.x.atleast'. Did you mean 'at_least'?",
        ),
        (
            {"name": "a", "best": {"metric": "a", "atleast": 1}},
            "a.toml: unknown key 'best.atleast'. Did you mean 'at_least'?",
        ),
        ({"name": "a", "model": "forest"}, "key 'model': got 'forest': Input should be 'trees'"),
        ({"name": "a" * 300}, "a.toml: key '(the whole file)': got"),
        ({"name": "a" * 300}, "…: a name has at most 200 letters."),
    ],
)
def test_a_fault_names_the_file_the_key_and_the_nearest(
    content: dict[str, object], why: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, content, "a.toml")
    assert why in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, {"lead": "x", "nme": "a"}, Path("b.toml"))
    assert len(str(caught.value).splitlines()) == 3
    assert all(line.startswith("b.toml: ") for line in str(caught.value).splitlines())


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "churn_90d.toml").touch()
    with pytest.raises(ConfigError, match=r"no such file\. Did you mean 'churn_90d\.toml'"):
        read_toml(tmp_path / "churn90d.toml")
    with pytest.raises(ConfigError, match=r"no such file\. There are none\."):
        read_toml(tmp_path / "nowhere" / "churn.toml")


def test_what_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("\nname = x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.toml: not valid TOML: .*line 2"):
        read_toml(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match=r"a\.toml: cannot be read: .*utf-8"):
        read_toml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path)


def test_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    class Times(FrozenModel):
        at: dt.datetime
        day: dt.date
        clock: dt.time

    path = tmp_path / "a.toml"
    path.write_text("at = 2025-01-02T03:04:05\nday = 2025-01-02\nclock = 03:04:05\n")
    assert read_model(Times, path) == Times(
        at=dt.datetime(2025, 1, 2, 3, 4, 5), day=dt.date(2025, 1, 2), clock=dt.time(3, 4, 5)
    )
