from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnml.backtest.metrics import Interval
from churnml.training.audit import Audit, Check, Finding, Level
from churnml.training.contest import Contest
from churnml.training.gates import Gate, GatesSpec, judge, leakage

SPEC = GatesSpec(draws=200, segment_churned=10)


def rows(n: int = 600, *, spread: float = 1.0, seed: int = 0) -> pa.Table:
    """Accounts of whose risk the score knows the more, the less the spread."""
    generator = np.random.default_rng(seed)
    risk = generator.normal(-1.5, 1.5, n)
    label = (generator.random(n) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    return pa.table(
        {
            "account_id": [f"a{i // 2}" for i in range(n)],
            "label": label,
            "probability": 1 / (1 + np.exp(-risk)),
            "champion": 1 / (1 + np.exp(-(risk + generator.normal(0, spread, n)))),
            "account_tier": np.where(np.arange(n) % 2, "vip", "starter"),
            "unseen": np.arange(n) < 20,
            "segment:plan": pa.array([None if i < 300 else "pro" for i in range(n)], pa.string()),
        }
    )


def contest(table: pa.Table) -> Contest:
    return Contest(table, 0, table.num_rows, 0)


def found(gates: tuple[Gate, ...]) -> dict[str, bool | None]:
    return {gate.name: gate.passed for gate in gates}


def swapped(table: pa.Table) -> pa.Table:
    names = {"probability": "champion", "champion": "probability"}
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def test_a_better_model_passes_and_a_worse_one_does_not() -> None:
    table = rows(spread=3.0)
    better = found(judge(table, contest(table), SPEC.model_copy(update={"least_accuracy": 0.5})))
    assert better == {
        "accuracy": True,
        "skill": True,
        "better": True,
        "calibration": True,
        "segment account_tier starter": True,
        "segment account_tier vip": True,
        "segment plan (unknown)": True,
        "segment plan pro": True,
        "segment accounts never trained on": None,
    }
    worse = found(judge(swapped(table), contest(swapped(table)), SPEC))
    assert worse["better"] is worse["calibration"] is False
    assert worse["segment plan pro"] is worse["segment account_tier vip"] is False


def test_the_same_model_is_not_better_but_not_worse() -> None:
    table = rows().drop_columns(["champion"])
    table = table.append_column("champion", table["probability"])
    assert found(judge(table, contest(table), SPEC))["better"] is False
    eased = SPEC.model_copy(update={"rule": "not_worse"})
    gates = judge(table, contest(table), eased)
    assert all(gate.passed is not False for gate in gates if gate.name != "accuracy")
    (better,) = (gate for gate in gates if gate.name == "better")
    assert better.numbers["difference"] == better.numbers["low"] == 0
    assert better.numbers["bound"] == -0.02


def test_accuracy_stands_beside_what_no_model_gets() -> None:
    label = np.array([1] * 10 + [0] * 90)
    table = pa.table(
        {
            "account_id": [str(i) for i in range(100)],
            "label": label,
            "probability": np.where(np.arange(100) < 5, 0.9, 0.1),
        }
    )
    accuracy, skill, *others = judge(table, None, SPEC)
    assert accuracy.numbers == {"accuracy": 0.95, "majority": 0.9, "least": 0.85}
    assert accuracy.passed is True
    assert "95.0% of 100 rows told rightly" in accuracy.said
    assert "more frequent gets 90.0%" in accuracy.said
    assert skill.passed is True
    assert [gate.passed for gate in others] == [None, None, None]
    strict = SPEC.model_copy(update={"least_accuracy": 0.96})
    assert judge(table, None, strict)[0].passed is False


def test_a_model_without_skill_does_not_pass() -> None:
    table = rows()
    label = np.asarray(table["label"])
    blind = table.set_column(1, "label", pa.array(np.random.default_rng(5).permutation(label)))
    assert found(judge(blind, None, SPEC))["skill"] is False


def test_harm_to_one_segment_is_found_though_the_whole_gains() -> None:
    table = rows(n=3000, spread=3.0)
    inverse = np.where(
        np.asarray(table["account_tier"].to_pylist()) == "vip",
        1 - np.asarray(table["champion"]),
        np.asarray(table["champion"]),
    )
    # The challenger knows the starters well and turns the VIPs upside down.
    good = np.asarray(table["probability"])
    vip = np.asarray(table["account_tier"].to_pylist()) == "vip"
    table = table.set_column(2, "probability", pa.array(np.where(vip, inverse, good)))
    gates = found(judge(table, contest(table), SPEC))
    assert gates["segment account_tier vip"] is False
    assert gates["segment account_tier starter"] is True


def test_a_segment_that_was_named_after_the_training_is_not_passed_over() -> None:
    table = rows(spread=3.0)
    named = SPEC.model_copy(update={"segments": ("plan", "region")})
    gates = {gate.name: gate for gate in judge(table, contest(table), named)}
    assert gates["segment region"].passed is False
    assert gates["segment region"].said.endswith("train again")
    assert gates["segment plan pro"].passed is True
    assert "segment plan" not in gates


def test_what_cannot_be_compared_does_not_pass() -> None:
    table = rows()
    refused = replace(contest(table.slice(0, 0)), refused="nothing in common")
    gates = judge(table, refused, SPEC)
    assert found(gates)["better"] is found(gates)["segments"] is False
    assert gates[-1].said == "nothing in common"


def test_a_leak_or_a_table_that_is_gone_stops_a_model() -> None:
    clean = Audit(9, 3, 2, (), ())
    said = Finding(
        Check.ALONE, Level.SUSPICIOUS, "tenure", "AUC", Interval(0.9, 0.8, 1.0), "high", "look"
    )
    assert leakage(clean).passed is True
    assert leakage(replace(clean, findings=(said,))).passed is True
    leak = leakage(replace(clean, findings=(replace(said, level=Level.LEAK),)))
    assert leak.passed is False
    assert leak.said == "leaks: tenure; 9 rows of 3 accounts looked at"
    gone = leakage(None)
    assert gone.passed is False
    assert "train again" in gone.said


def test_a_gate_is_told_in_values_that_json_knows() -> None:
    gate = Gate("x", None, "said", {"a": float("nan"), "b": 1.0})
    assert gate.document() == {
        "name": "x",
        "passed": None,
        "said": "said",
        "numbers": {"a": None, "b": 1.0},
    }


def test_bounds_are_checked() -> None:
    with pytest.raises(ValueError, match="rule"):
        GatesSpec(rule="best")  # type: ignore[arg-type]
