"""Measure how often promotion's gates let through what they should, and stop what they should.

    python experiments/gates.py [--contests 100 60 30]

Contests are made up: accounts with a known true hazard, outcomes drawn from it, and a champion and
a challenger whose scores are what each can know of that hazard. The gates are the real ones, with
their default bounds. Writes experiments/gates.md; 300 and 1,000 accounts take about ten minutes of
one core, 5,000 longer than both.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import real_input  # type: ignore[import-not-found]

from churnml.training.contest import Contest
from churnml.training.gates import GatesSpec, judge

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HERE = Path(__file__).resolve().parent
SIZES = (300, 1_000, 5_000)
RATE, SPREAD = 0.04, 1.6  # rows that churn; standard deviation of true log-odds
ROWS = (0.6, 0.3, 0.1)  # accounts with 1, 2 and 3 rows
OVERLAP = 2 / 3  # of label windows of 90 days, a month apart
LASTING = 0.7  # share of the variance that lies between accounts, of hazard and of errors alike
TIER, LARGE = "professional", 0.35  # the segment that is harmed, and its share of accounts
CHAMPION = 0.80  # its true AUC
OTHER, ANEW = 0.7, 0.95  # what two recipes, and one learnt twice, have in common of their errors
SPEC = GatesSpec(draws=100)  # the fewest: there are thousands of contests
MARGINS = (0.002, 0.003, 0.005, 0.007, 0.01)
GIVEN = (0.01, 0.02, 0.03, 0.05)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


@dataclass(frozen=True)
class Challenger:
    """Who wants to be champion.

    Parameters
    ----------
    said : str
        In words.
    auc : float
        True AUC.
    alike : float
        Share of the variance of its errors that it has in common with the champion.
    times : float
        By how much its probabilities are too high.
    tier_auc, tier_times : float, optional
        The same within one account tier, if that is worse off.
    parted : bool
        Whether account tiers are told, so that the gate of segments is asked: it takes as long as
        all others.
    """

    said: str
    auc: float = CHAMPION
    alike: float = OTHER
    times: float = 1.0
    tier_auc: float | None = None
    tier_times: float | None = None
    parted: bool = False


CHALLENGERS = (
    Challenger("as good, another recipe", parted=True),
    Challenger("as good, learnt anew", alike=ANEW, parted=True),
    Challenger("AUC +0.01", 0.81),
    Challenger("AUC +0.02", 0.82, parted=True),
    Challenger("AUC +0.05", 0.85),
    Challenger("AUC -0.02", 0.78),
    Challenger("as good, all 10 % too high", times=1.1),
    Challenger("as good, all 20 % too high", times=1.2),
    Challenger("as good, all 50 % too high", times=1.5),
    Challenger(f"as good, AUC 0.65 in tier {TIER}", tier_auc=0.65, parted=True),
    Challenger(f"as good, twice too high in tier {TIER}", tier_times=2.0, parted=True),
)


@dataclass(frozen=True, eq=False)
class World:
    """Rows of accounts whose true log-odds are known.

    Parameters
    ----------
    account : ndarray of int (n,)
        Whose row it is.
    log_odds : ndarray (n,)
        True.
    label : ndarray of int (n,)
        What came.
    """

    account: Ints
    log_odds: Floats
    label: Ints


def lasting(account: Ints, generator: np.random.Generator) -> Floats:
    """Draw standard normal numbers (n,) that resemble each other within an account."""
    own = generator.normal(size=int(account.max()) + 1)[account]
    return np.asarray(
        math.sqrt(LASTING) * own + math.sqrt(1 - LASTING) * generator.normal(size=account.size)
    )


def logistic(log_odds: Floats) -> Floats:
    """Turn log-odds into probabilities."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def middle() -> float:
    """Find the mean log-odds of which the rate follows."""
    low, high = -10.0, 0.0
    for _ in range(60):
        at = (low + high) / 2
        rate = float(WEIGHTS @ logistic(at + SPREAD * NODES) / WEIGHTS.sum())
        low, high = (at, high) if rate < RATE else (low, at)
    return low


def world(accounts: int, generator: np.random.Generator) -> World:
    """Make up accounts, and draw what becomes of them."""
    account = np.repeat(np.arange(accounts), generator.choice([1, 2, 3], accounts, p=ROWS))
    log_odds = middle() + SPREAD * lasting(account, generator)
    # Whoever leaves in one window does so in those that overlap it.
    shared = generator.random(accounts)[account]
    luck = np.where(
        generator.random(account.size) < OVERLAP, shared, generator.random(account.size)
    )
    return World(account, log_odds, (luck < logistic(log_odds)).astype(np.int64))


def knowing(log_odds: Floats, error: Floats, noise: float) -> Floats:
    """Give the best probability of who sees the log-odds with so much noise: a calibrated one."""
    centre = middle()
    share = SPREAD**2 / (SPREAD**2 + noise**2)
    seen = centre + share * (log_odds + noise * error - centre)
    left = SPREAD * math.sqrt(1 - share)
    chance = logistic(seen[:, None] + left * NODES) @ WEIGHTS / WEIGHTS.sum()
    return np.asarray(chance)


def noises(aucs: Sequence[float]) -> dict[float, float]:
    """Find the noise that leaves each true AUC, in a company of 100,000 accounts."""
    generator = np.random.default_rng(0)
    large = world(100_000, generator)
    error, chance = lasting(large.account, generator), logistic(large.log_odds)
    found = {}
    for wanted in set(aucs):
        low, high = 0.0, 10.0
        for _ in range(20):
            at = (low + high) / 2
            reached = true_auc(chance, large.log_odds + at * error)
            low, high = (at, high) if reached > wanted else (low, at)
        found[wanted] = low
    return found


def true_auc(chance: Floats, score: Floats) -> float:
    """Give the AUC to expect where rows churn by such chances; scores never tie."""
    churns = chance[np.argsort(score)]
    below = np.cumsum(1 - churns) - (1 - churns) / 2
    return float(churns @ below / (churns.sum() * (1 - churns).sum()))


def contested(
    challenger: Challenger, noise: dict[float, float], accounts: int, seed: int
) -> Contest:
    """Let both answer the rows of one company."""
    generator = np.random.default_rng([accounts, seed])
    there = world(accounts, generator)
    tier = (generator.random(accounts) < LARGE)[there.account]
    common, first, second = (lasting(there.account, generator) for _ in range(3))
    share = math.sqrt(challenger.alike), math.sqrt(1 - challenger.alike)
    champion = knowing(there.log_odds, share[0] * common + share[1] * first, noise[CHAMPION])
    error = share[0] * common + share[1] * second
    chance = challenger.times * knowing(there.log_odds, error, noise[challenger.auc])
    if challenger.tier_auc is not None:
        worse = knowing(there.log_odds, error, noise[challenger.tier_auc])
        chance = np.where(tier, worse, chance)
    if challenger.tier_times is not None:
        chance = np.where(tier, challenger.tier_times * chance, chance)
    rows = pa.table(
        {
            "account_id": there.account.astype(str),
            "label": there.label,
            "probability": np.minimum(chance, 0.99),
            "champion": champion,
            "account_tier": np.where(tier, TIER, "starter" if challenger.parted else TIER),
            "unseen": np.zeros(tier.size, dtype=bool),
        }
    )
    return Contest(rows, 0, rows.num_rows, 0)


@dataclass(frozen=True)
class Outcome:
    """What the gates found of one contest.

    Parameters
    ----------
    churned : int
        Rows that churned.
    accuracy, skill : bool
        Whether it passed those gates, which ask nothing of the champion.
    low : float
        Lower end of the AUC gained.
    lost, more : float
        Log loss lost to miscalibration beyond the champion's, and the upper end of that.
    told, harmed : int
        Segments that could tell, and those among them that were found worse off.
    """

    churned: int
    accuracy: bool
    skill: bool
    low: float
    lost: float
    more: float
    told: int
    harmed: int

    @property
    def better(self) -> bool:
        """Whether it is shown to be better."""
        return self.low > 0

    @property
    def calibrated(self) -> bool:
        """Whether its calibration is shown to be no worse than the margin allows."""
        return self.more <= SPEC.calibration_margin

    def passed(self, *, not_worse: bool) -> bool:
        """Whether all gates let it through."""
        enough = self.low > -SPEC.margin if not_worse else self.better
        return self.accuracy and self.skill and enough and self.calibrated and not self.harmed


def asked(contest: Contest) -> Outcome:
    """Ask the real gates."""
    gates = {gate.name: gate for gate in judge(contest.rows, contest, SPEC)}
    segments = [gate for name, gate in gates.items() if name.startswith("segment ")]
    return Outcome(
        churned=int(contest.rows["label"].to_numpy().sum()),
        accuracy=bool(gates["accuracy"].passed),
        skill=bool(gates["skill"].passed),
        low=gates["better"].numbers["low"],
        lost=gates["calibration"].numbers["difference"],
        more=gates["calibration"].numbers["high"],
        told=sum(gate.passed is not None for gate in segments),
        harmed=sum(gate.passed is False for gate in segments),
    )


Found = dict[tuple[Challenger, int], list[Outcome]]


def share(outcomes: Sequence[Outcome], of: Callable[[Outcome], bool]) -> str:
    """Tell in how many of a hundred contests something holds."""
    return f"{100 * np.mean([of(item) for item in outcomes]):.0f}"


def told(found: Found) -> list[str]:
    """Tell how often each gate, and all of them, let a challenger through."""
    head = ("challenger", "accounts", "skill", "better", "not worse", "calibration", "segments",
            "all, better", "all, not worse")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for (challenger, accounts), some in found.items():
        cells = (
            share(some, lambda item: item.skill),
            share(some, lambda item: item.better),
            share(some, lambda item: item.low > -SPEC.margin),
            share(some, lambda item: item.calibrated),
            share(some, lambda item: not item.harmed) if any(item.told for item in some) else "–",
            share(some, lambda item: item.passed(not_worse=False)),
            share(some, lambda item: item.passed(not_worse=True)),
        )
        lines.append(f"| {challenger.said} | {accounts:,} | {' | '.join(cells)} |")
    return lines


def by_margin(
    found: Found,
    margins: Sequence[float],
    of: Callable[[Outcome, float], bool],
    among: Callable[[Challenger], bool],
) -> list[str]:
    """Tell how often a gate would let a challenger through with other margins."""
    head = ("challenger", "accounts", *(f"{margin:g}" for margin in margins))
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for (challenger, accounts), some in found.items():
        if among(challenger):
            shares = [100 * np.mean([of(item, margin) for item in some]) for margin in margins]
            cells = " | ".join(f"{share:.0f}" for share in shares)
            lines.append(f"| {challenger.said} | {accounts:,} | {cells} |")
    return lines


def sizes(found: Found) -> list[str]:
    """Tell how large the contests are."""
    lines = [
        "| accounts | contests each | churned rows | segments that could tell | accuracy passed |",
        "|---|---|---|---|---|",
    ]
    for accounts in SIZES:
        each = {who: some for (who, size), some in found.items() if size == accounts}
        if not each:
            continue
        every = [item for some in each.values() for item in some]
        parted = [item for who, some in each.items() if who.parted for item in some]
        churned = np.mean([item.churned for item in every])
        could = np.mean([item.told for item in parted])
        lines.append(
            f"| {accounts:,} | {len(every) // len(each)} | {churned:.0f} | {could:.1f} "
            f"| {share(every, lambda item: item.accuracy)} |"
        )
    return lines


def results(found: Found) -> list[str]:
    """Tell all that is to be told, each challenger's sizes together."""
    ordered = {
        (who, size): found[who, size]
        for who in CHALLENGERS
        for size in SIZES
        if (who, size) in found
    }
    return [
        *sizes(ordered),
        "",
        "Let through, of a hundred:",
        "",
        *told(ordered),
        "",
        "Let through by the gate of calibration, were its margin:",
        "",
        *by_margin(
            ordered,
            MARGINS,
            lambda item, margin: item.more <= margin,
            lambda who: who.tier_auc is None,
        ),
        "",
        "The same, were it to ask that the figure itself, not its upper end, exceeds no margin:",
        "",
        *by_margin(
            ordered,
            MARGINS,
            lambda item, margin: item.lost <= margin,
            lambda who: who.tier_auc is None,
        ),
        "",
        "Let through by the rule `not_worse`, were its margin:",
        "",
        *by_margin(
            ordered,
            GIVEN,
            lambda item, margin: item.low > -margin,
            lambda who: who.times == 1 and who.tier_auc is who.tier_times is None,
        ),
    ]


def main() -> None:
    """Hold every contest, the small ones first, and put what was found into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contests", type=int, nargs=3, default=[100, 60, 30])
    counts = parser.parse_args().contests
    levels = [item for who in CHALLENGERS for item in (who.auc, who.tier_auc) if item is not None]
    noise = noises([CHAMPION, *levels])
    found: Found = {}
    for accounts, contests in zip(SIZES, counts, strict=True):
        for challenger in CHALLENGERS:
            print(f"{challenger.said}, {accounts:,} accounts", file=sys.stderr, flush=True)
            found[challenger, accounts] = [
                asked(contested(challenger, noise, accounts, seed)) for seed in range(contests)
            ]
        page = HERE / "gates.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(real_input.BEGIN)
        after = rest.partition(real_input.END)[2]
        lines = "\n".join(results(found))
        text = f"{before}{real_input.BEGIN}\n{lines}\n\n{real_input.END}{after}"
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
