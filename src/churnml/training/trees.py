"""LightGBM's text, checked before LightGBM reads it.

A malformed model makes LightGBM abort the process, or walk out of its arrays: neither can be
caught. So a bundle's trees are read here first, and must be what a binary model of ours is: whole
trees, of features and leaves that exist. What LightGBM would overlook, such as counts that no rows
can have, is refused as well: reasons rest on it, and would be those of another score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from churnml.errors import BundleError

_HEADER = {
    "version": "v4",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "objective": "binary sigmoid:1",
}
_CATEGORY = 1  # bit of decision_type
Value = TypeVar("Value", int, float)


def check(text: str, n_features: int, n_trees: int) -> None:
    """Check a model's text.

    Parameters
    ----------
    text : str
        What LightGBM wrote.
    n_features, n_trees : int
        What the bundle says that it has.

    Raises
    ------
    BundleError
        If it is not a sound binary model of so many trees over so many features.
    """
    try:
        head, begin = _header(text)
        if int(head["max_feature_idx"]) != n_features - 1:
            raise BundleError(
                f"the model has {int(head['max_feature_idx']) + 1} features and the manifest "
                f"{n_features}."
            )
        raw = text.encode("ascii")
        sizes = _many(head["tree_sizes"], int)
        if len(sizes) != n_trees:
            raise BundleError(f"the model has {len(sizes)} trees and the manifest {n_trees}.")
        for number, size in enumerate(sizes):
            block = raw[begin : begin + size].decode()
            if size <= 0 or not block.startswith(f"Tree={number}\n"):
                raise BundleError(f"tree {number} is not where tree_sizes says.")
            _check_tree(_fields(block), n_features, number)
            begin += size
        if not raw[begin:].startswith(b"end of trees\n"):
            raise BundleError("there is more than the trees that tree_sizes lists.")
    except (KeyError, ValueError, UnicodeError) as error:
        raise BundleError(f"not a model that LightGBM wrote: {error!r}.") from error


def _header(text: str) -> tuple[dict[str, str], int]:
    begin = text.index("\nTree=0\n") + 1
    lines = text[:begin].splitlines()
    if lines[0] != "tree":
        raise BundleError("not a model that LightGBM wrote.")
    head = _fields(text[:begin])
    for key, expected in _HEADER.items():
        if head[key] != expected:
            raise BundleError(f"the model says {key}={head[key]}, expected {key}={expected}.")
    if "average_output" in lines:
        raise BundleError("the model averages its trees; expected boosted ones.")
    return head, begin


def _fields(block: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in block.splitlines() if "=" in line]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Of two, LightGBM might take the other one.
        raise BundleError("not a model that LightGBM wrote: a field is there twice.")
    return fields


def _many(field: str, kind: Callable[[str], Value]) -> list[Value]:
    return [kind(word) for word in field.split()]


def _check_tree(fields: dict[str, str], n_features: int, number: int) -> None:
    leaves = int(fields["num_leaves"])
    nodes = leaves - 1
    values = _many(fields["leaf_value"], float)
    _require(fields.get("is_linear") == "0", number, "is linear")
    _require(leaves >= 1 and len(values) == leaves, number, "has other leaves than it says")
    _require(all(map(math.isfinite, values)), number, "has a leaf that is no finite number")
    if not nodes:
        return
    whole = {
        key: _many(fields[key], int)
        for key in ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
    }
    thresholds = _many(fields["threshold"], float)
    lengths = [len(thresholds), *map(len, whole.values())]
    lengths += [len(_many(fields[key], float)) for key in ("internal_value", "split_gain")]
    _require(set(lengths) == {nodes}, number, "has other splits than it says")
    counts = _many(fields["leaf_count"], int)
    _require(len(counts) == leaves, number, "does not count its leaves")
    features = whole["split_feature"]
    _require(
        min(features) >= 0 and max(features) < n_features, number, "splits on no known feature"
    )
    # Every node but the root, and every leaf (leaf i is child −i − 1), hangs on exactly one node,
    # and on one that comes before it: then there is a tree and no loop.
    children = [
        (child, parent)
        for side in ("left_child", "right_child")
        for parent, child in enumerate(whole[side])
    ]
    expected = sorted([*range(1, nodes), *range(-leaves, 0)])
    _require(sorted(child for child, _ in children) == expected, number, "is no tree")
    _require(all(c < 0 or c > parent for c, parent in children), number, "is no tree")
    _check_counts(whole, counts, number)
    _require(not any(map(math.isnan, thresholds)), number, "splits at no number")
    _check_categories(fields, thresholds, whole["decision_type"], number)


def _check_counts(whole: dict[str, list[int]], leaf_counts: Sequence[int], number: int) -> None:
    """Check that each split's rows are those of its children, by which reasons weigh them."""
    counts = whole["internal_count"]

    def rows(child: int) -> int:
        return counts[child] if child >= 0 else leaf_counts[-1 - child]

    parted = zip(counts, whole["left_child"], whole["right_child"], strict=True)
    sound = (
        min(counts) > 0
        and min(leaf_counts) >= 0
        and all(count == rows(left) + rows(right) for count, left, right in parted)
    )
    _require(sound, number, "counts rows that do not add up")


def _check_categories(
    fields: dict[str, str], thresholds: Sequence[float], kinds: Sequence[int], number: int
) -> None:
    n_sets = int(fields["num_cat"])
    chosen = [t for t, kind in zip(thresholds, kinds, strict=True) if kind & _CATEGORY]
    _require(bool(chosen) == bool(n_sets), number, "splits on categories it does not list")
    if not n_sets:
        return
    bounds = _many(fields["cat_boundaries"], int)
    words = _many(fields["cat_threshold"], int)
    sound = (
        len(bounds) == n_sets + 1
        and bounds[0] == 0
        and bounds[-1] == len(words)
        and all(low < high for low, high in pairwise(bounds))
        and all(0 <= word < 2**32 for word in words)
        and all(t.is_integer() and 0 <= t < n_sets for t in chosen)
    )
    _require(sound, number, "lists its categories wrongly")


def _require(holds: bool, number: int, fault: str) -> None:
    if not holds:
        raise BundleError(f"tree {number} {fault}.")
