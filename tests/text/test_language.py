from __future__ import annotations

import pytest

from churnml.text.language import language
from churnml.text.tokens import tokenize


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How do I add a user to our account?", "en"),
        ("ok thanks", "en"),
        ("DANKE", "en"),  # too short to tell
        ("👍 12", "en"),
        ("", "en"),
        ("Wo ist meine Rechnung? Ich warte seit drei Wochen.", "de"),
        ("Merci beaucoup pour votre aide, tout fonctionne maintenant", "fr"),
        ("Hola, necesito cancelar mi cuenta por favor", "es"),
        ("このサービスは最悪です。返金してください。", "ja"),
        ("取消订阅", "zh"),  # short, and plainly no English
    ],
)
def test_languages_are_told_where_there_is_enough_to_tell(text: str, code: str) -> None:
    assert language(text, tokenize(text)) == code
