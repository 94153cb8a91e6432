"""The page that `serving.py` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REMARKS = "## What is to be believed"
COMMAND = "python experiments/serving.py --soak 600 --bentoml VENV --mlflow VENV"
PEERS = {
    "bentoml": "BentoML {}: validate, `pred_contrib`",
    "mlflow": "`mlflow models serve` {}: predict, no reasons",
}
Found = Mapping[str, Any]


def page(results: Found, old: str) -> str:
    """Write down what came out, and keep what is said below the tables of the page before."""
    found = results["measured"]
    speeds = found["speeds"]
    by_id, features = speeds["id"], speeds["features"]
    lines = [
        "# How many answers does one worker give?",
        "",
        "Question: how many scores a second does one process of `churnml serve` give, how soon,",
        "and from how much memory, beside a framework that does nothing, BentoML and MLflow?",
        "",
        f"Command: `{COMMAND}`",
        "",
        f"The model: {found['size']} on 100 features, three of them categories, a tenth of",
        "the numbers missing; no two say the same, so that an answer has about 100 reasons, 18 kB.",
        "`wrk` asks over 16 connections from one thread on the same machine, each in turn for 10",
        "seconds, three times over: medians, and all failures. `load` is the machine's load before",
        "the busiest of the three; where nobody else is at work it is below 2.",
        "",
        "| one worker | answers/s | p50, ms | p99, ms | failed | load |",
        "|---|---|---|---|---|---|",
        _row("FastAPI, an empty route", speeds["empty"]),
        _row("FastAPI: validate, predict, no reasons", speeds["predict"]),
        _row(f"churnml: by id, of {found['kept']:,} answers kept", by_id),
        _row("churnml: by features, with exact reasons", features),
    ]
    for name, said in PEERS.items():
        if name in speeds:
            lines.append(_row(said.format(found["versions"][name]), speeds[name]))
    lines += ["", "| goal | found | met |", "|---|---|---|"]
    lines += [
        _goal("by id over 2,500/s", f"{by_id['rate']:,.0f}/s", by_id["rate"] > 2500),
        _goal("by id p99 under 15 ms", f"{by_id['p99']:.1f} ms", by_id["p99"] < 15),
        _goal("by features over 1,200/s", f"{features['rate']:,.0f}/s", features["rate"] > 1200),
        _goal("by features p99 under 25 ms", f"{features['p99']:.1f} ms", features["p99"] < 25),
        _goal("memory under 350 MB", f"{found['peak']:.0f} MB at most", found["peak"] < 350),
        _goal("start to first answer under 8 s", f"{found['first']:.1f} s", found["first"] < 8),
    ]
    for name, said, least in (("bentoml", "BentoML", 4), ("mlflow", "MLflow", 25)):
        if name in speeds:
            ratio = features["rate"] / speeds[name]["rate"]
            lines.append(_goal(f"{least} × {said}", f"{ratio:.1f} ×", ratio >= least))
    if "soak" in results:
        lines += _soak(results["soak"])
    kept = old[old.index(REMARKS) :] if REMARKS in old else f"{REMARKS}\n"
    return "\n".join([*lines, "", kept])


def _soak(found: Found) -> list[str]:
    return [
        "",
        "## For long, while bundles change",
        "",
        f"By features at half that load for {found['seconds'] / 60:.0f} minutes; every 20 seconds",
        "another bundle becomes the latest and takes over.",
        "",
        "| answers | a second | p50, ms | p99, ms | slowest, ms | failed | bundles taken over |",
        "|---|---|---|---|---|---|---|",
        _cells(
            f"{found['answers']:,}",
            f"{found['rate']:,.0f}",
            f"{found['p50']:.1f}",
            f"{found['p99']:.1f}",
            f"{found['most']:.0f}",
            str(found["failed"] + found["bad"]),
            str(found["swaps"]),
        ),
        "",
        f"Memory: {found['start']:.0f} MB at the start, {found['end']:.0f} MB at the end,",
        f"{found['peak']:.0f} MB at most, while two bundles are there.",
    ]


def _row(name: str, found: Found) -> str:
    return _cells(
        name,
        f"{found['rate']:,.0f}",
        f"{found['p50']:.1f}",
        f"{found['p99']:.1f}",
        str(found["failed"]),
        f"{found['load']:.1f}",
    )


def _goal(goal: str, found: str, met: bool) -> str:
    return _cells(goal, found, "yes" if met else "no")


def _cells(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"
