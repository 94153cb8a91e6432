"""A process that adds pairs of scores as fast as it can, and says each time that they are kept."""

from __future__ import annotations

import datetime as dt
import sys

from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1)


def main(url: str, account: str, pairs: int) -> None:
    with Store.open(url) as store:
        for number in range(pairs):
            record = ScoreRecord(account, "r", "b", None, AT, {"n": number, "fill": "x" * 500})
            store.scores.add([record, record])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
