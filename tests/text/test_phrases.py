from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from churnml.errors import BundleError, ConfigError
from churnml.text.phrases import PhraseModel
from churnml.text.prose import read_prose
from churnml.text.wording import Wording, wording

GOOD = ["please end the contract", "end the contract now", "we end the contract in May"]
BAD = ["please fix the export", "the export is broken", "we like the export in May"]
NAMES = ("leaves", "stays")


def worded(*texts: str) -> list[Wording]:
    return [wording(read_prose(text)) for text in texts]


def nothing(count: int) -> np.ndarray:
    return np.empty((count, 0))


@pytest.fixture(scope="module")
def model() -> PhraseModel:
    said = np.array([[True, False]] * len(GOOD) + [[False, True]] * len(BAD))
    return PhraseModel.fit(worded(*GOOD, *BAD), nothing(6), said, NAMES)


def test_what_was_said_is_told_apart(model: PhraseModel) -> None:
    odds = model.log_odds(worded("end our contract", "your export fails"), nothing(2))
    assert (odds > 0).tolist() == [[True, False], [False, True]]
    assert model.log_odds([], nothing(0)).shape == (0, 2)


def test_a_message_is_read_alike_alone_and_among_others(model: PhraseModel) -> None:
    texts = worded("end the contract", "", "the export", "fine")
    together = model.log_odds(texts, nothing(4))
    alone = [model.log_odds([text], nothing(1))[0] for text in texts]
    assert np.allclose(together, alone, rtol=0, atol=1e-12)


def test_signs_count() -> None:
    signs = np.array([[1.0], [1.0], [0.0], [0.0]])
    texts = worded("one thing", "another matter", "one matter", "another thing")
    said = np.array([[True], [True], [False], [False]])
    model = PhraseModel.fit(texts, signs, said, ["sign"])
    odds = model.log_odds(worded("something else", "something else"), np.array([[1.0], [0.0]]))
    assert odds[0, 0] - odds[1, 0] == model.of_signs[0, 0] > 0


def test_the_words_that_say_it_are_shown(model: PhraseModel) -> None:
    message = "Hello Ann, all good here. We want to end the contract. Bye."
    (text,) = worded(message)
    start, end = model.shown_by(text, "leaves")
    assert message[start:end] == "end the contract"


def test_what_weighs_more_counts_more() -> None:
    texts, said = worded("end it", "end it", "end it"), np.array([[True], [False], [False]])
    plain, heavy = (
        PhraseModel.fit(texts, nothing(3), said, ["x"], weights=np.array([[weight], [1.0], [1.0]]))
        for weight in (1.0, 5.0)
    )
    asked = worded("end it")
    assert plain.log_odds(asked, nothing(1))[0, 0] < 0 < heavy.log_odds(asked, nothing(1))[0, 0]


def test_a_file_gives_back_the_same_model(model: PhraseModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m.npz")
    again = PhraseModel.load(tmp_path / "m.npz")
    assert again.version == model.version
    texts = worded("end it", "export it")
    assert again.log_odds(texts, nothing(2)).tolist() == model.log_odds(texts, nothing(2)).tolist()


def test_what_is_no_model_is_refused(model: PhraseModel, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with pytest.raises(BundleError, match=r"m\.npz: no model of phrases"):
        PhraseModel.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BundleError, match=r"m\.npz: no model of phrases"):
        PhraseModel.load(path)
    short = PhraseModel(
        model.names,
        model.rare_words[:8],
        model.rare_letters,
        model.of_words,
        model.of_letters,
        model.of_signs,
        model.intercept,
        {},
    )
    short.save(path)
    with pytest.raises(BundleError, match=r"its numbers do not fit this version"):
        PhraseModel.load(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        model.save(tmp_path / "no" / "m.npz")
