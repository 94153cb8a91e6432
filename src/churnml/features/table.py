"""The training table: features and labels side by side, with fingerprint and data sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnml.errors import DataError, LabelError
from churnml.features.catalogue import Catalogue, Omission
from churnml.features.engine import compute
from churnml.features.facts import Program, compile_catalogue
from churnml.history.asof import History
from churnml.history.store import workplace
from churnml.history.tables import ACCOUNT_ID

CUTOFF = "cutoff"
# What a training table holds beside its features.
META = (
    ACCOUNT_ID, CUTOFF, "label", "arr", "involuntary", "downgraded", "churned_at", "periods_told",
    "churned_period",
)  # fmt: skip
_SCHEMA_KEY = b"churnml"
_FORMAT = 2


@dataclass(frozen=True)
class Fingerprints:
    """SHA-256 of what a table was made from: equal fingerprints give equal bytes.

    Parameters
    ----------
    data : str
        Of clean history, or of the flat file.
    catalogue : str
        Of the features.
    recipe : str
        Of the recipe: labels, cutoffs and choice of features.
    """

    data: str
    catalogue: str
    recipe: str

    @property
    def table(self) -> str:
        """One fingerprint of the three."""
        joined = "\n".join([str(_FORMAT), self.data, self.catalogue, self.recipe])
        return hashlib.sha256(joined.encode()).hexdigest()


@dataclass(frozen=True)
class TrainingTable:
    """Rows to learn from.

    Parameters
    ----------
    frame : pyarrow.Table
        ``account_id``, ``cutoff`` (absent for a flat table without times), ``label``, ``arr``,
        ``involuntary``, ``downgraded``, ``churned_at``, ``periods_told`` and ``churned_period``
        (both absent for a flat table), then the features.
    features : tuple of str
        The feature columns, in order.
    categorical : tuple of str
        Those that hold strings.
    monotone : mapping of str to int
        +1 or −1 for features whose effect on risk may have one direction only.
    families : mapping of str to str
        The family that each feature is told under.
    fingerprints : Fingerprints
        What it was made from.
    """

    frame: pa.Table
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    monotone: Mapping[str, int]
    families: Mapping[str, str]
    fingerprints: Fingerprints


@dataclass(frozen=True)
class ColumnSheet:
    """What a feature column holds.

    Parameters
    ----------
    name, family, unit : str
        Which feature.
    missing : float
        Share of rows without a value.
    minimum, mean, maximum : float, optional
        Of the values; None for strings or where there are none.
    outside : int
        Values outside the range that the catalogue expects.
    """

    name: str
    family: str
    unit: str
    missing: float
    minimum: float | None
    mean: float | None
    maximum: float | None
    outside: int


def build_table(
    history: History,
    catalogue: Catalogue,
    labels: pa.Table,
    fingerprints: Fingerprints,
    path: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingTable:
    """Compute features for labelled pairs and write the table, chunk by chunk.

    Parameters
    ----------
    history : History
        Clean history.
    catalogue : Catalogue
        Features that are all available; see `Catalogue.available`.
    labels : pyarrow.Table
        One row an (account, cutoff): the columns of `META`.
    fingerprints : Fingerprints
        What the table is made from.
    path : Path
        The Parquet file; it appears only when complete.
    progress : callable, optional
        Called with steps done and steps in all.

    Returns
    -------
    TrainingTable
        Read back from the file.

    Raises
    ------
    LabelError
        If there is no pair.
    FeatureError
        If a feature cannot be computed.
    """
    if not labels.num_rows:
        raise LabelError(f"{path}: no account at any cutoff is labelled; there is no table.")
    program = compile_catalogue(catalogue, history.contracts)
    labels = labels.select([name for name in META if name in labels.column_names])
    labels = labels.sort_by([(ACCOUNT_ID, "ascending"), (CUTOFF, "ascending")])
    cutoffs = labels[CUTOFF].cast(pa.int64()).to_numpy()
    accounts = labels[ACCOUNT_ID].to_pylist()
    metadata = _metadata(catalogue, program, fingerprints)
    with workplace(path) as work:
        beside = work / path.name
        writer = None
        try:
            for rows in compute(history, program, accounts, cutoffs, progress=progress):
                part = labels.take(pa.array(rows.positions))
                for name in catalogue.columns:
                    part = part.append_column(name, rows.columns[name])
                part = part.replace_schema_metadata(metadata)
                writer = writer or pq.ParquetWriter(beside, part.schema, compression="zstd")
                writer.write_table(part)
        finally:
            if writer is not None:
                writer.close()
        table = read_table(beside)
        beside.replace(path)
    return table


def _metadata(
    catalogue: Catalogue, program: Program, fingerprints: Fingerprints
) -> dict[bytes, bytes]:
    described = {
        "format": _FORMAT,
        "features": list(catalogue.columns),
        "categorical": [name for name in catalogue.columns if name in program.text],
        "monotone": {
            name: sign
            for name in catalogue.columns
            if (sign := catalogue.get(name).monotone) and name not in program.text
        },
        "families": {name: catalogue.get(name).family for name in catalogue.columns},
        "fingerprints": asdict(fingerprints),
    }
    return {_SCHEMA_KEY: json.dumps(described, sort_keys=True).encode()}


def read_table(path: Path) -> TrainingTable:
    """Read a training table.

    Parameters
    ----------
    path : Path
        What `build_table` wrote.

    Returns
    -------
    TrainingTable
        Rows sorted by cutoff, then account.

    Raises
    ------
    DataError
        If the file is not a training table of this version.
    """
    try:
        frame = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: not a training table: {error}. Remove it and train.") from error
    described = json.loads((frame.schema.metadata or {}).get(_SCHEMA_KEY, b"{}"))
    if described.get("format") != _FORMAT:
        raise DataError(f"{path}: not a training table of this version. Remove it and train.")
    return TrainingTable(
        frame=frame.sort_by([(CUTOFF, "ascending"), (ACCOUNT_ID, "ascending")]),
        features=tuple(described["features"]),
        categorical=tuple(described["categorical"]),
        monotone=MappingProxyType(described["monotone"]),
        families=MappingProxyType(described["families"]),
        fingerprints=Fingerprints(**described["fingerprints"]),
    )


def describe_columns(table: TrainingTable, catalogue: Catalogue) -> tuple[ColumnSheet, ...]:
    """Say what each feature column holds.

    Parameters
    ----------
    table : TrainingTable
        The table.
    catalogue : Catalogue
        Where units and expected ranges stand.
    """
    return tuple(_sheet(name, table, catalogue) for name in table.features)


def _sheet(name: str, table: TrainingTable, catalogue: Catalogue) -> ColumnSheet:
    column, feature = table.frame[name], catalogue.get(name)
    missing = column.null_count / max(len(column), 1)
    if pa.types.is_string(column.type) or column.null_count == len(column):
        return ColumnSheet(name, feature.family, feature.entry.unit, missing, None, None, None, 0)
    values = column.drop_null().to_numpy()
    low, high = feature.bounds
    outside = int(
        (
            (values < (-np.inf if low is None else low))
            | (values > (np.inf if high is None else high))
        ).sum()
    )
    return ColumnSheet(
        name,
        feature.family,
        feature.entry.unit,
        missing,
        float(values.min()),
        float((values / values.size).sum()),  # the sum itself may be too large for a float
        float(values.max()),
        outside,
    )


def data_sheet(
    table: TrainingTable,
    catalogue: Catalogue,
    *,
    dropped: Mapping[str, int],
    omissions: tuple[Omission, ...],
) -> dict[str, Any]:
    """Say what a training table holds and what was left out of it.

    Parameters
    ----------
    table : TrainingTable
        The table.
    catalogue : Catalogue
        Its features.
    dropped : mapping of str to int
        Candidate rows that were not labelled, by reason.
    omissions : tuple of Omission
        Features that history could not give.

    Returns
    -------
    dict
        Plain values, ready for JSON.
    """
    frame = table.frame
    by_cutoff = frame.group_by(CUTOFF).aggregate([("label", "count"), ("label", "sum")])
    return {
        "rows": frame.num_rows,
        "accounts": pc.count_distinct(frame[ACCOUNT_ID]).as_py(),
        "churned": int(pc.sum(frame["label"]).as_py() or 0),
        "fingerprints": asdict(table.fingerprints),
        "cutoffs": [
            {
                "cutoff": row[CUTOFF].isoformat(),
                "rows": row["label_count"],
                "churned": row["label_sum"],
            }
            for row in by_cutoff.sort_by(CUTOFF).to_pylist()
        ],
        "dropped": dict(dropped),
        "omitted": [asdict(omission) for omission in omissions],
        "features": [asdict(sheet) for sheet in describe_columns(table, catalogue)],
    }
