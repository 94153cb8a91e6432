"""Features that tell how many days ahead something lies: a renewal, an agreed end."""

from __future__ import annotations

from collections.abc import Mapping

from churnml.features.catalogue import Catalogue
from churnml.features.entries import Aggregate
from churnml.history.tables import Kind, Table

_OF_A_TIME = {Aggregate.MIN, Aggregate.MAX, Aggregate.LAST}


def days_ahead(catalogue: Catalogue, contracts: Mapping[str, Table]) -> tuple[str, ...]:
    """Find the features that are a time to come, in days from the cutoff.

    Parameters
    ----------
    catalogue : Catalogue
        The features.
    contracts : mapping of str to Table
        The tables that they read.

    Returns
    -------
    tuple of str
        Those that take the least, the greatest or the latest of a time, and of which the catalogue
        declares that they are never below 0.
    """
    return tuple(name for name in catalogue.columns if _is_ahead(catalogue, contracts, name))


def _is_ahead(catalogue: Catalogue, contracts: Mapping[str, Table], name: str) -> bool:
    feature = catalogue.get(name)
    entry, (least, _) = feature.entry, feature.bounds
    if entry.aggregate not in _OF_A_TIME or entry.table is None or entry.value is None:
        return False
    contract = contracts.get(entry.table)
    if contract is None or entry.value not in contract.names or least is None or least < 0:
        return False
    return contract.column(entry.value).kind is Kind.TIME
