"""Several models' trees as one text: a weighted sum of boosted models is a boosted model."""

from __future__ import annotations

from collections.abc import Sequence

_END = "end of trees\n\npandas_categorical:null\n"


def merge(parts: Sequence[tuple[str, float]]) -> str:
    """Sum models into one.

    Parameters
    ----------
    parts : sequence of (str, float)
        LightGBM's texts, over the same features, and what each counts.

    Returns
    -------
    str
        A model whose margin is the weighted sum of theirs, its trees in the order of `parts`.
    """
    taken = [(_taken(text), weight) for text, weight in parts]
    trees = [_scaled(tree, weight) for (_, found), weight in taken for tree in found]
    return _assemble(taken[0][0][0], trees)


def cut(text: str, counts: Sequence[int]) -> tuple[str, ...]:
    """Cut a model into successive runs of its trees.

    Parameters
    ----------
    text : str
        What `merge` made.
    counts : sequence of int
        Trees of each run.

    Returns
    -------
    tuple of str
        One model a run; their margins sum to the margin of `text`.
    """
    head, trees = _taken(text)
    runs, begin = [], 0
    for count in counts:
        runs.append(_assemble(head, trees[begin : begin + count]))
        begin += count
    return tuple(runs)


def _taken(text: str) -> tuple[str, list[str]]:
    """Take a model apart: its header, and each tree's lines without its number."""
    header, body = text.split("\n\nTree=0\n", 1)
    head, sizes = header.rsplit("\ntree_sizes=", 1)
    body, begin, trees = "Tree=0\n" + body, 0, []
    for size in map(int, sizes.split()):
        trees.append(body[begin : begin + size].split("\n", 1)[1])
        begin += size
    return head, trees


def _scaled(tree: str, weight: float) -> str:
    """Multiply what a tree's leaves and nodes are worth."""
    lines = []
    for line in tree.split("\n"):
        key, sign, values = line.partition("=")
        if key in {"leaf_value", "internal_value"}:
            values = " ".join(repr(float(weight) * float(value)) for value in values.split())
        lines.append(key + sign + values)
    return "\n".join(lines)


def _assemble(head: str, trees: Sequence[str]) -> str:
    blocks = [f"Tree={number}\n{tree}" for number, tree in enumerate(trees)]
    sizes = " ".join(str(len(block)) for block in blocks)
    return f"{head}\ntree_sizes={sizes}\n\n" + "".join(blocks) + _END
