"""The same model behind BentoML, with LightGBM's own reasons; `serving.py` has `bentoml` run it.

Runs in an environment of its own: ``pip install bentoml lightgbm``. ``CHURNML_BUNDLE`` names the
bundle.
"""

import json
import os
from pathlib import Path
from typing import Any

import bentoml  # type: ignore[import-not-found]
import lightgbm as lgb
import numpy as np
from pydantic import BaseModel, ConfigDict, create_model

BUNDLE = Path(os.environ["CHURNML_BUNDLE"])
TYPES = {"number": float, "boolean": bool, "category": str, "date": str}
RECORDS = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))["features"]
NAMES = [record["name"] for record in RECORDS]
CODES = {
    place: {value: float(code) for code, value in enumerate(record["codes"])}
    for place, record in enumerate(RECORDS)
    if record["kind"] == "category"
}
Features = create_model(
    "Features",
    __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False),
    **{record["name"]: (TYPES[record["kind"]] | None, ...) for record in RECORDS},
)  # type: ignore[call-overload]


class Reasons(BaseModel):
    """A margin and what each feature contributes to it."""

    margin: float
    contributions: dict[str, float]


@bentoml.service(workers=1, traffic={"timeout": 60})
class Scorer:
    """The model."""

    def __init__(self) -> None:
        self.booster = lgb.Booster(model_file=BUNDLE / "model.txt")

    @bentoml.api  # type: ignore[untyped-decorator]
    def score(self, features: Features) -> Reasons:
        """Score one row."""
        values: list[Any] = list(features.__dict__.values())
        for place, codes in CODES.items():
            values[place] = codes.get(values[place])
        row = np.array([values], dtype=np.float64)
        found = np.asarray(self.booster.predict(row, pred_contrib=True, num_threads=1))[0].tolist()
        return Reasons(margin=sum(found), contributions=dict(zip(NAMES, found, strict=False)))
