"""Register both halves: the featurizer and the model that was trained on its features."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from . import flavor
from .artifacts.networks.reading import write
from .featurizer import ARTIFACTS, KERNELS, Featurizer, copy_sources
from .forest import TRUSTED_TYPES, write_forest
from .intervals import Calibration
from .network import NetworkRegressor
from .options import featurizer_name
from .requirements import featurizer_requirements, model_requirements, trained_with
from .serialize import dump_pipeline
from .storing import Stored, store

REGRESSOR_CODE, NETWORKS = ARTIFACTS / "regressor.py", ARTIFACTS / "networks"
UNCALIBRATED = "it was published without rows to learn intervals from (model publish --calibrate)"
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
    aggregate: str = "mean",
    calibration: Calibration | None,
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
        aggregate: ``mean`` or ``median`` over a forest's trees.
        calibration: what makes its intervals; None: it has none.
    """
    other = featurizer_name(name)
    half = _store_featurizer(featurizer)
    about = {"property": property_name, "unit": unit}
    with tempfile.TemporaryDirectory() as folder:
        artifacts = _artifacts(featurizer, pipeline, calibration, Path(folder))
        whole = _store_model(featurizer, artifacts, {**about, "aggregate": aggregate})
    other_version = _register(
        client,
        other,
        half,
        run_id,
        {"schema": featurizer.schema},
        kind=f"Turns compositions into the features that {name} was trained on.",
        description=f"{len(featurizer.labels)} features: "
        f"{', '.join(featurizer.configuration['featurizers'])}, element data "
        f"{featurizer.configuration['element_property_preset']}.",
    )
    requirements = trained_with(featurizer.needs_matminer, flavor.PIPELINE in artifacts)
    tags = {
        **about,
        "schema": featurizer.schema,
        "featurizer": other,
        "featurizer_version": other_version,
        "requirements": json.dumps(requirements),
    }
    what = property_name.replace("_", " ")
    kind = f"Predicts the {what} ({unit}) of compositions, from the features of {other}."
    with _deleted_on_failure(client, other, other_version):
        version = _register(client, name, whole, run_id, tags, kind=kind, description=description)
    return Published(name, version, other, other_version, featurizer.schema, run_id)


@contextmanager
def _deleted_on_failure(client: MlflowClient, name: str, version: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(MlflowException):
            client.delete_model_version(name, version)
        raise


def _store_featurizer(featurizer: Featurizer) -> Stored:
    return store(
        "featurizer",
        flavor_name="python_function",
        code=featurizer.code,
        artifacts=featurizer.artifacts,
        configuration=featurizer.configuration,
        requirements=featurizer_requirements(featurizer.needs_matminer),
        signature=featurizer.signature,
        input_example=pd.DataFrame({"formula": EXAMPLE_FORMULAS}),
    )


def _store_model(
    featurizer: Featurizer, artifacts: dict[str, str], about: dict[str, str]
) -> Stored:
    return store(
        "model",
        flavor_name="sklearn" if flavor.PIPELINE in artifacts else "python_function",
        code=REGRESSOR_CODE,
        artifacts=artifacts,
        configuration={
            **about,
            "skops_trusted_types": list(TRUSTED_TYPES),
            "no_interval": "" if "calibration" in artifacts else UNCALIBRATED,
        },
        requirements=model_requirements(featurizer.needs_matminer, flavor.PIPELINE in artifacts),
        signature=_model_signature(featurizer.labels, about["property"]),
        input_example=_example_features(featurizer),
        skops_trusted_types=list(TRUSTED_TYPES),
    )


def computed_with(pipeline: Any, folder: Path) -> dict[str, str]:
    """Write what a worker computes with, as fast as this package can, into an existing folder.

    Returns:
        Files and folders by the names under which the model's code finds them.
    """
    if isinstance(pipeline[-1], NetworkRegressor):
        write(pipeline[-1].ensemble_, folder / "network")
        networks = copy_sources(NETWORKS, folder)
        return {"network": str(folder / "network"), "networks": str(networks)}
    if write_forest(pipeline, folder / "forest"):
        kernels = copy_sources(KERNELS, folder)
        return {"forest": str(folder / "forest"), "kernels": str(kernels)}
    return {flavor.PIPELINE: str(dump_pipeline(pipeline, folder / "model.skops"))}


def _artifacts(
    featurizer: Featurizer, pipeline: Any, calibration: Calibration | None, folder: Path
) -> dict[str, str]:
    """All that a version of the model has, by name: also what scikit-learn computes with.

    A network has no such face: skops would have to trust a class of ours.
    """
    artifacts = computed_with(pipeline, folder)
    if not artifacts.keys() & {flavor.PIPELINE, "network"}:
        artifacts[flavor.PIPELINE] = str(dump_pipeline(pipeline, folder / "model.skops"))
    if calibration is not None:
        path = calibration.write(folder / "calibration.json", featurizer.elements)
        artifacts["calibration"] = str(path)
    return artifacts


def _model_signature(labels: Sequence[str], property_name: str) -> ModelSignature:
    columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, label) for label in labels]
    return ModelSignature(
        inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double, property_name)])
    )


def _example_features(featurizer: Featurizer) -> pd.DataFrame:
    features, _, index, _ = featurizer.featurize(EXAMPLE_FORMULAS)
    return pd.DataFrame(np.asarray(features)[index], columns=featurizer.labels)


def _register(
    client: MlflowClient,
    name: str,
    stored: Stored,
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
