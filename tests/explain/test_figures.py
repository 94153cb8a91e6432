from __future__ import annotations

import numpy as np

from churnml.explain.figures import literal, ranks, short


def test_ranks_do_not_know_how_far_apart_values_lie() -> None:
    found = ranks(np.array([5.0, 1e300, np.nan, 5.0, -2.0]))
    assert found[[0, 1, 3, 4]].tolist() == [1, 2, 1, 0]
    assert np.isnan(found[2])


def test_names_are_one_line_without_formulas() -> None:
    assert literal("price $x$\n in US$") == r"price \$x\$ in US\$"
    assert short("a" * 41) == "a" * 39 + "…"
    assert short("a" * 40) == "a" * 40
