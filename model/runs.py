"""MLflow runs: the one that ``mlflow run`` has begun, or one of our own, and what is logged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from .options import TrainOptions
from .registry import experiment_id
from .training_data import TrainingData

_LONGEST_PARAM = 500  # MLflow stores 6,000 characters at most; nobody reads more than these


@contextmanager
def active_run(client: MlflowClient, name: str, description: str) -> Iterator[Run]:
    """Run inside the run that ``mlflow run`` started for us, or else in a new one of ours.

    Args:
        client: of the registry.
        name: of the run; one that was started for us keeps its own.
        description: what the MLflow UI shows above the run, in Markdown.
    """
    if os.environ.get("MLFLOW_RUN_ID"):
        with mlflow.start_run() as run:
            mlflow.set_tag("mlflow.note.content", description)
            yield run
    else:
        nested = mlflow.active_run() is not None
        with mlflow.start_run(
            experiment_id=experiment_id(client),
            run_name=name,
            description=description,
            nested=nested,
        ) as run:
            yield run


def log_facts(
    client: MlflowClient,
    run_id: str,
    options: TrainOptions,
    data: TrainingData,
    labels: Sequence[str],
) -> None:
    """Log parameters, data set, attribution and feature labels to the active run."""
    logged = client.get_run(run_id).data.params  # `mlflow run` has logged its own, unchangeable
    params = {**options.as_params(), "n_estimators": str(options.size)}
    mlflow.log_params({k: v[:_LONGEST_PARAM] for k, v in params.items() if k not in logged})
    mlflow.set_tags({"property": data.property_name, "unit": data.unit, "data_digest": data.digest})
    name = Path(data.source).name
    frame = data.frame.reset_index(drop=True)
    where = {"source": str(Path(data.source).absolute())} if data.is_file else {}
    dataset = from_pandas(frame, name=name, targets="target", **where)
    try:
        mlflow.log_input(dataset, context="training")
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":  # servers older than MLflow 2.4 keep none
            raise
    if data.attribution:
        mlflow.log_text(data.attribution + "\n", "attribution.txt")
    mlflow.log_dict({"labels": list(labels)}, "features.json")
