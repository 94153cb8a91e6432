"""What the framework alone takes, and a prediction without reasons; `serving.py` has it run.

``CHURNML_BUNDLE`` names the bundle.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, create_model

BUNDLE = Path(os.environ["CHURNML_BUNDLE"])
TYPES = {"number": float, "boolean": bool, "category": str, "date": str}
RECORDS = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))["features"]
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


class Row(BaseModel):
    """One row of features."""

    features: Features


def numbers(features: BaseModel) -> np.ndarray[Any, Any]:
    """Give a row as the trees see it."""
    values = list(features.__dict__.values())
    for place, codes in CODES.items():
        values[place] = codes.get(values[place])
    return np.array([values], dtype=np.float64)


booster = lgb.Booster(model_file=BUNDLE / "model.txt")
app = FastAPI()


@app.get("/empty")
async def empty() -> dict[str, str]:
    """Answer with nothing."""
    return {}


@app.post("/predict")
async def predict(row: Row) -> dict[str, float]:
    """Answer with the trees' margin."""
    found = booster.predict(numbers(row.features), raw_score=True, num_threads=1)
    return {"margin": float(np.asarray(found)[0])}
