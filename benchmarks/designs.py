"""One registry that holds both designs with the very same forest, and how each is called.

The original design, after the function bundle this project began as: two functions that load both
halves from the registry on every call and use matminer and scikit-learn as they come.
"""

import csv
import gzip
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import mlflow

from matminer_compute.model import TrainOptions, promote, train

HERE = Path(__file__).parent


def original_predict(formulas: list[str]) -> list[float]:
    """Both models loaded on every call, as the original does it."""
    import mlflow
    import pandas as pd

    featurizer = mlflow.pyfunc.load_model("models:/Original Featurizer@Production")
    model = mlflow.sklearn.load_model("models:/Original@Production")
    features = featurizer.predict(pd.DataFrame({"formula": formulas}))
    return model.predict(features).tolist()


def prepare(folder: Path, rows: int) -> dict[str, float]:
    """Both designs in a registry in ``folder``, made unless it is there; the metrics of its run."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder.absolute() / 'registry.db'}"
    os.environ["MATMINER_COMPUTE_CACHE"] = str(folder.absolute() / "cache")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    if not (folder / "registry.db").exists():
        train(TrainOptions(rows=rows, folds=5 if rows else 2))  # all rows take minutes a fold
        promote()
        with redirect_stderr(StringIO()):
            _publish_original()
    client = mlflow.MlflowClient()
    run_id = client.get_model_version_by_alias("Matminer", "Production").run_id
    return dict(client.get_run(run_id).data.metrics)


def _publish_original() -> None:
    pipeline = mlflow.sklearn.load_model("models:/Matminer@Production")
    with mlflow.start_run():
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
    for name in ("Original Featurizer", "Original"):
        mlflow.MlflowClient().set_registered_model_alias(name, "Production", "1")


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


@contextmanager
def folder_for(kept: Path | None) -> Iterator[Path]:
    """The folder to keep, so that the next benchmark need not train, or one that goes away."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)
