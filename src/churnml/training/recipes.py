"""Recipes: what to predict, from what, and how the model is made. One TOML file each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from churnml.config import FrozenModel, parse, read_toml
from churnml.errors import ConfigError
from churnml.labels import ColumnLabel, Cutoffs, LabelSpec
from churnml.labels.periods import MOST
from churnml.splits import Splits
from churnml.training.gates import GatesSpec
from churnml.training.sufficiency import SufficiencySpec

# The rule of thumb that a model has to beat: whoever has not been seen for longest leaves first.
BASELINE = "days_since_use"


class FeatureChoice(FrozenModel):
    """Which features a model sees.

    Parameters
    ----------
    families : tuple of str
        The families whose features are used; all when empty, and none for a flat table.
    include : tuple of str
        Features used besides. For a flat table: the columns used, all when empty.
    exclude : tuple of str
        Features left out. For a flat table, name here what was known only after the outcome.
    """

    families: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _not_in_and_out(self) -> Self:
        both = sorted(set(self.include) & set(self.exclude))
        if both:
            raise ValueError(f"included and excluded at once: {', '.join(both)}")
        return self


class ModelSpec(FrozenModel):
    """Parameters of LightGBM, under its own names, with defaults for small and noisy tables.

    Churn tables have thousands of rows rather than millions and a faint signal: small trees, a low
    rate and much sampling generalise best there. Class weights are not offered: they would ruin
    the probabilities, and gain nothing in rank.

    Parameters
    ----------
    learning_rate : float
        Step of each tree; smaller is slower and a little better.
    num_leaves : int
        Leaves of a tree. Raise it with the number of rows.
    max_depth : int
        Bound on depth; -1 for none.
    min_data_in_leaf : int
        Rows that a leaf must hold. Raise it where the model learns single accounts by heart.
    feature_fraction, bagging_fraction : float
        Shares of features and of rows that a tree sees.
    bagging_freq : int
        After how many trees the rows are drawn anew; 0 never draws.
    lambda_l1, lambda_l2, min_gain_to_split, path_smooth : float
        Further brakes on the trees.
    max_bin : int
        Steps into which a feature's values are cut.
    max_rounds : int
        Most trees.
    early_stopping_rounds : int
        Stop when so many trees have not bettered the validation rows; the best number is kept.
    monotone : bool
        Whether the directions that the catalogue declares safe bind the model.
    seed : int
        Fixes all chance.
    num_threads : int
        Threads; 0 for all cores. The model is the same for any number.
    """

    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=4096)
    max_depth: int = Field(default=-1, ge=-1, le=64)
    min_data_in_leaf: int = Field(default=30, ge=1)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_freq: int = Field(default=1, ge=0)
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_l2: float = Field(default=0.0, ge=0)
    min_gain_to_split: float = Field(default=0.0, ge=0)
    path_smooth: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=255, ge=2, le=65535)
    max_rounds: int = Field(default=2000, ge=1, le=100_000)
    early_stopping_rounds: int = Field(default=100, ge=1)
    monotone: bool = True
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    num_threads: int = Field(default=0, ge=0, le=1024)


class CalibrationSpec(FrozenModel):
    """How margins become probabilities.

    Parameters
    ----------
    method : "platt" or "none"
        ``platt`` fits slope and intercept of the log-odds on the validation rows; ``none`` takes
        the model's own log-odds.
    """

    method: Literal["platt", "none"] = "platt"


class SurvivalSpec(FrozenModel):
    """How far ahead to tell when accounts leave.

    Parameters
    ----------
    periods : int
        Periods of the label's horizon, the first of which is the label's own. More of them need
        more history: nothing is told of one that too few rows have seen to its end. 1 tells of the
        label's window alone, and makes training shorter.
    """

    periods: int = Field(default=4, ge=1, le=MOST)


class Recipe(FrozenModel):
    """One file of ``training/``.

    Parameters
    ----------
    name : str
        The file's stem.
    doc : str
        What the model is for.
    label : LabelSpec
        What churn is.
    cutoffs : Cutoffs
        When to look; not for flat tables, whose rows bring their times.
    features : FeatureChoice
        Which features are used.
    splits : Splits
        How rows are parted in time.
    model : ModelSpec
        The model's parameters.
    calibration : CalibrationSpec
        How margins become probabilities.
    survival : SurvivalSpec
        How far ahead to tell when accounts leave; a flat table tells of its own window alone.
    gates : GatesSpec
        What a model has to show before it takes the champion's place.
    sufficiency : SufficiencySpec
        How many accounts must have churned for anything to be trained.
    baseline : str
        The feature whose AUC alone is told beside the model's: what the team goes by today. More
        is riskier, and a missing value riskiest; with ``-`` before the name less is riskier.
    """

    name: str
    doc: str = ""
    label: LabelSpec
    cutoffs: Cutoffs = Cutoffs()
    features: FeatureChoice = FeatureChoice()
    splits: Splits = Splits()
    model: ModelSpec = ModelSpec()
    calibration: CalibrationSpec = CalibrationSpec()
    gates: GatesSpec = GatesSpec()
    survival: SurvivalSpec = SurvivalSpec()
    sufficiency: SufficiencySpec = SufficiencySpec()
    baseline: str = Field(default=BASELINE, pattern="^-?[^-]")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if isinstance(self.label, ColumnLabel):
            if "cutoffs" in self.model_fields_set:
                raise ValueError(
                    "a flat table has no [cutoffs]: name its column of times under [label]"
                )
            if self.features.families:
                raise ValueError("a flat table has no feature families: use include and exclude")
            if "survival" in self.model_fields_set and self.survival.periods > 1:
                raise ValueError(
                    "a flat table tells of its label's window alone, not of later periods: leave "
                    "[survival] out"
                )
            return self
        days = self.cutoffs.days_before_renewal
        opens, closes = self.label.lead_days, self.label.lead_days + self.label.horizon_days
        if days is not None and not opens <= days < closes:
            raise ValueError(
                f"cutoffs lie days_before_renewal = {days} before the renewal, outside the label "
                f"window of days {opens} to {closes} after the cutoff, so that no churn at a "
                "renewal would count: choose lead_days <= days_before_renewal "
                "< lead_days + horizon_days"
            )
        return self


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; the file's stem is its name.

    Parameters
    ----------
    path : Path
        A file of ``training/``.

    Returns
    -------
    Recipe
        Its content.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or does not fit, naming the file and the key.
    """
    content = read_toml(path)
    if "name" in content:
        raise ConfigError(
            f"{path}: unknown key 'name'. A recipe is named by its file; rename the file instead."
        )
    return parse(Recipe, {**content, "name": path.stem}, path)
