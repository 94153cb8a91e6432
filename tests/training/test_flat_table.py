"""The whole way on a public flat table: labels, holdout, model, calibration, bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from churnml.actions.tiers import RiskTiers
from churnml.backtest.metrics import evaluate
from churnml.project import Project
from churnml.scaffold import from_table
from churnml.splits import split
from churnml.training import bundle
from churnml.training.estimator import fit
from churnml.training.tables import prepare

CSV = "WA_Fn-UseC_-Telco-Customer-Churn.csv"


def test_telco_customers(outside_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Five-fold AUC of others on this table is 0.843 to 0.849; a holdout of a fifth is noisier."""
    from_table(
        tmp_path / "p", outside_data("ibm_telco") / CSV, label="Churn", identifier="customerID"
    )
    project = Project.load(tmp_path / "p")
    recipe = project.recipe("churn")
    table = prepare(project, recipe, lambda _what, _share: None).table
    assert table.frame.num_rows == 7043
    assert int(np.asarray(table.frame["label"]).sum()) == 1869

    model = recipe.model.model_copy(update={"shapes": ("tiny", "small"), "num_threads": 1})
    (parted,) = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)
    assert not parted.out_of_time
    fitted = fit(table, parted.learn, model, recipe.calibration)
    rows = table.frame.take(pa.array(parted.test))
    scores = fitted.model.score(rows, contributions=True)
    metrics = evaluate(rows["label"], scores.probability, rows["account_id"], draws=200).metrics
    assert 0.82 < metrics["auc"].value < 0.875
    assert metrics["auc"].low < 0.8485
    assert metrics["auc"].high > 0.8428
    assert metrics["ece"].value < 0.05
    assert metrics["calibration_slope"].low < 1.1
    assert metrics["calibration_slope"].high > 0.9
    assert metrics["lift_at_10"].value > 2.3
    assert scores.contributions is not None
    np.testing.assert_allclose(
        scores.base + scores.contributions.sum(axis=1), scores.log_odds, atol=1e-9
    )

    whole = fit(table, np.arange(table.frame.num_rows), model, recipe.calibration)
    written = bundle.write(
        tmp_path / "bundle",
        whole,
        table,
        recipe,
        tiers=RiskTiers(medium=0.1, high=0.3, critical=0.6),
        catalogue=None,
        known={},
        metrics=metrics,
    )
    again = bundle.load(written.folder).score(table.frame)
    assert np.array_equal(again.probability, whole.model.score(table.frame).probability)
    assert again.probability.mean() == pytest.approx(0.265, abs=0.02)
