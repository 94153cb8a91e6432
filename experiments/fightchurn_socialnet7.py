"""Can churnml tell who will let a monthly subscription end? The whole way on a known simulation.

``python experiments/fightchurn_socialnet7.py [FOLDER]`` reads the data set from FOLDER, or from
``fightchurn_socialnet7`` under the folder that CHURNML_DATA names, prints the results and writes
them into experiments/fightchurn_socialnet7.md.
"""

from __future__ import annotations

# A script finds its neighbours; mypy, which reads from the repository's root, does not.
from real_input import study  # type: ignore[import-not-found]

if __name__ == "__main__":
    study("fightchurn_socialnet7")
