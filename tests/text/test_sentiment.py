from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import BundleError, ConfigError, TrainingError
from churnml.history.tables import SENTIMENTS
from churnml.text.sentiment import SentimentModel, shipped_model

GOOD = ["lovely, thanks", "great work", "so happy with it", "thank you, excellent"]
BAD = ["this is broken", "still waiting, awful", "useless support", "terrible, no answer"]


@pytest.fixture(scope="module")
def small() -> SentimentModel:
    labels = ["positive"] * 4 + ["negative"] * 4
    return SentimentModel.fit(GOOD + BAD, labels, bits=10, about={"by": "a test"})


@pytest.fixture(scope="module")
def shipped() -> SentimentModel:
    return shipped_model()


def level(model: SentimentModel, text: str) -> str:
    return SENTIMENTS[int(model.probabilities([text]).argmax())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thank you so much, the new import saves us hours.", "positive"),
        ("Works fine now, thanks.", "positive"),
        ("How many seats does the team plan have?", "neutral"),
        ("Please find the signed order form attached.", "neutral"),
        ("We are a bit worried that the migration will slip, is there a new date?", "concerned"),
        ("We like the product, but the loading times make my team nervous.", "concerned"),
        ("The export has been broken for two weeks and nobody answers.", "negative"),
        ("Great, another outage right before our demo.", "negative"),
        ("Thanks for nothing.", "negative"),
        ("You are crooks. Our lawyers will be in touch.", "hostile"),
        ("REFUND US NOW OR WE SEE YOU IN COURT!!!", "hostile"),
    ],
)
def test_the_shipped_model_hears_what_people_mean(
    shipped: SentimentModel, text: str, expected: str
) -> None:
    assert level(shipped, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Our legal team needs the DPA signed before Friday.", "neutral"),
        ("Two mailboxes are under legal hold, please exclude them from the purge.", "neutral"),
        ("Is there a kill switch for the outbound webhooks?", "neutral"),
        ("Please add this vendor to the risk register.", "neutral"),
        ("Does the complaint module support attachments?", "neutral"),
        ("The crash course was helpful.", "positive"),
        ("We can't recommend you enough.", "positive"),
        ("We couldn't be happier.", "positive"),
        ("Can't fault the support.", "positive"),
        ("Can't complain, it just works.", "positive"),
        ("Nothing but praise from the floor.", "positive"),
        ("No complaints here.", "positive"),
        ("Your crash ruined our course, and our lawyers will be in touch.", "hostile"),
        ("Our legal team is preparing a claim against you.", "hostile"),
        ("Nothing but trouble since the migration.", "negative"),
        ("We can't recommend you to anybody.", "negative"),
        ("I couldn't be more disappointed.", "negative"),
        ("You missed the deadline again.", "negative"),
        ("The app crashed during the course and nobody helped.", "negative"),
        ("Complaints every single day since the update.", "negative"),
    ],
)
def test_words_that_sound_like_feeling_are_heard_as_they_are_meant(
    shipped: SentimentModel, text: str, expected: str
) -> None:
    assert level(shipped, text) == expected


def test_not_bad_is_not_bad(shipped: SentimentModel) -> None:
    assert level(shipped, "not bad at all") == "positive"
    assert level(shipped, "no problems so far") == "positive"
    assert level(shipped, "not good") in {"concerned", "negative"}


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=80), max_size=5))
def test_any_text_has_probabilities(shipped: SentimentModel, texts: list[str]) -> None:
    found = shipped.probabilities(texts)
    assert found.shape == (len(texts), 5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(shipped.probabilities([text])[0], found[row], atol=1e-9)


def test_many_are_read_as_one_by_one(shipped: SentimentModel) -> None:
    texts = [f"{word} number {n}" for n in range(300) for word in ("great", "broken")]
    found = shipped.probabilities(texts)
    np.testing.assert_allclose(found[599], shipped.probabilities(texts[599:])[0], atol=1e-9)


def test_a_model_knows_the_levels_that_it_learned(small: SentimentModel) -> None:
    found = small.probabilities(["great, thanks", "awful and broken"])
    assert small.levels == ("positive", "negative")
    assert (found[:, [1, 2, 4]] == 0).all()
    assert found[0, 0] > 0.5 > found[1, 0]
    assert small.about == {"messages": 8, "by": "a test"}


def test_a_file_gives_back_the_same_model(small: SentimentModel, tmp_path: Path) -> None:
    path = tmp_path / "tone.npz"
    small.save(path)
    again = SentimentModel.load(path)
    texts = GOOD + BAD
    assert np.array_equal(again.probabilities(texts), small.probabilities(texts))
    assert again.version == small.version
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_damaged_file_is_refused(small: SentimentModel, tmp_path: Path) -> None:
    path = tmp_path / "tone.npz"
    small.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"tone\.npz: no model of tone"):
        SentimentModel.load(path)
    with pytest.raises(BundleError, match="no model of tone"):
        SentimentModel.load(tmp_path / "none.npz")
    other = tmp_path / "other.npz"
    small.save(other)
    with zipfile.ZipFile(other) as held:
        parts = {name: held.read(name) for name in held.namelist()}
    for old, new, told in [
        (b'"format": 1', b'"format": 9', "format 9"),
        (b'"negative"', b'"furious!"', "do not fit"),
    ]:
        changed = {**parts, "model.json": parts["model.json"].replace(old, new)}
        with zipfile.ZipFile(other, "w") as held:
            for name, part in changed.items():
                held.writestr(name, part)
        with pytest.raises(BundleError, match=told):
            SentimentModel.load(other)


def test_what_cannot_be_learned_from_is_refused(small: SentimentModel, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"2 messages have 1 labels"):
        SentimentModel.fit(["a", "b"], ["positive"])
    with pytest.raises(TrainingError, match=r"'happy' is no tone; expected positive"):
        SentimentModel.fit(["a", "b"], ["positive", "happy"])
    with pytest.raises(TrainingError, match="one tone"):
        SentimentModel.fit(["a", "b"], ["positive", "positive"])
    with pytest.raises(ConfigError, match="cannot be written"):
        small.save(tmp_path / "none" / "tone.npz")


def test_a_higher_temperature_is_less_sure(small: SentimentModel) -> None:
    hot = small.cooled(4.0).probabilities(["great work"])[0, 0]
    assert 0.5 < hot < small.probabilities(["great work"])[0, 0]
