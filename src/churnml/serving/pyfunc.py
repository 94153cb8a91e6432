"""A bundle as MLflow serves it: ``mlflow.pyfunc.load_model`` and ``mlflow models serve`` come here.

What MLflow keeps is the bundle and the name of this module. Neither a pickle nor a script lies
among the artifacts: nothing is run but the installed package, and the bundle verifies itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnml.training.bundle import Bundle, load

if TYPE_CHECKING:
    import pandas as pd


class ServedBundle:
    """Scores rows of features for MLflow.

    Parameters
    ----------
    bundle : Bundle
        What scores.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score rows.

        Parameters
        ----------
        model_input : pandas.DataFrame
            Every feature, by name; missing where it is not known.
        params : dict, optional
            MLflow passes it; there are none.

        Returns
        -------
        pandas.DataFrame
            ``probability`` (calibrated), ``tier`` and ``log_odds``, in the order of the rows.

        Raises
        ------
        BundleError
            If a column is missing, unknown, of another kind, or holds infinity.
        """
        import pandas as pd

        del params
        scores = self.bundle.score(pa.Table.from_pandas(model_input, preserve_index=False))
        return pd.DataFrame(
            {
                "probability": scores.probability,
                "tier": [
                    str(tier) for tier in self.bundle.manifest.tiers.tiers(scores.probability)
                ],
                "log_odds": scores.log_odds,
            },
            index=model_input.index,
        )


def _load_pyfunc(path: str) -> ServedBundle:
    """Load what MLflow found; it calls this by its name."""
    return ServedBundle(load(Path(path)))
