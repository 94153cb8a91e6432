"""The bundle: the immutable folder that a scorer loads. Nothing in it can execute.

::

    model.txt       the trees, LightGBM's text
    manifest.json   features in order, codes, calibrator, tiers, catalogue, fingerprints, metrics,
                    and the SHA-256 of every other file
    hazard.txt      the trees of later periods, likewise; where there was enough to learn them
    golden.json     rows with the answers they must get; loading replays them
    reference.json  how scores and features were distributed in training; not in older bundles
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from churnml.actions.tiers import RiskTiers
from churnml.config import parse
from churnml.errors import BundleError, ConfigError, FeatureError
from churnml.features.catalogue import Catalogue
from churnml.features.snapshot import from_snapshot
from churnml.features.table import META
from churnml.labels import ColumnLabel
from churnml.training.calibration import Calibrator
from churnml.training.calibrators import Curve
from churnml.training.curves import BetaCurve, IsotonicCurve
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.estimator import FittedModel, Model, Scores
from churnml.training.golden import Golden, make, replay
from churnml.training.hazard import FittedHazard, Hazard
from churnml.training.manifest import FORMAT, BetaRecord, CalibratorRecord, Manifest, describe
from churnml.training.reference import Reference, refer
from churnml.training.trees import check

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from churnml.backtest.metrics import Interval
    from churnml.features.knowledge import KnownRule
    from churnml.features.table import TrainingTable
    from churnml.training.recipes import Recipe

MANIFEST, MODEL, GOLDEN = "manifest.json", "model.txt", "golden.json"
HAZARD = "hazard.txt"
REFERENCE = "reference.json"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was loaded and verified.

    Parameters
    ----------
    folder : Path
        Where it lies.
    id : str
        SHA-256 of the manifest, and so of everything.
    manifest : Manifest
        What it says of itself.
    model : Model
        What scores.
    hazard : Hazard or None
        What tells of the periods after the label's own; none where nothing does.
    catalogue : Catalogue or None
        The features as they were declared in training; none for a flat table.
    reference : Reference or None
        How scores and features were distributed in training; none in older bundles.
    """

    folder: Path
    id: str
    manifest: Manifest
    model: Model
    hazard: Hazard | None
    catalogue: Catalogue | None
    reference: Reference | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The features it needs, in the model's order."""
        return self.model.encoding.features

    @cached_property
    def families(self) -> Mapping[str, str]:
        """The family of each feature."""
        return MappingProxyType({item.name: item.family for item in self.manifest.features})

    def score(self, frame: pa.Table, *, contributions: bool = False) -> Scores:
        """Score rows; columns are found by name, in whatever order they stand.

        Parameters
        ----------
        frame : pyarrow.Table
            Every feature, and besides them only what a training table has.
        contributions : bool
            Whether to explain each row as well.

        Raises
        ------
        BundleError
            If a column is missing, unknown, of another kind, or holds infinity.
        """
        return self.model.score(frame, contributions=contributions, beside=META, error=BundleError)

    @property
    def periods(self) -> int:
        """How many periods it tells of: of the label's horizon, and the first the label's own."""
        return self.hazard.periods if self.hazard is not None else 1

    def matrix(self, frame: pa.Table) -> npt.NDArray[np.float64]:
        """Encode rows for `Model.score_matrix` and `survival`.

        Parameters
        ----------
        frame : pyarrow.Table
            As for `score`.

        Raises
        ------
        BundleError
            As for `score`.
        """
        return self.model.encoding.matrix(frame, beside=META, error=BundleError)

    def survival(
        self, matrix: npt.NDArray[np.float64], first: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Tell how likely accounts are still there at the end of every period.

        Parameters
        ----------
        matrix : ndarray (n, n_features)
            Encoded rows.
        first : ndarray (n,)
            What `score` gave for these rows as their probability.

        Returns
        -------
        ndarray (n, periods)
            The first column is ``1 − first``; never rising along a row.
        """
        if self.hazard is None:
            return (1.0 - first)[:, None]
        return self.hazard.survival_of(matrix, first)


def write(
    folder: Path,
    fitted: FittedModel,
    table: TrainingTable,
    recipe: Recipe,
    *,
    tiers: RiskTiers,
    catalogue: Catalogue | None,
    known: Mapping[str, KnownRule],
    metrics: Mapping[str, Interval],
    hazard: FittedHazard | None = None,
) -> Bundle:
    """Write a bundle, all or nothing, and load it back.

    Equal arguments give equal bytes: no time and no path is in it.

    Parameters
    ----------
    folder : Path
        Where it shall lie; must not exist.
    fitted : FittedModel
        What was fitted.
    table : TrainingTable
        What it was fitted on; gives families, fingerprints and the range of golden values.
    recipe : Recipe
        What was asked for.
    tiers : RiskTiers
        The bounds of the day.
    catalogue : Catalogue or None
        The features as they are declared today; none for a flat table.
    known : mapping of str to KnownRule
        When what they read counts as known; nothing for a flat table.
    metrics : mapping of str to Interval
        Out of time.
    hazard : FittedHazard, optional
        What tells of later periods.

    Returns
    -------
    Bundle
        Verified.

    Raises
    ------
    BundleError
        If the folder exists, or the bundle does not reproduce its own golden rows.
    """
    if folder.exists():
        raise BundleError(
            f"{folder}: exists; a bundle is never changed. Write the new one to another folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    later = hazard.hazard if hazard is not None else None
    golden = make(fitted.model, table.frame, later)
    contents = {
        MODEL: fitted.model.text.encode(),
        GOLDEN: _json(golden),
        REFERENCE: _json(refer(fitted, table.frame)),
    }
    if later is not None:
        contents[HAZARD] = later.text.encode()
    manifest = describe(fitted, table, recipe, tiers, catalogue, known, metrics, contents, hazard)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in {**contents, MANIFEST: _json(manifest)}.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        load(beside)
        beside.chmod(0o755)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return load(folder)


def load(folder: Path) -> Bundle:
    """Load a bundle and verify all of it: files, hashes, manifest, answers to the golden rows.

    Parameters
    ----------
    folder : Path
        What `write` wrote.

    Raises
    ------
    BundleError
        If anything is missing, unknown, altered or answers otherwise than it did.
    """
    raw, manifest = read_manifest(folder)
    catalogue = _catalogue(folder / MANIFEST, manifest)
    _require_features(folder / MANIFEST, manifest)
    contents = _verified(folder, manifest)
    kinds = {item.name: item.kind for item in manifest.features}
    encoding = Encoding(
        MappingProxyType(kinds),
        MappingProxyType(
            {x.name: x.codes for x in manifest.features if x.kind is FeatureKind.CATEGORY}
        ),
    )
    calibrator = _calibrator(manifest)
    text = _trees(folder / MODEL, contents[MODEL], len(kinds), sum(manifest.fold_trees))
    model = Model(encoding, calibrator, text, manifest.fold_trees, manifest.judgement)
    hazard = _hazard(folder, manifest, contents, encoding)
    path = folder / GOLDEN
    try:
        replay(model, parse(Golden, json.loads(contents[GOLDEN]), path), hazard)
    except (ValueError, ConfigError, BundleError) as error:
        raise BundleError(f"{path}: {error}") from error
    reference = _reference(folder / REFERENCE, contents, encoding)
    return Bundle(
        folder, hashlib.sha256(raw).hexdigest(), manifest, model, hazard, catalogue, reference
    )


def _reference(path: Path, contents: Mapping[str, bytes], encoding: Encoding) -> Reference | None:
    if REFERENCE not in contents:
        return None
    try:
        found = parse(Reference, json.loads(contents[REFERENCE]), path)
    except (ValueError, ConfigError) as error:
        raise BundleError(f"{path}: {error}") from error
    sizes = {name: len(codes) for name, codes in encoding.codes.items()}
    if tuple(found.features) != encoding.features or sizes != {
        name: len(ranks) for name, ranks in found.ranks.items()
    }:
        raise BundleError(
            f"{path}: of other features or categories than the model's. Take the bundle from where "
            "it was made again."
        )
    return found


def _hazard(
    folder: Path, manifest: Manifest, contents: Mapping[str, bytes], encoding: Encoding
) -> Hazard | None:
    if manifest.survival is None:
        return None
    lines = tuple(
        Calibrator(**item.model_dump(exclude={"kind"})) for item in manifest.survival.calibrators
    )
    ahead = manifest.survival.ahead
    n_columns = len(encoding.features) + 1 + len(ahead)
    text = _trees(folder / HAZARD, contents[HAZARD], n_columns, manifest.survival.rounds)
    strange = sorted(set(ahead) - set(encoding.features))
    if strange or not manifest.label.horizon_days:
        raise BundleError(
            f"{folder / MANIFEST}: survival: of no feature or horizon: {', '.join(strange)}. Take "
            "the bundle from where it was made again."
        )
    return Hazard(encoding, lines, text, ahead, manifest.label.horizon_days)


def _calibrator(manifest: Manifest) -> Curve:
    record = manifest.calibrator
    content = record.model_dump(exclude={"kind"})
    if isinstance(record, CalibratorRecord):
        return Calibrator(**content)
    return BetaCurve(**content) if isinstance(record, BetaRecord) else IsotonicCurve(**content)


def _require_features(path: Path, manifest: Manifest) -> None:
    """Make sure that segments and the rule of thin history name features, and know their values."""
    records = {item.name: item for item in manifest.features}
    judgement = manifest.judgement
    thin = judgement.thin.least if judgement.thin is not None else {}
    unknown = sorted({*thin, *(part.feature for part in judgement.segments)} - set(records))
    if unknown:
        raise BundleError(
            f"{path}: judgement names {unknown[0]!r}, none of the features. Take the bundle from "
            "where it was made again."
        )
    wanted = [
        len(records[part.feature].codes) + 1
        if records[part.feature].kind is FeatureKind.CATEGORY
        else len(part.bounds) + 2
        for part in judgement.segments
    ]
    rates = len(judgement.thin.rates) if judgement.thin is not None else 0
    if wanted != [len(part.segments) for part in judgement.segments] or (
        judgement.thin is not None and rates != (wanted[0] if wanted else 1)
    ):
        raise BundleError(
            f"{path}: judgement has other segments than its features have values. Take the bundle "
            "from where it was made again."
        )


def _trees(path: Path, content: bytes, n_features: int, n_trees: int) -> str:
    try:
        text = content.decode("ascii")
        check(text, n_features, n_trees)
    except (UnicodeError, BundleError) as error:
        raise BundleError(f"{path}: {error}") from error
    return text


def read_manifest(folder: Path) -> tuple[bytes, Manifest]:
    """Read what a bundle says of itself, as it stands there, and verify none of it.

    Parameters
    ----------
    folder : Path
        What `write` wrote.

    Raises
    ------
    BundleError
        If it is no manifest of this version.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        content = json.loads(raw)
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: not a bundle: {MANIFEST} is missing.") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}.") from error
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT or isinstance(version, bool):
        raise BundleError(
            f"{path}: format {version!r}; this version of churnml reads format {FORMAT}. Train "
            "again, or install the version that wrote it."
        )
    try:
        return raw, parse(Manifest, content, path)
    except ConfigError as error:
        raise BundleError(str(error)) from error


def _catalogue(path: Path, manifest: Manifest) -> Catalogue | None:
    """Read the declarations of the features, without which nothing of history can be scored."""
    if isinstance(manifest.label, ColumnLabel):
        return None
    try:
        catalogue = from_snapshot(manifest.catalogue, f"{path}: catalogue")
    except (ConfigError, FeatureError) as error:
        raise BundleError(str(error)) from error
    declared = set(catalogue.columns)
    learnt = {item.name for item in manifest.features}
    if declared != learnt:
        raise BundleError(
            f"{path}: catalogue: the model and the declarations differ in "
            f"{', '.join(sorted(declared ^ learnt)[:8])}. Take the bundle from where it was made "
            "again."
        )
    return catalogue


def _verified(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    expected = {MODEL, GOLDEN} | ({HAZARD} if manifest.survival is not None else set())
    expected |= {REFERENCE} & set(manifest.files)
    found = {item.name for item in folder.iterdir()} - {MANIFEST}
    if set(manifest.files) != expected or found != expected:
        odd = sorted(found ^ expected | set(manifest.files) ^ expected)
        raise BundleError(
            f"{folder}: files missing or unknown: {', '.join(odd)}. A bundle holds {MANIFEST}, "
            f"{MODEL} and {GOLDEN}, {HAZARD} where its manifest tells of survival, "
            f"{REFERENCE} where it names that, and nothing else."
        )
    contents = {}
    for name, wanted in manifest.files.items():
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise BundleError(f"{folder / name}: cannot be read: {error}.") from error
        if hashlib.sha256(contents[name]).hexdigest() != wanted:
            raise BundleError(
                f"{folder / name}: altered since it was written: its SHA-256 is another. "
                "Take the bundle from where it was made again."
            )
    return contents


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
