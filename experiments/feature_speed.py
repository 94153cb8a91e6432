"""How fast are the features? The plan against a plain group-by, pandas and Featuretools.

    python experiments/feature_speed.py [--events 10 50] [--featuretools PYTHON]

Every figure is the median of five runs in a process of its own, so that peak memory belongs to
that figure alone, after one warm-up (none for pandas, which has nothing to warm); everything is
timed in one run of this script. `--featuretools` names a Python that has featuretools installed;
without it that row is left out. Writes experiments/feature_speed.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
RUNS = 5
REMARKS = "## What is to be believed"
EVENTS_PER_ACCOUNT = 2_500
KINDS = ("login", "view", "export", "report", "share", "comment", "upload", "api_call", "invite")
DAYS = 1096
START = dt.datetime(2023, 1, 1)
LAST = dt.datetime(2025, 12, 1)


def write_events(path: Path, events: int) -> None:
    """Write usage like that of a SaaS product: three years, skewed over users and kinds."""
    import duckdb

    accounts = events // EVENTS_PER_ACCOUNT
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            f"""
            COPY (
                SELECT 'ACC-' || lpad(a::VARCHAR, 7, '0') AS account_id,
                       TIMESTAMP '{START}' + to_microseconds(
                           (random() * {DAYS} * 86400e6)::BIGINT) AS occurred_at,
                       [{kinds}][1 + floor(random() * random() * {len(KINDS)})::INT] AS event,
                       'U' || a || '-' || floor(random() * random() * 12)::INT AS contact_id,
                       floor(random() * 20)::DOUBLE AS quantity
                FROM (SELECT floor(random() * {accounts})::INT AS a FROM range({events}))
                ORDER BY account_id, occurred_at
            ) TO '{path}' (FORMAT parquet)
            """
        )


def cutoffs(count: int) -> list[dt.datetime]:
    """The first days of `count` months up to the last."""
    months = [LAST.year * 12 + LAST.month - 1 - back for back in range(count)]
    return [dt.datetime(month // 12, month % 12 + 1, 1) for month in reversed(months)]


def micros(when: dt.datetime) -> int:
    """Count microseconds since 1970."""
    return int(np.datetime64(when, "us").astype(np.int64))


def catalogue(which: str, path: Path) -> tuple[Any, Any]:
    """Compile the core features, or all shipped ones that read nothing but usage."""
    import pyarrow.parquet as pq

    from churnml.features.catalogue import read_catalogue
    from churnml.features.facts import compile_catalogue
    from churnml.history.asof import History
    from churnml.history.manifest import MANIFEST
    from churnml.history.tables import STANDARD, USAGE

    shipped = read_catalogue(sorted((HERE.parent / "features").glob("*.toml")), STANDARD)
    manifest = {
        "observed_until": LAST.isoformat(),
        "tables": {
            "usage": {
                "rows": pq.read_metadata(path).num_rows,
                "fingerprint": "",
                "contract": asdict(USAGE),
            }
        },
    }
    (path.parent / MANIFEST).write_text(json.dumps(manifest))
    history = History.open(path.parent)
    available, _ = shipped.available(history.contracts)
    if which == "core":
        core = {"count", "sum", "distinct_days", "days_since_last"}
        names = [
            f.name
            for f in available.features
            if f.entry.aggregate in core and f.entry.where is None and not f.entry.internal
        ]
        available = available.select(names)
    elif which == "no people":
        names = [n for n in available.columns if not _reads_people(available, n)]
        available = available.select(names)
    return history, compile_catalogue(available, history.contracts)


def _reads_people(available: Any, name: str) -> bool:
    return any(f.entry.value == "contact_id" for f in available.select([name]).features)


def plan_run(which: str, path: Path, months: int) -> Callable[[], int]:
    """Compute features for every account at every cutoff, in this process."""
    import duckdb

    from churnml.features.engine import compute

    history, program = catalogue(which, path)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT DISTINCT account_id FROM '{path}'").fetchall()
    accounts = sorted(row[0] for row in found)
    times = np.array([micros(when) for when in cutoffs(months)])
    names = [account for account in accounts for _ in times]
    instants = np.tile(times, len(accounts))

    def run() -> int:
        found = compute(history, program, names, instants)
        return sum(rows.columns.num_rows for rows in found)

    return run


def group_by(query: str, path: Path) -> Callable[[], int]:
    """Run one aggregation in DuckDB and fetch its result."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW usage AS FROM read_parquet('{path}')")
    return lambda: int(connection.execute(query).to_arrow_table().num_rows)


def long_group_by(path: Path) -> Callable[[], int]:
    """Group by account, segment and event type: what the plan cannot do without."""
    import duckdb

    from churnml.features.aggregation import segment_table
    from churnml.features.segments import plan

    _, program = catalogue("no people", path)
    cut = plan([micros(when) for when in cutoffs(24)], program.windows)
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW usage AS FROM read_parquet('{path}')")
    connection.register("segments", segment_table(cut))
    origin = np.datetime64(cut.origin, "us")
    query = f"""
        SELECT account_id, segment, event, count(*) AS n
        FROM usage JOIN segments
          ON day = greatest(date_diff('microsecond', TIMESTAMP '{origin}', occurred_at), 0)
                   // 86400000000
        WHERE occurred_at < TIMESTAMP '{LAST}'
        GROUP BY ALL
    """
    return lambda: int(connection.execute(query).to_arrow_table().num_rows)


def pandas_run(path: Path) -> Callable[[], int]:
    """Filter and group once a cutoff and window: the core features as notebooks compute them."""
    import pandas as pd

    _, program = catalogue("core", path)
    windows = sorted({w.days for w in program.windows if w.days is not None})
    frame = pd.read_parquet(path, columns=["account_id", "occurred_at", "quantity"])
    frame["account_id"] = frame["account_id"].astype("category")
    frame["day"] = frame["occurred_at"].dt.floor("D")

    def run() -> int:
        rows = 0
        for cutoff in cutoffs(24):
            past = frame[frame["occurred_at"] < cutoff]
            latest = past.groupby("account_id", observed=True)["occurred_at"].max()
            parts: list[Any] = [cutoff - latest]
            for days in windows:
                window = past[past["occurred_at"] >= cutoff - dt.timedelta(days=days)]
                grouped = window.groupby("account_id", observed=True)
                parts.append(grouped["quantity"].agg(["size", "sum"]))
                parts.append(grouped["day"].nunique())
            rows += len(pd.concat(parts, axis=1))
        return rows

    return run


FEATURETOOLS = """
import sys, time, json
import featuretools as ft, pandas as pd
frame = pd.read_parquet(sys.argv[1])
accounts = sorted(frame["account_id"].unique())[: int(sys.argv[2])]
frame = frame[frame["account_id"].isin(accounts)].reset_index(drop=True)
frame.insert(0, "event_id", range(len(frame)))
es = ft.EntitySet("usage")
es.add_dataframe(frame, "usage", index="event_id", time_index="occurred_at")
es.normalize_dataframe("usage", "accounts", "account_id", make_time_index=False)
times = pd.to_datetime(json.loads(sys.argv[3]))
pairs = pd.DataFrame([(a, t) for t in times for a in accounts], columns=["account_id", "time"])
began = time.perf_counter()
for days in json.loads(sys.argv[4]):
    ft.dfs(entityset=es, target_dataframe_name="accounts", cutoff_time=pairs,
           training_window=ft.Timedelta(days, "d"), agg_primitives=["count", "sum", "num_unique"],
           trans_primitives=[], include_cutoff_time=False, n_jobs=1)
print(json.dumps({"seconds": time.perf_counter() - began, "events": len(frame)}))
"""


def case(name: str, path: Path) -> Callable[[], int]:
    """Find what a name stands for."""
    day = "date_trunc('day', occurred_at)"
    same = f"count(*), sum(quantity), max(occurred_at), count(DISTINCT {day})"
    cases: dict[str, Callable[[], Callable[[], int]]] = {
        "floor": lambda: group_by("SELECT account_id, count(*) FROM usage GROUP BY 1", path),
        "floor, same aggregates": lambda: group_by(
            f"SELECT account_id, {same} FROM usage GROUP BY 1", path
        ),
        "long group-by": lambda: long_group_by(path),
        "core, 24 cutoffs": lambda: plan_run("core", path, 24),
        "core, 6 cutoffs": lambda: plan_run("core", path, 6),
        "catalogue, 24 cutoffs": lambda: plan_run("whole", path, 24),
        "catalogue, 6 cutoffs": lambda: plan_run("whole", path, 6),
        "catalogue without people, 24 cutoffs": lambda: plan_run("no people", path, 24),
        "pandas per cutoff, core, 24 cutoffs": lambda: pandas_run(path),
    }
    return cases[name]()


def measure(name: str, path: Path) -> None:
    """Time one case in this process and print it as JSON."""
    run = case(name, path)
    rows = 0 if name.startswith("pandas") else run()  # nothing of pandas' is compiled or cached
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024**2
    print(json.dumps({"seconds": statistics.median(seconds), "rows": rows, "peak": peak}))


def in_process(name: str, path: Path) -> dict[str, float]:
    """Time one case in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    print(f"  {name:40s} {found['seconds']:8.3f} s {found['peak']:6.2f} GiB", flush=True)
    return found


def live(path: Path) -> dict[str, float]:
    """Time the live path: rows of one account in memory, every feature, one cutoff."""
    import pyarrow.parquet as pq

    from churnml.features.catalogue import read_catalogue
    from churnml.features.engine import compute_live
    from churnml.features.facts import compile_catalogue
    from churnml.history.asof import History
    from churnml.history.tables import STANDARD
    from churnml.simulate import simulate

    sample = path.parent / "sample"
    simulate(sample, accounts=100, months=30, seed=7)
    rows = pq.read_table(path, filters=[("account_id", "<", "ACC-0000101")])
    ids = sorted(set(rows["account_id"].to_pylist()))[:100]
    tables = {"usage": rows}
    for name in STANDARD:
        file = sample / f"{name}.parquet"
        if name in {"usage", "outcomes"} or not file.is_file():
            continue
        tables[name] = _renamed(pq.read_table(file), ids)
    shipped = read_catalogue(sorted((HERE.parent / "features").glob("*.toml")), STANDARD)
    found: dict[str, float] = {}
    for count in (1, 100):
        chosen = ids[:count]
        held = {name: _only(table, chosen) for name, table in tables.items()}
        if count == 1:
            held["usage"] = held["usage"].slice(0, 2000)
        history = History.from_tables(held, observed_until=LAST)
        available, _ = shipped.available(history.contracts)
        program = compile_catalogue(available, history.contracts)
        seconds = []
        for number in range(500 if count == 1 else 50):
            when = LAST - dt.timedelta(days=number % 90, seconds=number)
            began = time.perf_counter()
            compute_live(history, program, chosen, when)
            seconds.append(time.perf_counter() - began)
        warm = seconds[20 if count == 1 else 5 :]
        found[f"{count} p50"] = float(np.quantile(warm, 0.5)) * 1000
        found[f"{count} p99"] = float(np.quantile(warm, 0.99)) * 1000
        found["features"] = len(available.columns)
    print(f"  live {found}", flush=True)
    return found


def _renamed(table: Any, ids: list[str]) -> Any:
    """Give the sample's accounts the names of the events' accounts."""
    import pyarrow as pa

    known = sorted(set(table["account_id"].to_pylist()))
    names = dict(zip(known, ids, strict=False))
    column = pa.array([names.get(name) for name in table["account_id"].to_pylist()], pa.string())
    place = table.column_names.index("account_id")
    return table.set_column(place, "account_id", column).filter(column.is_valid())


def _only(table: Any, accounts: list[str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table["account_id"], pa.array(accounts)))


def featuretools(python: str, path: Path, accounts: int) -> dict[str, float]:
    """Time Featuretools' three core aggregates on a slice, once."""
    times = json.dumps([when.isoformat() for when in cutoffs(24)])
    _, program = catalogue("core", path)
    windows = json.dumps(sorted({w.days for w in program.windows if w.days is not None}))
    command = [python, "-W", "ignore", "-c", FEATURETOOLS, str(path), str(accounts), times, windows]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def help_seconds() -> float:
    """Time ``churnml --help`` as a user meets it."""
    command = [str(Path(sys.executable).parent / "churnml"), "--help"]
    seconds = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def page(results: dict[str, Any], command: str) -> str:
    """Write the results down as they came out."""
    lines = [
        "# How fast are the features?",
        "",
        "Question: what does the segment plan cost beside a plain group-by, and beside what people",
        "use instead? Medians of five runs, each case in a process of its own, all in one run.",
        "",
        f"Command: `{command}`",
        "",
        f"{results['machine']}. Usage events over three years, {EVENTS_PER_ACCOUNT:,} an account,",
        f"{len(KINDS)} kinds, sorted by account as clean history is; 24 monthly cutoffs.",
        f"The core is {results['core']} columns, the usage catalogue {results['whole']}, without",
        f"counts of distinct people {results['no people']}.",
        "",
    ]
    for size, cases in results["sizes"].items():
        lines += _table_of(size, cases)
    lines += _goals(results)
    return "\n".join(lines) + "\n"


def _table_of(size: str, cases: dict[str, dict[str, float]]) -> list[str]:
    floor, same = cases["floor"]["seconds"], cases["floor, same aggregates"]["seconds"]
    long = cases["long group-by"]["seconds"]
    lines = [
        f"## {size} M events",
        "",
        "| case | seconds | × floor | × floor, same aggregates | × long group-by | peak GiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in cases.items():
        seconds = found["seconds"]
        lines.append(
            f"| {name} | {seconds:.2f} | {seconds / floor:.1f} | {seconds / same:.2f} "
            f"| {seconds / long:.2f} | {found['peak']:.2f} |"
        )
    return [*lines, ""]


def _goals(results: dict[str, Any]) -> list[str]:
    sizes = results["sizes"]
    large, small = sizes[max(sizes, key=int)], sizes[min(sizes, key=int)]

    def ratio(above: str, below: str, cases: dict[str, Any] = large) -> float:
        return float(cases[above]["seconds"] / cases[below]["seconds"])

    whole, core = "catalogue, 24 cutoffs", "core, 24 cutoffs"
    growth = (
        large[whole]["seconds"]
        / small[whole]["seconds"]
        / (int(max(sizes, key=int)) / int(min(sizes, key=int)))
    )
    alive = results["live"]
    rows = [
        ("core, against count(*) by account", "≤ 3 ×", f"{ratio(core, 'floor'):.1f} ×"),
        (
            "core, against the same aggregates by account",
            "–",
            f"{ratio(core, 'floor, same aggregates'):.2f} ×",
        ),
        (
            "usage catalogue, against the long group-by",
            "≤ 2 ×",
            f"{ratio(whole, 'long group-by'):.2f} ×",
        ),
        (
            "the same without counts of distinct people",
            "≤ 2 ×",
            f"{ratio('catalogue without people, 24 cutoffs', 'long group-by'):.2f} ×",
        ),
        (
            "peak memory, usage catalogue, largest file",
            "< 4 GiB",
            f"{large[whole]['peak']:.2f} GiB",
        ),
        ("time an event, largest file against smallest", "linear, 1", f"{growth:.2f}"),
        ("core: 24 cutoffs against 6", "≤ 1.5 ×", f"{ratio(core, 'core, 6 cutoffs'):.2f} ×"),
        (
            "usage catalogue: 24 cutoffs against 6",
            "≤ 1.5 ×",
            f"{ratio(whole, 'catalogue, 6 cutoffs'):.2f} ×",
        ),
        (
            f"live, one account, 2,000 events, {alive['features']:.0f} features, p50",
            "–",
            f"{alive['1 p50']:.1f} ms",
        ),
        ("live, one account, p99", "< 10 ms", f"{alive['1 p99']:.1f} ms"),
        ("live, 100 accounts at once, p50", "–", f"{alive['100 p50']:.0f} ms"),
        ("live, 100 accounts at once, p99", "–", f"{alive['100 p99']:.0f} ms"),
        ("`churnml --help`", "< 0.4 s", f"{results['help']:.2f} s"),
    ]
    if "featuretools" in results:
        rows.append(("Featuretools, on a slice", "–", results["featuretools"]))
    lines = ["## Against the goals", "", "| what | goal | measured |", "|---|---|---|"]
    return [*lines, *(f"| {what} | {goal} | {found} |" for what, goal, found in rows)]


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", nargs="+", type=int, default=[10, 50], help="millions")
    parser.add_argument("--featuretools", metavar="PYTHON")
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], Path(given.measure[1]))
        return
    names = ["floor", "floor, same aggregates", "long group-by", "core, 24 cutoffs"]
    names += ["core, 6 cutoffs", "catalogue, 24 cutoffs", "catalogue, 6 cutoffs"]
    names += ["catalogue without people, 24 cutoffs"]
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, 2 cores, Python {platform.python_version()}",
        "sizes": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for size in given.events:
            path = Path(folder) / str(size) / "usage.parquet"
            path.parent.mkdir()
            write_events(path, size * 1_000_000)
            print(f"{size} M events", flush=True)
            smallest = size == min(given.events)
            chosen = [*names, "pandas per cutoff, core, 24 cutoffs"] if smallest else names
            results["sizes"][str(size)] = {name: in_process(name, path) for name in chosen}
            if smallest:
                for which in ("core", "whole", "no people"):
                    results[which] = len(catalogue(which, path)[1].catalogue.columns)
                results["live"] = live(path)
                if given.featuretools:
                    slice_ = featuretools(given.featuretools, path, 20)
                    each = slice_["seconds"] / slice_["events"] * 1e6
                    ours = results["sizes"][str(size)]["core, 24 cutoffs"]["seconds"] / size
                    results["featuretools"] = (
                        f"{slice_['seconds']:.1f} s for {slice_['events']:,.0f} events, "
                        f"{each:.0f} s a million against {ours:.3f} s: {each / ours:,.0f} ×"
                    )
    results["help"] = help_seconds()
    words = [f"--events {' '.join(map(str, given.events))}"]
    words += ["--featuretools PYTHON"] if given.featuretools else []
    text = page(results, f"python experiments/feature_speed.py {' '.join(words)}")
    written = HERE / "feature_speed.md"
    before = written.read_text() if written.is_file() else ""
    _, found, remarks = before.partition(REMARKS)  # written by hand; to be read again with care
    written.write_text(text + (f"\n{found}{remarks}" if found else ""))
    print(text)


if __name__ == "__main__":
    main()
