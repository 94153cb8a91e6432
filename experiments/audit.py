"""Measure whether the leakage audit finds planted leaks, and is quiet where there are none.

    python experiments/audit.py [--seeds 1 2 3] [--accounts 2000] [--months 30]

Public data sets are read from CHURNML_DATA, and left out with a word where they are missing.
Simulated companies are audited as they are, and again with leaks planted one at a time. Writes
experiments/audit.md.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow as pa
import real_input  # type: ignore[import-not-found]

from churnml.features.table import TrainingTable
from churnml.history.asof import History
from churnml.project import Project
from churnml.scaffold import from_history, from_table
from churnml.simulate import simulate
from churnml.training.audit import Audit, Level, audit
from churnml.training.recipes import Recipe
from churnml.training.tables import prepare

HERE = Path(__file__).resolve().parent
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Case:
    """One audit, and what it ought to find."""

    name: str
    planted: frozenset[str]
    found: Audit
    features: int
    seconds: float


def look(name: str, table: TrainingTable, recipe: Recipe, *planted: str) -> Case:
    """Audit a table, and say so."""
    began = time.perf_counter()
    found = audit(table, recipe)
    case = Case(name, frozenset(planted), found, len(table.features), time.perf_counter() - began)
    print(row(case), flush=True)
    return case


def flat(path: Path, label: str, identifier: str | None = None) -> tuple[TrainingTable, Recipe]:
    """Read a flat table as `churnml init --table` sets it up."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "flat"
        from_table(root, path, label=label, identifier=identifier)
        project = Project.load(root)
        (recipe,) = project.recipes.values()
        return prepare(project, recipe, real_input.say).table, recipe


def sheet_rows(path: Path, name: str) -> Iterator[list[str]]:
    """Read a sheet of a workbook, which is XML in a zip file; a blank cell is empty text."""
    with zipfile.ZipFile(path) as book:
        root = ET.fromstring(book.read("xl/workbook.xml"))  # noqa: S314 - our own data
        names = [item.get("name") for item in root.iter(f"{SHEET}sheet")]
        texts = []
        if "xl/sharedStrings.xml" in book.namelist():
            shared = ET.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314
            texts = [
                "".join(part.text or "" for part in item.iter(f"{SHEET}t"))
                for item in shared.iter(f"{SHEET}si")
            ]
        place = f"xl/worksheets/sheet{names.index(name) + 1}.xml"
        content = ET.fromstring(book.read(place))  # noqa: S314
    width = 0
    for line in content.iter(f"{SHEET}row"):
        cells: dict[int, str] = {}
        for cell in line.iter(f"{SHEET}c"):
            cells[column_number(str(cell.get("r")))] = cell_text(cell, texts)
        width = width or max(cells) + 1
        yield [cells.get(number, "") for number in range(width)]


def column_number(reference: str) -> int:
    """Number the column of a cell such as AB12, from 0 on."""
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def cell_text(cell: ET.Element, texts: list[str]) -> str:
    """Read a cell, whose text may stand in the workbook's common list."""
    if cell.get("t") == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{SHEET}t"))
    value = cell.findtext(f"{SHEET}v") or ""
    return texts[int(value)] if cell.get("t") == "s" else value


def public(data: Path, work: Path) -> Iterator[Case]:
    """Audit public tables, some of which are known to leak."""
    bank = data / "bank_churn_modelling"
    yield look("bank, records", *flat(bank / "Customer-Churn-Records.csv", "Exited", "CustomerId"),
               "Complain")  # fmt: skip
    yield look("bank", *flat(bank / "Churn_Modelling.csv", "Exited", "CustomerId"))
    telco = data / "ibm_telco"
    book = write(telco / "Telco_customer_churn_extended.xlsx", "Sheet1", work / "telco.csv")
    yield look("telco, extended", *flat(book, "Churn Label", "CustomerID"),
               "Churn Score", "Churn Reason", "Churn Value")  # fmt: skip
    plain = telco / "WA_Fn-UseC_-Telco-Customer-Churn.csv"
    yield look("telco", *flat(plain, "Churn", "customerID"))
    yield look("mlc_churn", *flat(data / "mlc_churn" / "mlc_churn.csv", "churn"))
    book = data / "ecommerce_churn" / "E_Commerce_Dataset.xlsx"
    shop = write(book, "E Comm", work / "shop.csv")
    yield look("e-commerce, copies of rows left in", *flat(shop, "Churn", "CustomerID"))
    rows = pd.read_csv(shop).drop(columns="CustomerID").drop_duplicates()
    rows.to_csv(work / "shop_once.csv", index=False)
    yield look("e-commerce, each row once", *flat(work / "shop_once.csv", "Churn"))
    for name in ("online_retail", "fightchurn_socialnet7"):
        project = real_input.assemble(name, data / name, work / name)
        (recipe,) = project.recipes.values()
        yield look(name, prepare(project, recipe, real_input.say).table, recipe)


def write(book: Path, sheet: str, path: Path) -> Path:
    """Write a sheet of a workbook as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(sheet_rows(book, sheet))
    return path


def simulated(seed: int, accounts: int, months: int, work: Path) -> Iterator[Case]:
    """Audit a simulated company as it is, with who is under notice, and with leaks planted."""
    root = work / f"company{seed}"
    from_history(root)
    simulate(root / "data" / "sample", accounts=accounts, months=months, seed=seed)
    project = Project.load(root)
    recipe = project.recipe("churn_90d")
    table = prepare(project, recipe, real_input.say).table
    yield look(f"company {seed}", table, recipe)
    spec = recipe.label.model_copy(update={"exclude_under_notice": False})
    notice = recipe.model_copy(update={"label": spec})
    with_notice = prepare(project, notice, real_input.say).table
    yield look(f"company {seed}, those under notice kept", with_notice, notice)
    for what, (name, values) in plants(table, History.open(project.history), seed).items():
        yield look(f"company {seed}: {what}", planted(table, name, values), recipe, name)


def planted(table: TrainingTable, name: str, values: pa.Array) -> TrainingTable:
    """Put a column into a table, in the place of one of its name if there is one."""
    if name in table.features:
        at = table.frame.column_names.index(name)
        return replace(table, frame=table.frame.set_column(at, name, values))
    text = (name,) if pa.types.is_string(values.type) else ()
    return replace(
        table,
        frame=table.frame.append_column(name, values),
        features=(*table.features, name),
        categorical=(*table.categorical, *text),
        families=MappingProxyType({**table.families, name: "planted"}),
    )


def plants(table: TrainingTable, history: History, seed: int) -> dict[str, tuple[str, pa.Array]]:
    """Make the leaks that churn tables have in life, from what the table knows of the future."""
    draw = np.random.default_rng(seed)
    frame = table.frame
    label = frame["label"].to_numpy() == 1
    cutoff = np.asarray(frame["cutoff"], dtype="datetime64[us]")
    account = np.asarray(frame["account_id"].to_pylist(), dtype=object)
    leaving = np.asarray(frame["churned_at"], dtype="datetime64[us]")
    # Four of five ask to cancel, ten to fifty days before they go; so do a few who stay.
    ids, place = np.unique(account, return_inverse=True)
    asks = (draw.random(ids.size) < 0.8)[place]
    ahead = draw.integers(10, 50, ids.size)[place] * DAY
    asked = asks & (leaving - ahead < cutoff + 90 * DAY) & ~np.isnat(leaving)
    ticket = (asked | (draw.random(label.size) < 0.005)).astype(np.int64)
    billed = (leaving >= cutoff) & (leaving < cutoff + 90 * DAY)  # NaT compares as False
    use = frame["events_28d"].to_numpy(zero_copy_only=False).astype(float)
    soon = label & (leaving < cutoff + 31 * DAY)
    return {
        "cancellation tickets of the label's window": ("cancel_tickets_28d", pa.array(ticket)),
        "final invoice": ("final_invoice", pa.array(billed)),
        "use wiped for all who leave": ("events_28d", pa.array(np.where(label, 0.0, use))),
        "use wiped for who leaves within a month": (
            "events_28d",
            pa.array(np.where(soon, 0.0, use)),
        ),
        "CSAT at the ticket's opening": ("csat_last", csat(history, account, cutoff)),
        "today's plan": ("plan_today", today(history, account)),
    }


def csat(history: History, account: np.ndarray, cutoff: np.ndarray) -> pa.Array:
    """Give the rating of the last ticket opened before the cutoff, whenever it was given."""
    tickets = read(history, "tickets").dropna(subset=["csat"]).sort_values("opened_at")
    rows = pd.DataFrame({"account_id": account, "opened_at": cutoff, "row": range(account.size)})
    rows = rows.sort_values("opened_at")
    found = pd.merge_asof(
        rows, tickets[["account_id", "opened_at", "csat"]], on="opened_at", by="account_id",
        allow_exact_matches=False,
    )  # fmt: skip
    return pa.array(found.sort_values("row")["csat"].to_numpy(float), from_pandas=True)


def today(history: History, account: np.ndarray) -> pa.Array:
    """Give the plan that the customer table holds today, which forgets who has left."""
    terms = read(history, "subscriptions").sort_values("started_at")
    last = terms.groupby("account_id").last()
    ended = last["terminated_at"].fillna(last["ends_at"]) < history.observed_until
    plan = last["plan"].astype(object).where(~ended, None)
    return pa.array([plan.get(name) for name in account], pa.string())


def read(history: History, table: str) -> pd.DataFrame:
    """Read a table of clean history, whatever was known when."""
    return pd.DataFrame(history.hindsight(table).to_pandas())


def row(case: Case) -> str:
    """Write a case as a row."""
    leaks = {f.feature or f.check.value for f in case.found.findings if f.level is Level.LEAK}
    doubt = {f.feature or f.check.value for f in case.found.findings if f.level is Level.SUSPICIOUS}
    doubt -= leaks
    return (
        f"| {case.name} | {case.found.rows:,} | {case.found.churned:,} | {case.features} "
        f"| {listed(case.planted)} | {listed(leaks & case.planted)} "
        f"| {listed(doubt & case.planted)} | {listed(case.planted - leaks - doubt)} "
        f"| {listed(leaks - case.planted)} | {listed(doubt - case.planted)} | {case.seconds:.1f} |"
    )


def listed(names: frozenset[str] | set[str]) -> str:
    """List names."""
    return ", ".join(f"`{name}`" for name in sorted(names)) or "–"


def shown(cases: list[Case], left_out: str) -> str:
    """Write the results down as they came out."""
    head = ("table", "rows", "churned accounts", "features", "planted", "called a leak",
            "called suspicious", "missed", "false leaks", "other suspicions", "s")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *map(row, cases), ""]
    clean = [case for case in cases if not case.planted]
    quiet = sum(case.found.clean for case in clean)
    number = sum(len(case.planted) for case in cases)
    caught = sum(len(case.planted & set(case.found.leaks)) for case in cases)
    lines.append(
        f"Of {number} planted leaks {caught} were called leaks. Of {len(clean)} tables without one "
        f"{quiet} were called clean.{left_out}"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every case and put the results into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--months", type=int, default=30)
    asked = parser.parse_args()
    cases: list[Case] = []
    left_out = ""
    with tempfile.TemporaryDirectory() as folder:
        if real_input.DATA.is_dir():
            cases += public(real_input.DATA, Path(folder))
        else:
            left_out = f" Public data sets are left out: {real_input.DATA} is not there."
        for seed in asked.seeds:
            cases += simulated(seed, asked.accounts, asked.months, Path(folder))
    results = shown(cases, left_out)
    page = HERE / "audit.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(real_input.BEGIN)
    after = rest.partition(real_input.END)[2]
    text = f"{before}{real_input.BEGIN}\n{results}\n{real_input.END}{after}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
