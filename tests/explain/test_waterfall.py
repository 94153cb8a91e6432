from __future__ import annotations

import math

import pytest

from churnml.explain.reasons import Reason, logistic
from churnml.explain.waterfall import (
    DARK,
    Bar,
    _chance,
    _limits,
    _wrapped,
    bars,
    signed,
    waterfall,
)

PNG = b"\x89PNG\r\n"


def reason(title: str, contribution: float, sentence: str = "said") -> Reason:
    return Reason(title.lower(), title, contribution, "a_feature", sentence, actionable=False)


def test_each_reason_is_a_bar_where_there_are_few() -> None:
    told = bars([reason("Use", -0.5), reason("Plan", 2.0), reason("Tone", 0.25)], most=3)
    assert told == (Bar("Plan: said", 2.0), Bar("Use: said", -0.5), Bar("Tone: said", 0.25))


def test_small_reasons_are_one_bar_and_nothing_is_lost() -> None:
    weights = {"A": 2.0, "B": -1.0, "C": 0.5, "D": -0.25, "E": 0.125}
    told = bars([reason(title, weight) for title, weight in weights.items()], most=3)
    assert told == (
        Bar("A: said", 2.0),
        Bar("B: said", -1.0),
        Bar("3 others together", 0.375),
    )
    tenths = [reason(str(n), 0.1 * (-1) ** n) for n in range(61)]
    whole = math.fsum(item.contribution for item in tenths)
    assert math.fsum(bar.contribution for bar in bars(tenths)) == pytest.approx(whole, abs=1e-15)
    assert len(bars(tenths)) == 12


def test_a_column_that_stands_for_itself_is_named_once() -> None:
    told = Reason("spend", "spend", 1.0, "spend", "spend is 7", actionable=False)
    assert bars([told]) == (Bar("spend is 7", 1.0),)


def test_a_long_title_leaves_room_for_the_sentence() -> None:
    (bar,) = bars([reason("a title of very many words that goes on and on", 1.0, "paid late")])
    assert bar.label == "a title of very many words that goes …: paid late"
    assert _wrapped("word " * 40).count("\n") == 1
    assert _wrapped("word " * 40).endswith(" …")
    assert _wrapped("paid through for another 38 days " * 2) == (
        "paid through for another 38 days paid\nthrough for another 38 days"
    )
    assert _wrapped("costs $5\nor $6") == r"costs \$5 or \$6"


def test_numbers_are_short() -> None:
    assert [signed(x) for x in (0.125, -1.5, 12_345.0, -2e6)] == [
        "+0.12",
        "−1.50",
        "+1.2e+04",
        "−2e+06",
    ]
    assert [_chance(logistic(x)) for x in (-800.0, -5.0, 0.0, 5.0, 800.0)] == [
        "under 0.1%",
        "0.7%",
        "50%",
        "99.3%",
        "over 99.9%",
    ]


def test_numbers_have_room_beside_the_bars() -> None:
    assert _limits([-4.0, -2.0, -3.0]) == (-4.4, -1.4)
    assert _limits([1.0]) == (0.96, 1.06)


@pytest.mark.parametrize("weights", [(), (1.75,), (1.0, -2.5, 0.0001), (1e6, -2e6), (0.1,) * 60])
def test_any_reasons_can_be_drawn(weights: tuple[float, ...]) -> None:
    told = bars([reason(f"{n}", weight, "$_{x} " * n) for n, weight in enumerate(weights)])
    assert waterfall(-3.0, told).startswith(PNG)


def test_equal_bars_are_equal_pictures() -> None:
    told = (Bar("Use", 1.0),)
    picture = waterfall(-3.0, told)
    assert waterfall(-3.0, told) == picture
    assert waterfall(-3.0, told, DARK) != picture


def test_letters_that_the_font_lacks_are_no_matter() -> None:
    assert waterfall(0.0, [Bar("顧客の契約 🙂", 1.0)]).startswith(PNG)
