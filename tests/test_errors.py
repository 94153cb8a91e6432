"""The tree of errors, and the remedy at the end of a message."""

from __future__ import annotations

import inspect
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnml import errors
from churnml.errors import ChurnMLError, ConfigError, cause, nearest, writing


def test_every_error_is_churnmls_own_and_drawn_in_the_tree() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    own = [c for c in classes if c.__module__ == "churnml.errors"]
    assert len(own) == 9
    assert all(issubclass(c, ChurnMLError) for c in own)
    assert all(f" {c.__name__} " in (errors.__doc__ or "") for c in own if c is not ChurnMLError)


def test_what_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=rf"{file}/x: cannot be written: Not a directory\. Name"),
        writing(tmp_path),
    ):
        (file / "x").mkdir()
    with (
        pytest.raises(ConfigError, match=rf"{tmp_path}: cannot be written: it is full\. Name"),
        writing(tmp_path),
    ):
        raise OSError("it is full")


def test_a_cause_is_told_on_one_line_in_the_words_of_the_database() -> None:
    refused = sa.exc.DatabaseError("SELECT 1", None, sqlite3.DatabaseError("file is no database"))
    around = RuntimeError("something went wrong.")
    around.__cause__ = refused

    assert cause(refused) == cause(around) == "file is no database"
    assert cause(ValueError("the first line.\nanother")) == "the first line"
    assert cause(KeyError()) == "KeyError"


def test_the_nearest_name_is_meant() -> None:
    assert nearest("usge", ["usage", "tickets"]) == " Did you mean 'usage'?"


def test_where_nothing_is_near_all_names_are_told() -> None:
    assert nearest("x", ["usage", "tickets", "usage"]) == " Expected one of: tickets, usage."


def test_many_names_are_cut_short() -> None:
    letters = "abcdefghijklmn"
    assert nearest("?", letters) == " Expected one of: a, b, c, d, e, f, g, h, i, j, k, l, …."


def test_where_there_are_no_names_that_is_told() -> None:
    assert nearest("x", []) == " There are none."
