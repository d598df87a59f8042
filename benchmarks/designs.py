"""One registry that holds both designs with the very same forest, and how each is called.

The original design, after the function bundle this project began as: two functions that load both
halves from the registry on every call and use matminer and scikit-learn as they come.
"""

import csv
import gzip
import os
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import mlflow

from matminer_compute.model import TrainedRun, TrainOptions, promote, train

HERE = Path(__file__).parent


def original_predict(formulas: list[str]) -> list[float]:
    """Both models loaded on every call, as the original does it."""
    import mlflow
    import pandas as pd

    featurizer = mlflow.pyfunc.load_model("models:/Original Featurizer@Production")
    model = mlflow.sklearn.load_model("models:/Original@Production")
    features = featurizer.predict(pd.DataFrame({"formula": formulas}))
    return model.predict(features).tolist()


def prepare(folder: Path, rows: int) -> TrainedRun:
    """Train our way into a registry in ``folder``, and publish the same forest the original way."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'registry.db'}"
    os.environ["MATMINER_COMPUTE_CACHE"] = str(folder / "cache")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    trained = train(TrainOptions(rows=rows, folds=5 if rows else 2))  # all rows take minutes a fold
    promote()
    with redirect_stderr(StringIO()):
        pipeline = mlflow.sklearn.load_model("models:/Matminer@Production")
        with mlflow.start_run(experiment_id=mlflow.get_run(trained.run_id).info.experiment_id):
            mlflow.pyfunc.log_model(
                name="featurizer",
                python_model=str(HERE / "original_featurizer.py"),
                registered_model_name="Original Featurizer",
                pip_requirements=[],
            )
            mlflow.sklearn.log_model(
                pipeline,
                name="model",
                registered_model_name="Original",
                skops_trusted_types=["sklearn.tree._tree.Tree", "numpy.dtype"],
                pip_requirements=[],
            )
    client = mlflow.MlflowClient()
    for name in ("Original Featurizer", "Original"):
        client.set_registered_model_alias(name, "Production", "1")
    return trained


def real_formulas() -> list[str]:
    """The 89,866 formulas of the bundled data."""
    path = HERE.parent / "model" / "data" / "mp_e_form.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [row["formula"] for row in csv.DictReader(file)]


def seconds(call: Callable[[], Any], times: int) -> float:
    """Median seconds of ``times`` calls."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return median(taken)
