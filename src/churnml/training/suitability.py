"""Whether history, or a flat table, still gives what a bundle learned from."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from churnml import flat
from churnml.errors import BundleError
from churnml.features.catalogue import Catalogue
from churnml.features.knowledge import changed, known_rules, made_otherwise
from churnml.history.asof import History
from churnml.labels import ColumnLabel
from churnml.training.bundle import Bundle
from churnml.training.tables import catalogue_fingerprint, plain


def suited(bundle: Bundle, trained: Catalogue, history: History) -> Catalogue:
    """Give a bundle's features, having made sure that history gives each as in training.

    Parameters
    ----------
    bundle : Bundle
        Trained on history.
    trained : Catalogue
        Its features, as they were declared in training.
    history : History
        Clean history.

    Returns
    -------
    Catalogue
        To be computed.

    Raises
    ------
    BundleError
        If history, or the code of custom features, no longer gives one of them, or gives it by
        another rule of when it is known.
    """
    catalogue, omitted = trained.available(history.contracts)
    if omitted:
        raise BundleError(
            f"{bundle.folder}: needs {omitted[0].feature!r}, which this history cannot give: "
            f"{omitted[0].why}. Bring that source back, or train again without it."
        )
    constant = [x.name for x in trained.features if catalogue.get(x.name).entry != x.entry]
    if constant:
        raise BundleError(
            f"{bundle.folder}: learnt {constant[0]!r} from columns that this history no longer "
            "has; a constant in their place would move scores. Bring the columns back, or train "
            "again without them."
        )
    rules = known_rules(trained, history.contracts, history.made_by)
    if made := made_otherwise(bundle.manifest.known, rules):
        raise BundleError(
            f"{bundle.folder}: {made}, so that features would not mean what the model learnt. "
            "Train again."
        )
    if rule := changed(bundle.manifest.known, rules):
        raise BundleError(
            f"{bundle.folder}: {rule}, so that features would count what nobody knew when the "
            "model learnt, or miss what was known. Bring the time back, or train again."
        )
    functions = {x.entry.function for x in trained.features if x.entry.function is not None}
    fingerprint = bundle.manifest.training.fingerprints["catalogue"]
    if functions and catalogue_fingerprint(trained) != fingerprint:
        raise BundleError(
            f"{bundle.folder}: the code of its custom features ({', '.join(sorted(functions))}) is "
            "not the code that it was trained with. Bring that back, or train again."
        )
    return catalogue


def read_flat(bundle: Bundle, path: Path) -> pa.Table:
    """Read a flat table, with each column as a bundle knows it.

    What a file's columns hold is inferred. A category whose values happen to look like numbers in
    this file, or an identifier such as ``007``, is read as the text in it.

    Parameters
    ----------
    bundle : Bundle
        Trained on such a table.
    path : Path
        CSV or Parquet.

    Raises
    ------
    SourceError
        If the file is missing or cannot be read.
    """
    spec = bundle.manifest.label
    wanted, zoned = set(bundle.model.encoding.codes), []
    if isinstance(spec, ColumnLabel):
        wanted.update(filter(None, [spec.id]))
        zoned = list(filter(None, [spec.time]))
    rows = plain(flat.read(path, zoned=zoned))
    text = [name for name in rows.column_names if name in wanted]
    if all(pa.types.is_string(rows.schema.field(name).type) for name in text):
        return rows
    return plain(flat.read(path, text=text, zoned=zoned))
