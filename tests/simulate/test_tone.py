from __future__ import annotations

import numpy as np

from churnml.simulate.tone import labels, tones


def test_tone_worsens_as_satisfaction_falls() -> None:
    rng = np.random.default_rng(0)

    means = [tones(np.full(4000, felt), rng).mean() for felt in (2.0, 0.0, -2.0, -4.0)]

    assert means == sorted(means)
    assert means[0] < 0.5
    assert means[-1] > 3.0


def test_labels_are_mostly_right_often_missing_and_never_far_off() -> None:
    rng = np.random.default_rng(0)
    tone = rng.integers(0, 5, 20_000)

    label = labels(tone, np.full(tone.size, 0.2), rng)

    given = label.codes >= 0
    assert abs(given.mean() - 0.8) < 0.01
    off = np.abs(label.codes[given] - tone[given])
    assert 0.05 < (off > 0).mean() < 0.11
    assert off.max() == 1


def test_what_has_no_tone_has_no_label() -> None:
    rng = np.random.default_rng(0)

    assert labels(np.array([-1, -1]), np.zeros(2), rng).codes.tolist() == [-1, -1]
