"""Judge how rows are parted: accounts on both sides, time shuffled, labels dealt anew."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from churnml.features.table import TrainingTable
from churnml.splits import Split
from churnml.training.audit.auc import Bools, Ranking, difference, rank, share
from churnml.training.audit.findings import Check, Finding, Level
from churnml.training.audit.skill import Trial
from churnml.training.audit.worth import Rows

# By how much a figure must flatter, beyond chance, to be suspicious. Accounts that are new are
# others in more than being unknown: of them more is let pass.
FLATTERED, FLATTERED_BY_SEEN = 0.05, 0.10
# Copies of rows, as a share of a test, and how alike their labels are, to be more than chance.
COPIES, ALIKE, LEAST_COPIES = 0.01, 0.9, 5
# Nothing is to be learnt of dealt labels; one table in a thousand shows more than this by chance.
DEALT_LEVEL, DEALT_SKILL = 0.999, 0.55


def overlap(trial: Trial, parts: Sequence[Split], rows: Rows) -> tuple[Finding | None, str]:
    """Tell how many tested accounts were learnt from, and whether the model remembers them.

    Parameters
    ----------
    trial : Trial
        Rolling tests.
    parts : sequence of Split
        How rows were parted.
    rows : Rows
        Of the whole table, to count accounts.

    Returns
    -------
    tuple of Finding or None, and str
        The finding, and what was looked at.
    """
    taught = np.unique(np.concatenate([part.learn for part in parts]))
    tested = np.unique(trial.rows.account)
    both = np.intersect1d(tested, np.unique(rows.account[taught])).size
    looked = (
        f"{both:,} of {tested.size:,} tested accounts also stand in training rows, of earlier "
        f"cutoffs; {int(trial.unseen.sum()):,} of {trial.unseen.size:,} test rows are of accounts "
        "never trained on"
    )
    seen = _part(trial, ~trial.unseen)
    unseen = _part(trial, trial.unseen)
    if not (np.isfinite(seen.value) and np.isfinite(unseen.value)):
        return None, looked
    gain = difference(seen, unseen)
    level = Level.SUSPICIOUS if gain.low > FLATTERED_BY_SEEN else Level.NOTE
    finding = Finding(
        check=Check.ACCOUNTS,
        level=level,
        feature=None,
        figure="AUC of accounts trained on, less that of others",
        interval=gain,
        said=(
            f"{looked}. A small model's AUC is {seen.value:.3f} for accounts that it trained on, "
            f"and {unseen.value:.3f} for others."
        ),
        remedy=(
            "Look for features that name accounts rather than describe them, and quote the figure "
            "for accounts never trained on."
            if level is Level.SUSPICIOUS
            else "Nothing; the figure for accounts never trained on is told with each training."
        ),
        evidence=MappingProxyType({"seen": seen.value, "unseen": unseen.value}),
    )
    return finding, looked


def copies(table: TrainingTable, parted: Split) -> tuple[Finding | None, str]:
    """Look for test rows that stand in training as well under another account's name.

    Of a table without times, whose accounts are told apart by their rows' numbers or names alone.

    Parameters
    ----------
    table : TrainingTable
        A flat table.
    parted : Split
        Its holdout.
    """
    columns = list(table.features)
    held = table.frame.select(columns).to_pandas()
    name = pd.util.hash_pandas_object(held, index=False).to_numpy()
    label = np.asarray(table.frame["label"]) == 1
    taught = parted.learn
    again = np.isin(name[parted.test], name[taught])
    found = parted.test[again]
    part = share(int(again.sum()), int(again.size))
    looked = f"no account is on both sides; {found.size:,} of {again.size:,} test rows equal a "
    looked += "training row in every feature"
    churned = found[label[found]]
    alike = float(np.isin(name[churned], name[taught[label[taught]]]).mean()) if churned.size else 0
    if part.low < COPIES or churned.size < LEAST_COPIES or alike < ALIKE:
        return None, looked
    finding = Finding(
        check=Check.ACCOUNTS,
        level=Level.SUSPICIOUS,
        feature=None,
        figure="share of test rows that are copies of training rows",
        interval=part,
        said=(
            f"{found.size:,} of {again.size:,} test rows equal a training row in every feature, "
            f"and {alike:.0%} of those that churned do so in the label too: the same accounts "
            "stand in the table more than once."
        ),
        remedy="Keep one row an account, or name the account's column as id under [label].",
        evidence=MappingProxyType({"copies": float(found.size), "same_label": alike}),
    )
    return finding, looked


def time_shuffled(rolling: Trial, by_account: Trial, by_row: Trial) -> list[Finding]:
    """Compare the rolling test with what random parts of the same rows would have said.

    Parameters
    ----------
    rolling, by_account, by_row : Trial
        Scores of the same rows.
    """
    base, accounts, rows = (t.rows.rank(t.score) for t in (rolling, by_account, by_row))
    gain, memory = difference(accounts, base), difference(rows, accounts)
    evidence = MappingProxyType(
        {"rolling": base.value, "random_accounts": accounts.value, "random_rows": rows.value}
    )
    told = (
        f"A small model has an AUC of {base.value:.3f} on later cutoffs, of {accounts.value:.3f} "
        f"where accounts are parted at random, and of {rows.value:.3f} where rows are."
    )
    drifts, remembers = gain.low > FLATTERED, memory.low > FLATTERED
    time = Finding(
        check=Check.TIME,
        level=Level.SUSPICIOUS if drifts else Level.NOTE,
        feature=None,
        figure="AUC on random accounts, less that on later cutoffs",
        interval=gain,
        said=told,
        remedy=(
            "Look for features that tell the date, such as counts since recording began; quote no "
            "figure of a random split."
            if drifts
            else "Nothing: figures out of time and at random agree."
        ),
        evidence=evidence,
    )
    if not remembers:
        return [time]
    memorised = Finding(
        check=Check.TIME,
        level=Level.SUSPICIOUS,
        feature=None,
        figure="AUC on random rows, less that on random accounts",
        interval=memory,
        said=told,
        remedy=(
            "Accounts are known again by their features. The recipe's tests lie later in time and "
            "are not flattered by it; quote no figure of a random split of rows."
        ),
        evidence=evidence,
    )
    return [time, memorised]


def dealt(trial: Trial) -> Finding:
    """Judge what a model finds of labels that were dealt at random.

    Parameters
    ----------
    trial : Trial
        Rolling tests of `skill.permuted` rows.
    """
    auc = trial.rows.rank(trial.score).interval(DEALT_LEVEL)
    skilled = auc.low > 0.5 and auc.value > DEALT_SKILL
    return Finding(
        check=Check.PERMUTED,
        level=Level.LEAK if skilled else Level.NOTE,
        feature=None,
        figure=f"AUC on labels dealt at random, {DEALT_LEVEL:.1%} interval",
        interval=auc,
        said=f"Of labels dealt at random within each cutoff a small model finds {auc.value:.3f}.",
        remedy=(
            "There is nothing to find. See whether rows of the test stand in training: equal "
            "accounts under several names, or times that are not the cutoffs'."
            if skilled
            else "Nothing: 0.5 is what there is to find."
        ),
    )


def _part(trial: Trial, chosen: Bools) -> Ranking:
    rows = trial.rows.take(np.flatnonzero(chosen))
    return rank(rows.label, trial.score[chosen], rows.account, trial.rows.n_accounts)
