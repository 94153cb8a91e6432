"""Polarity of texts by VADER and TextBlob, run in an environment of their own.

    python experiments/text_peers.py IN.json OUT.json

Reads a list of texts; writes each peer's polarity, -1 to 1, and its texts a second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def _vader() -> Callable[[str], float]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    return lambda text: float(analyzer.polarity_scores(text)["compound"])


def _textblob() -> Callable[[str], float]:
    from textblob import TextBlob

    return lambda text: float(TextBlob(text).sentiment.polarity)


def main() -> None:
    """Score every text by every peer."""
    texts = json.loads(Path(sys.argv[1]).read_text())
    found = {}
    for name, made in {"VADER": _vader, "TextBlob": _textblob}.items():
        polarity = made()
        polarity("warm")
        began = time.process_time()
        said = [polarity(text) for text in texts]
        rate = len(texts) / (time.process_time() - began)
        found[name] = {"polarity": said, "rate": rate}
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
