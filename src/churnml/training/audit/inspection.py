"""The audit: every check that a table allows, and why it does not allow the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from churnml.backtest.metrics import Interval
from churnml.errors import LabelError, TrainingError
from churnml.features.table import TrainingTable
from churnml.splits import Split, split
from churnml.training.audit import parting, single, skill
from churnml.training.audit.auc import Ints, Ranking, difference, halving
from churnml.training.audit.findings import Audit, Check, Finding, Level, Looked
from churnml.training.audit.lag import LEAST_CHURNED, Fading, fading, judge, neighbours
from churnml.training.audit.worth import Rows, ranked, steps
from churnml.training.encoding import Encoding, kind_of
from churnml.training.recipes import Recipe

Progress = Callable[[str, float], None]
_Found: TypeAlias = tuple[list[Looked], list[Finding]]

_MOST_MATCHED = 4  # strong features that are set against all others; each takes some small models
_NO_TIMES = "the table's rows have no times"


def _silent(_step: str, _share: float) -> None:
    pass


def audit(table: TrainingTable, recipe: Recipe, progress: Progress = _silent) -> Audit:
    """Look for what a training table could not have known.

    Nothing is written; the same table and recipe give the same findings.

    Parameters
    ----------
    table : TrainingTable
        Rows with labels.
    recipe : Recipe
        How rows are parted.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    TrainingError
        If only one class is in the table, so that there is nothing to look for, or a feature holds
        infinity or dates beyond the calendar, which training would refuse.
    """
    rows = Rows.of(table.frame)
    if not rows.label.any() or rows.label.all():
        raise TrainingError(
            f"{int(rows.label.sum())} of {rows.label.size} rows churned: an audit needs some who "
            "did and some who did not. Use more history, or a longer horizon."
        )
    _require_readable(table)
    values = _values(table, progress)
    checks, findings = _missing(values, rows)
    for part in (
        _lagged(values, rows, progress),
        _alone(values, table, recipe, rows, _leaking(findings), progress),
    ):
        checks, findings = checks + part[0], findings + part[1]
    rest = _parted(table, recipe, _leaking(findings), progress)
    progress("done", 1.0)
    orders = {item: place for kind in (Check, Level) for place, item in enumerate(kind)}
    return Audit(
        rows=rows.label.size,
        accounts=int(np.unique(rows.account).size),
        churned=rows.accounts_with(rows.label),
        checks=tuple(sorted(checks + rest[0], key=lambda item: orders[item.check])),
        findings=tuple(sorted(findings + rest[1], key=lambda item: orders[item.level])),
    )


def _require_readable(table: TrainingTable) -> None:
    """Refuse values that no model takes: checks with one would be left out, and leaks pass."""
    names = [name for name in table.features if kind_of(table.frame[name].type) is not None]
    if names:
        Encoding.learn(table.frame, names, set(table.categorical) & set(names)).matrix(table.frame)


def _values(table: TrainingTable, progress: Progress) -> dict[str, Ints]:
    """Cut every feature into steps; those of no kind that can be are left out."""
    found = {}
    for number, name in enumerate(table.features):
        progress("features", 0.1 * number / len(table.features))
        step = steps(table.frame[name])
        if step is not None:
            found[name] = step
    return found


def _leaking(findings: list[Finding]) -> frozenset[str]:
    return frozenset(f.feature for f in findings if f.feature and f.level is Level.LEAK)


def _missing(values: Mapping[str, Ints], rows: Rows) -> _Found:
    gaps = {name: step for name, step in values.items() if (step == 0).any() and step.any()}
    found = [single.in_step(name, step, rows, len(gaps)) for name, step in gaps.items()]
    said = f"{len(gaps)} of {len(values)} features are missing in some rows"
    return [Looked(Check.MISSING, True, said)], [item for item in found if item is not None]


def _lagged(values: Mapping[str, Ints], rows: Rows, progress: Progress) -> _Found:
    if rows.day is None:
        why = f"{_NO_TIMES}, so that there is no value of a month earlier"
        return [Looked(Check.LAG, False, why)], []
    now, before = neighbours(rows)
    pairs = rows.take(now)
    churned = pairs.accounts_with(pairs.label)
    if churned < LEAST_CHURNED or pairs.label.all():
        why = f"{churned} churned accounts have a row of a month earlier; it takes {LEAST_CHURNED}"
        return [Looked(Check.LAG, False, why)], []
    found: dict[str, Fading] = {}
    for number, (name, step) in enumerate(values.items()):
        progress("values of a month earlier", 0.1 + 0.3 * number / len(values))
        found[name] = fading(step, now, before, pairs)
    said = (
        f"{now.size:,} rows have the same account's row of a month earlier, {churned:,} churned "
        "accounts among them"
    )
    return [Looked(Check.LAG, True, said)], judge(found)


def _alone(
    values: Mapping[str, Ints],
    table: TrainingTable,
    recipe: Recipe,
    rows: Rows,
    leaking: frozenset[str],
    progress: Progress,
) -> _Found:
    worth: dict[str, Ranking] = {}
    zones: dict[str, tuple[Interval, float]] = {}
    for number, (name, step) in enumerate(values.items()):
        progress("single features", 0.4 + 0.2 * number / len(values))
        worth[name] = ranked(step, rows)
        zones[name] = single.purity(single.pure_zone(step, rows), rows, len(values))
    found = {name: single.alone(name, worth[name], zones[name], None) for name in values}
    sure = {name for name, item in found.items() if item and item.level is Level.LEAK} | leaking
    strong = [name for name in single.candidates(worth) if name not in sure][:_MOST_MATCHED]
    for number, name in enumerate(strong):
        progress("strong features against all others", 0.6 + 0.1 * number / len(strong))
        found[name] = single.alone(
            name, worth[name], zones[name], _matched(name, table, recipe, frozenset(sure))
        )
        if (item := found[name]) is not None and item.level is Level.LEAK:
            sure.add(name)
    best = max(worth, key=lambda name: worth[name].value)
    said = f"{len(values)} features; the best alone is {best}, AUC {worth[best].value:.3f}"
    if unread := len(table.features) - len(values):
        said += f"; {unread} of a kind that cannot be looked at"
    return [Looked(Check.ALONE, True, said)], [item for item in found.values() if item]


def _matched(
    name: str, table: TrainingTable, recipe: Recipe, leaking: frozenset[str]
) -> single.Matched | None:
    """Set a feature against all others that do not leak; nothing where there is too little."""
    others, every = skill.small(table, leaking | {name}), skill.small(table, leaking)
    step = steps(others.frame[name])
    if not others.features or step is None:
        return None
    rows = Rows.of(others.frame)
    try:
        without = rows.rank(skill.matched(others, recipe))
        together = rows.rank(skill.matched(every, recipe))
    except TrainingError:  # a fold without churn, which leaves nothing to compare
        return None
    return single.Matched(
        others=len(others.features),
        without=without.value,
        over=difference(ranked(step, rows), without),
        left=halving(together, without),
    )


def _parted(
    table: TrainingTable,
    recipe: Recipe,
    leaking: frozenset[str],
    progress: Progress,
) -> _Found:
    """Make the checks that take a model, without the features that leak for sure."""
    small = skill.small(table, leaking)
    if not small.features:
        why = "no feature is left that does not leak"
        return [Looked(c, False, why) for c in (Check.ACCOUNTS, Check.TIME, Check.PERMUTED)], []
    try:
        progress("rolling tests of a small model", 0.7)
        rolling, parts = skill.rolled(small, recipe)
        checks, findings = _overlap(table, recipe, rolling, parts, small)
        progress("time shuffled", 0.8)
        more = _shuffled(small, recipe, rolling, int(np.mean([p.learn.size for p in parts])))
        progress("labels permuted", 0.9)
        dealt = parting.dealt(skill.rolled(skill.permuted(small), recipe)[0])
    except (LabelError, TrainingError) as error:
        why = f"the rows cannot be parted as training would: {error}"
        return [Looked(c, False, why) for c in (Check.ACCOUNTS, Check.TIME, Check.PERMUTED)], []
    said = f"labels dealt at random within each cutoff, over {rolling.positions.size:,} test rows"
    checks = [*checks, *more[0], Looked(Check.PERMUTED, True, said)]
    return checks, [*findings, *more[1], dealt]


def _overlap(
    table: TrainingTable,
    recipe: Recipe,
    rolling: skill.Trial,
    parts: Sequence[Split],
    small: TrainingTable,
) -> _Found:
    if "cutoff" in table.frame.column_names:
        found, said = parting.overlap(rolling, parts, Rows.of(small.frame))
    else:
        (parted,) = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)
        found, said = parting.copies(table, parted)
    return [Looked(Check.ACCOUNTS, True, said)], [] if found is None else [found]


def _shuffled(small: TrainingTable, recipe: Recipe, rolling: skill.Trial, n_fit: int) -> _Found:
    if "cutoff" not in small.frame.column_names:
        why = f"{_NO_TIMES}: accounts are parted at random in any case"
        return [Looked(Check.TIME, False, why)], []
    trials = [
        skill.shuffled(small, recipe, rolling, n_fit, by_account=together)
        for together in (True, False)
    ]
    said = f"a small model of {n_fit:,} rows, on later cutoffs and on random parts of the rows"
    return [Looked(Check.TIME, True, said)], parting.time_shuffled(rolling, *trials)
