"""Register both halves: the featurizer and the model that was trained on its features."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from . import flavor
from .digest import artifact_digest
from .featurizer import KERNELS, Featurizer, copy_sources
from .forest import TRUSTED_TYPES, write_forest
from .options import featurizer_name
from .requirements import featurizer_requirements, model_requirements, pinned, trained_with
from .serialize import dump_pipeline

REGRESSOR_CODE = Path(__file__).parent / "artifacts" / "regressor.py"
EXAMPLE_FORMULAS = ["NaCl", "Fe2O3", "Li0.5CoO2"]


@dataclass(frozen=True)
class Published:
    """Two registered versions that belong together.

    Attributes:
        name: registered name of the model.
        version: its version.
        featurizer: registered name of the featurizer.
        featurizer_version: the version of it that the model was trained with.
        schema: fingerprint of the features, the same on both.
        run_id: the MLflow run that made them.
    """

    name: str
    version: str
    featurizer: str
    featurizer_version: str
    schema: str
    run_id: str


@dataclass(frozen=True)
class _Stored:
    """An artifact in the registry's store: where, as which of its models if it has such, digest."""

    source: str
    model_id: str | None
    digest: str


def publish_pair(
    client: MlflowClient,
    featurizer: Featurizer,
    pipeline: Any,
    *,
    run_id: str,
    property_name: str,
    unit: str,
    name: str,
    description: str,
) -> Published:
    """Log both artifacts in the active run and register a version of each, complete with tags.

    Versions are made only when both artifacts are stored and the tags are known, and each with its
    tags in one request, so no reader meets a version without them. If the model's cannot be made,
    the featurizer's is deleted: nothing is half published. Nothing is Production by this.

    Args:
        client: of the registry to publish to.
        featurizer: the features that ``pipeline`` takes.
        pipeline: fitted on them.
        run_id: the active MLflow run.
        property_name: what the model predicts.
        unit: in which unit.
        name: registered name of the model.
        description: of the model's version, in Markdown.
    """
    other_name = featurizer_name(name)
    half = _log_featurizer(featurizer)
    with tempfile.TemporaryDirectory() as folder:
        whole = _log_model(featurizer, pipeline, property_name, unit, Path(folder))
    tags = {"schema": featurizer.schema}
    what = property_name.replace("_", " ")
    featurizer_version = _register(
        client,
        other_name,
        half,
        run_id,
        tags,
        kind=f"Turns compositions into the features that {name} was trained on.",
        description=f"{len(featurizer.labels)} features: "
        f"{', '.join(featurizer.configuration['featurizers'])}, element data "
        f"{featurizer.configuration['element_property_preset']}.",
    )
    tags |= {
        "featurizer": other_name,
        "featurizer_version": featurizer_version,
        "property": property_name,
        "unit": unit,
        "requirements": json.dumps(trained_with(featurizer.needs_matminer)),
    }
    try:
        version = _register(
            client,
            name,
            whole,
            run_id,
            tags,
            kind=f"Predicts the {what} ({unit}) of compositions, from {other_name}'s features.",
            description=description,
        )
    except Exception:
        with suppress(MlflowException):
            client.delete_model_version(other_name, featurizer_version)
        raise
    return Published(name, version, other_name, featurizer_version, featurizer.schema, run_id)


def _log_featurizer(featurizer: Featurizer) -> _Stored:
    return _log(
        "featurizer",
        flavor_name="python_function",
        code=featurizer.code,
        artifacts=featurizer.artifacts,
        configuration=featurizer.configuration,
        requirements=[*featurizer_requirements(featurizer.needs_matminer), *_store_requirements()],
        signature=featurizer.signature,
        input_example=pd.DataFrame({"formula": EXAMPLE_FORMULAS}),
    )


def _log_model(
    featurizer: Featurizer, pipeline: Any, property_name: str, unit: str, folder: Path
) -> _Stored:
    artifacts = {flavor.PIPELINE: str(dump_pipeline(pipeline, folder / "model.skops"))}
    if write_forest(pipeline, folder / "forest"):
        artifacts["forest"] = str(folder / "forest")
        artifacts["kernels"] = str(copy_sources(KERNELS, folder))
    return _log(
        "model",
        flavor_name="sklearn",
        code=REGRESSOR_CODE,
        artifacts=artifacts,
        configuration={
            "property": property_name,
            "unit": unit,
            "skops_trusted_types": list(TRUSTED_TYPES),
        },
        requirements=[*model_requirements(featurizer.needs_matminer), *_store_requirements()],
        signature=_model_signature(featurizer.labels, property_name),
        input_example=_example_features(featurizer),
        skops_trusted_types=list(TRUSTED_TYPES),
    )


def _log(name: str, *, flavor_name: str, **contents: Any) -> _Stored:
    """Store an artifact in the active run."""
    try:
        info = Model.log(
            None,
            flavor,
            name=name,
            flavor_name=flavor_name,
            validate_serving_input=False,
            **contents,
        )
        source, model_id = f"models:/{info.model_id}", str(info.model_id)
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        # A server of MLflow 2 knows no models but those that are registered.
        source, model_id = _log_files(name, **contents), None
    return _Stored(source, model_id, _stored_digest(source))


def _log_files(name: str, **contents: Any) -> str:
    """Store an artifact as files of the active run; return where they are."""
    with tempfile.TemporaryDirectory() as folder:
        flavor.save_model(str(Path(folder, name)), Model(), **contents)
        mlflow.log_artifacts(str(Path(folder, name)), name)
    return str(mlflow.get_artifact_uri(name))


def _store_requirements() -> list[str]:
    """What a worker needs besides to fetch artifacts from the active run's store by itself."""
    return pinned({"boto3"}) if urlsplit(mlflow.get_artifact_uri()).scheme == "s3" else []


def _model_signature(labels: Sequence[str], property_name: str) -> ModelSignature:
    columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, label) for label in labels]
    return ModelSignature(
        inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double, property_name)])
    )


def _example_features(featurizer: Featurizer) -> pd.DataFrame:
    features, _, index, _ = featurizer.featurize(EXAMPLE_FORMULAS)
    return pd.DataFrame(np.asarray(features)[index], columns=featurizer.labels)


def _stored_digest(source: str) -> str:
    """Fingerprint the artifact as the registry gives it back, not as it lies here."""
    with tempfile.TemporaryDirectory() as folder:
        stored = mlflow.artifacts.download_artifacts(source, dst_path=folder)
        return artifact_digest(Path(stored))


def _register(
    client: MlflowClient,
    name: str,
    stored: _Stored,
    run_id: str,
    tags: dict[str, str],
    *,
    kind: str,
    description: str,
) -> str:
    try:
        client.create_registered_model(name, description=kind)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        name,
        source=stored.source,
        run_id=run_id,
        tags=tags | {"digest": stored.digest},
        description=description,
        model_id=stored.model_id,
    )
    return str(version.version)
