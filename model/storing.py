"""Artifacts in the registry's store: put there within the active run, with their fingerprints."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from . import flavor
from .digest import artifact_digest
from .requirements import pinned


@dataclass(frozen=True)
class Stored:
    """An artifact in the registry's store.

    Attributes:
        source: where it is.
        model_id: as which of the registry's models, if it knows any that are not registered.
        digest: fingerprint of it.
    """

    source: str
    model_id: str | None
    digest: str


def store(name: str, *, flavor_name: str, requirements: Sequence[str], **contents: Any) -> Stored:
    """Store an artifact in the active run.

    Args:
        name: of the artifact.
        flavor_name: of MLflow's flavors, the one it is listed under.
        requirements: pip requirements; what a worker needs to fetch it is added.
        **contents: see :func:`.flavor.save_model`.
    """
    contents["requirements"] = [*requirements, *_to_fetch()]
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
        source, model_id = _store_files(name, **contents), None
    return Stored(source, model_id, _digest(source))


def _store_files(name: str, **contents: Any) -> str:
    """Store an artifact as files of the active run; return where they are."""
    with tempfile.TemporaryDirectory() as folder:
        flavor.save_model(str(Path(folder, name)), Model(), **contents)
        mlflow.log_artifacts(str(Path(folder, name)), name)
    return str(mlflow.get_artifact_uri(name))


def _to_fetch() -> list[str]:
    """What a worker needs besides to fetch artifacts from the active run's store by itself."""
    return pinned({"boto3"}) if urlsplit(mlflow.get_artifact_uri()).scheme == "s3" else []


def _digest(source: str) -> str:
    """Fingerprint the artifact as the registry gives it back, not as it lies here."""
    with tempfile.TemporaryDirectory() as folder:
        stored = mlflow.artifacts.download_artifacts(source, dst_path=folder)
        return artifact_digest(Path(stored))
