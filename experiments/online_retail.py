"""Can churnml tell which customers of a shop will fall silent? The whole way on real input.

``python experiments/online_retail.py [FOLDER]`` reads Online Retail II from FOLDER, or from
``online_retail`` under the folder that CHURNML_DATA names, prints the results and writes them into
experiments/online_retail.md.
"""

from __future__ import annotations

# A script finds its neighbours; mypy, which reads from the repository's root, does not.
from real_input import study  # type: ignore[import-not-found]

if __name__ == "__main__":
    study("online_retail")
