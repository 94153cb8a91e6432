"""Recipes: what to predict, from what, and how the model is made. One TOML file each."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from churnml.config import FrozenModel, parse, read_toml
from churnml.errors import ConfigError, nearest
from churnml.labels import ColumnLabel, Cutoffs, LabelSpec
from churnml.labels.periods import MOST
from churnml.splits import Splits
from churnml.training.gates import GatesSpec
from churnml.training.intervals import IntervalSpec
from churnml.training.shapes import SHAPES, Shape
from churnml.training.sufficiency import SufficiencySpec
from churnml.training.thin import ThinSpec

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
    """How the model is made.

    Parameters
    ----------
    shapes : tuple of str
        Kinds of trees to try, from the smallest up until larger ones are no better; see
        `churnml.training.shapes`. One alone is taken without trial.
    own_shapes : tuple of Shape
        Further kinds, as tables ``[[model.own_shapes]]``: a team's own, or what tuning found. All
        of them are tried.
    most_shapes : int
        How many kinds may be mixed. More are a little better, and slower to fit and to score.
    folds : int
        Parts into which accounts are dealt. Each kind gives a member for each part, learnt from
        the others: more parts leave more to learn from, and take longer.
    max_rounds : int
        Most trees of a member.
    early_stopping_rounds : int
        Stop when so many trees have not bettered the part that was left out; the best number is
        kept.
    max_bin : int
        Steps into which a feature's values are cut.
    monotone : bool
        Whether the directions that the catalogue declares safe bind the model.
    seed : int
        Fixes all chance.
    num_threads : int
        Threads; 0 for all cores. The model is the same for any number.
    """

    shapes: tuple[str, ...] = tuple(SHAPES)
    own_shapes: tuple[Shape, ...] = ()
    most_shapes: int = Field(default=3, ge=1, le=20)
    folds: int = Field(default=5, ge=2, le=50)
    max_rounds: int = Field(default=2000, ge=1, le=100_000)
    early_stopping_rounds: int = Field(default=50, ge=1)
    max_bin: int = Field(default=255, ge=2, le=65535)
    monotone: bool = True
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    num_threads: int = Field(default=0, ge=0, le=1024)

    @model_validator(mode="after")
    def _shapes_are_known(self) -> Self:
        unknown = [name for name in self.shapes if name not in SHAPES]
        if unknown:
            raise ValueError(
                f"no shape {unknown[0]!r}; there are {', '.join(SHAPES)}."
                f"{nearest(unknown[0], SHAPES)}"
            )
        names = [*self.shapes, *(shape.name for shape in self.own_shapes)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            raise ValueError(
                f"shapes named twice: {', '.join(twice)}" if twice else "name at least one shape"
            )
        return self

    def only(self, names: Collection[str]) -> Self:
        """Try these shapes, all of them, and no others."""
        every = (*self.ladder, *self.own_shapes)
        chosen = tuple(shape for shape in every if shape.name in names)
        return self.model_copy(update={"shapes": (), "own_shapes": chosen})

    @property
    def ladder(self) -> tuple[Shape, ...]:
        """The shipped shapes to try."""
        return tuple(SHAPES[name] for name in self.shapes)


class CalibrationSpec(FrozenModel):
    """How margins become probabilities.

    Parameters
    ----------
    method : "auto", "platt", "beta", "isotonic" or "none"
        ``platt`` fits slope and intercept of the log-odds on the margins of members that had not
        seen the rows. ``auto`` takes a curve instead, where there are rows enough and those held
        out are clearly better served by it. ``none`` takes the model's own log-odds.
    segments : tuple of str
        Features that part accounts, the weightiest first: within each value of a category, or each
        quarter by a number, calibration is checked, and corrected where that proves itself on rows
        held out. By the first, thin accounts are told apart.
    thin : ThinSpec
        When history is too thin to go by.
    intervals : IntervalSpec
        How wide intervals are.
    """

    method: Literal["auto", "platt", "beta", "isotonic", "none"] = "auto"
    segments: tuple[str, ...] = ()
    thin: ThinSpec = ThinSpec()
    intervals: IntervalSpec = IntervalSpec()

    @model_validator(mode="after")
    def _segments_are_told_once(self) -> Self:
        if len(set(self.segments)) < len(self.segments):
            raise ValueError(f"segments names a feature twice: {', '.join(self.segments)}")
        return self


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
