"""Several models' trees as one text: a weighted sum of boosted models is a boosted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    head = parts[0][0].split("\nTree=0\n", 1)[0].split("\ntree_sizes=", 1)[0]
    trees = [_scaled(tree, weight) for text, weight in parts for tree in _trees(text)]
    return _assemble(head, trees)


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
    head = text.split("\nTree=0\n", 1)[0].split("\ntree_sizes=", 1)[0]
    trees = list(_trees(text))
    runs, begin = [], 0
    for count in counts:
        runs.append(_assemble(head, trees[begin : begin + count]))
        begin += count
    return tuple(runs)


def _trees(text: str) -> Iterator[str]:
    """Give each tree's lines, without its number."""
    body = text.split("\nTree=0\n", 1)[1].split("end of trees\n", 1)[0]
    for block in ("Tree=0\n" + body).split("Tree=")[1:]:
        yield block.split("\n", 1)[1]


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
