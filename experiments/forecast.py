"""Whether the intervals of the forecast hold, and survival is calibrated and ranks.

    python experiments/forecast.py [--companies 12] [--accounts 600] [--months 36]
    python experiments/forecast.py --real online_retail fightchurn_socialnet7

Many simulated companies, each forecast at every past quarter that its history allows by models that
saw nothing later; and the survival of each at the last cutoff whose later periods are on record,
beside the simulator's own. Prints, and writes experiments/forecast.md. With ``--real``, past
forecasts on public data sets, which are printed only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

# A script finds its neighbours; mypy, which reads from the repository's root, does not.
from real_input import DATA, assemble  # type: ignore[import-not-found]

from churnml.features.ahead import days_ahead
from churnml.project import Project
from churnml.scaffold import from_history
from churnml.simulate import simulate
from churnml.splits import apart
from churnml.training.estimator import fit
from churnml.training.hazard import fit_hazard
from churnml.training.hindcasts import Held, held, hindcasts
from churnml.training.recipes import Recipe
from churnml.training.tables import Prepared, prepare

HERE = Path(__file__).resolve().parent
RECIPE = "churn_90d"
PERIODS = 4
# Many fits of small tables: one kind of trees, and one thread.
QUICK = {"shapes": ("small",), "num_threads": 1}
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """Survival said at one cutoff, beside what came and what the simulator knew.

    Parameters
    ----------
    said : ndarray (n, n_periods)
        By the bundle's way.
    churned, told : ndarray (n,)
        The period in which it churned, 0 for none, and how many are on record.
    true : ndarray (n, 2)
        The simulator's own survival of 90 and 180 days.
    """

    said: Floats
    churned: npt.NDArray[np.int64]
    told: npt.NDArray[np.int64]
    true: Floats


@dataclass(frozen=True)
class Company:
    """What one company gave."""

    seed: int
    past: tuple[Held, ...]
    survival: Survival | None


def run(accounts: int, months: int, seed: int) -> Company:
    """Simulate a company, and forecast its past."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "company"
        from_history(root)
        sample = root / "data" / "sample"
        simulate(sample, accounts=accounts, months=months, seed=seed)
        project = Project.load(root)
        shipped = project.recipe(RECIPE)
        # The truth is of leaving for whatever reason, want of payment too.
        recipe = shipped.model_copy(
            update={
                "label": shipped.label.model_copy(update={"involuntary": "churn"}),
                "model": shipped.model.model_copy(update=QUICK),
            }
        )
        prepared = prepare(project, recipe, quiet)
        table = prepared.table
        past = held(hindcasts(table, recipe, quiet))
        truth = pq.read_table(sample / "truth" / "hazard.parquet")
        return Company(seed, past, survive(prepared, project, recipe, truth))


def survive(
    prepared: Prepared, project: Project, recipe: Recipe, truth: pa.Table
) -> Survival | None:
    """Tell survival at the last past quarter of which two periods are on record."""
    table, contracts = prepared.table, project.sources.tables_declared()
    ahead = () if prepared.catalogue is None else days_ahead(prepared.catalogue, contracts)
    told = np.asarray(table.frame["periods_told"], dtype=np.int64)
    rich = [
        part
        for part in apart(table.frame, recipe.label, recipe.cutoffs, 12)
        if told[part.test].min() >= 2
    ]
    if not rich:
        return None
    part = rich[-1]
    model = fit(table, part.learn, recipe.model, recipe.calibration).model
    hazard = fit_hazard(
        table,
        model.encoding,
        recipe.label,
        recipe.model,
        PERIODS,
        ahead=ahead,
        known_at=part.test_from,
    )
    if hazard is None:
        return None
    rows = table.frame.take(pa.array(part.test))
    said = hazard.hazard.survival(rows, model.score(rows).probability)
    known = {
        (row["account_id"], row["cutoff"]): (row["survival"][5], row["survival"][11])
        for row in truth.select(["account_id", "cutoff", "survival"]).to_pylist()
        if row["cutoff"] == part.test_from
    }
    pairs = zip(rows["account_id"].to_pylist(), rows["cutoff"].to_pylist(), strict=True)
    return Survival(
        said=said,
        churned=np.asarray(rows["churned_period"].fill_null(0), dtype=np.int64),
        told=told[part.test],
        true=np.array([known[pair] for pair in pairs]),
    )


def real(name: str) -> Iterator[str]:
    """Forecast the past of a public data set."""
    with tempfile.TemporaryDirectory() as folder:
        project = assemble(name, DATA / name, Path(folder) / name)
        (shipped,) = project.recipes.values()
        recipe = shipped.model_copy(update={"model": shipped.model.model_copy(update=QUICK)})
        past = held(hindcasts(prepare(project, recipe, quiet).table, recipe, quiet))
    yield f"| {name} | accounts | expected | 80 % | 95 % | left |"
    yield "|---|---:|---:|---:|---:|---:|"
    for item in past:
        said = item.forecast.churned
        ranges = " | ".join(
            f"{found.low:,.0f}–{found.high:,.0f}{'' if found.holds(item.churned) else ' (missed)'}"
            for found in said.ranges
        )
        yield (
            f"| {item.cutoff:%Y-%m-%d} | {item.forecast.accounts:,} | {said.expected:,.0f} "
            f"| {ranges} | {item.churned:,} |"
        )


def quiet(_what: str, _share: float) -> None:
    """Say nothing."""


def coverage(past: list[Held]) -> Iterator[str]:
    """Count the intervals that held."""
    yield "| interval | forecasts | of accounts | of ARR |"
    yield "|---|---:|---:|---:|"
    groups = {
        "all": past,
        "learned from no quarter": [x for x in past if x.quarters == 0],
        "from one or two": [x for x in past if x.quarters in {1, 2}],
        "from three and more": [x for x in past if x.quarters > 2],
    }
    for place, level in enumerate((80, 95)):
        for name, some in groups.items():
            if some:
                accounts = [x.forecast.churned.ranges[place].holds(x.churned) for x in some]
                lost = [
                    x.forecast.lost.ranges[place].holds(x.lost)
                    for x in some
                    if x.forecast.lost is not None and x.lost is not None
                ]
                yield (f"| {level} %, {name} | {len(some)} | {_share(accounts)} | {_share(lost)} |")


def _share(holds: list[bool]) -> str:
    """Tell a share with its standard error, as if forecasts were independent."""
    share = float(np.mean(holds)) if holds else float("nan")
    return f"{share:.0%} (± {np.sqrt(share * (1 - share) / max(len(holds), 1)):.0%})"


def bias(past: list[Held]) -> Iterator[str]:
    """Tell how far the middle lay off."""
    said = np.array([x.forecast.churned.scores for x in past])
    expected = np.array([x.forecast.churned.expected for x in past])
    came = np.array([x.churned for x in past], dtype=np.float64)
    yield (
        f"In all {came.sum():,.0f} accounts left; the scores alone said {said.sum():,.0f}, the "
        f"forecasts {expected.sum():,.0f}. Mean absolute error of one forecast: "
        f"{np.abs(expected - came).mean():.1f} accounts, of the scores alone "
        f"{np.abs(said - came).mean():.1f}, of {came.mean():.1f} on average."
    )
    priced = [x for x in past if x.forecast.lost is not None and x.lost is not None]
    money = np.array([[x.forecast.lost.expected, x.lost] for x in priced if x.forecast.lost])
    yield (
        f"Of revenue the forecasts said {money[:, 0].sum():,.0f} and {money[:, 1].sum():,.0f} "
        "was lost."
    )


def calibration(found: list[Survival]) -> Iterator[str]:
    """Set hazards beside what came, period by period, and survival beside the truth."""
    yield "| period | at risk | expected to leave | left | C-index of the hazard |"
    yield "|---:|---:|---:|---:|---:|"
    for place in range(PERIODS):
        expected, came, scores = 0.0, 0, []
        labels, n = [], 0
        for item in found:
            if item.said.shape[1] <= place:
                continue
            risk = (item.told > place) & ((item.churned == 0) | (item.churned > place))
            before = item.said[:, place - 1] if place else np.ones(item.churned.size)
            hazard = (1 - item.said[:, place] / before)[risk]
            left = item.churned[risk] == place + 1
            expected, came, n = expected + hazard.sum(), came + int(left.sum()), n + left.size
            scores.append(hazard)
            labels.append(left)
        if n:
            yield (
                f"| {place + 1} | {n:,} | {expected:,.1f} | {came:,} "
                f"| {_concordance(scores, labels):.3f} |"
            )


def _concordance(scores: list[Floats], labels: list[npt.NDArray[np.bool_]]) -> float:
    """Share of pairs of one company, one leaving and one staying, that are ranked rightly."""
    right, pairs = 0.0, 0
    for score, label in zip(scores, labels, strict=True):
        left, stayed = score[label][:, None], score[~label]
        right += float((left > stayed).sum() + 0.5 * (left == stayed).sum())
        pairs += left.size * stayed.size
    return right / pairs if pairs else float("nan")


def truth(found: list[Survival]) -> Iterator[str]:
    """Set survival of two periods beside the simulator's own."""
    said = [1 - item.said[:, 1] for item in found]
    true = [1 - item.true[:, 1] for item in found]
    left = [(item.churned > 0) & (item.churned <= 2) for item in found]
    yield (
        f"Leaving within two periods: said {np.concatenate(said).mean():.2%} on average, true "
        f"{np.concatenate(true).mean():.2%}, came {np.concatenate(left).mean():.2%}. C-index "
        f"{_concordance(said, left):.3f} against the simulator's own {_concordance(true, left):.3f}"
        "."
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=12)
    parser.add_argument("--accounts", type=int, default=600)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--first", type=int, default=101, help="the first seed")
    parser.add_argument("--real", nargs="+", default=[], help="public data sets instead")
    given = parser.parse_args()
    for name in given.real:
        print("\n".join(real(name)), end="\n\n")
    if given.real:
        return
    companies = []
    for seed in range(given.first, given.first + given.companies):
        companies.append(run(given.accounts, given.months, seed))
        write(companies, given)


def write(companies: list[Company], given: argparse.Namespace) -> None:
    """Print the results so far and put them into the page."""
    past = [item for company in companies for item in company.past]
    survival = [company.survival for company in companies if company.survival is not None]
    command = (
        f"python experiments/forecast.py --companies {len(companies)} --accounts {given.accounts} "
        f"--months {given.months} --first {given.first}"
    )
    lines = [
        f"Command: `{command}`.",
        "",
        f"{len(companies)} companies, {len(past)} forecasts.",
        "",
        *coverage(past),
        "",
        *bias(past),
        "",
    ]
    if survival:
        lines += [*calibration(survival), "", *truth(survival), ""]
    results = "\n".join(lines)
    print(results, flush=True)
    page = HERE / "forecast.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{results}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
