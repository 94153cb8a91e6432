"""Write a model's trees down as MLflow serves them: python serving_mlflow.py MODEL.TXT FOLDER.

Runs in an environment of its own: ``pip install mlflow lightgbm``.
"""

import sys

import lightgbm as lgb
import mlflow.lightgbm
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

model, folder = sys.argv[1:]
booster = lgb.Booster(model_file=model)
columns: list[ColSpec | TensorSpec] = [
    ColSpec("double", name, required=False) for name in booster.feature_name()
]
mlflow.lightgbm.save_model(
    booster, folder, signature=ModelSignature(inputs=Schema(columns)), pip_requirements=[]
)
