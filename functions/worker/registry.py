"""What the registry says of a name and a version."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from . import refusals

# A server older than MLflow 2.3 has no aliases, and so not that endpoint.
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND")


@dataclass(frozen=True)
class Version:
    """A version as the registry knows it, and until when (``time.monotonic``) that is believed."""

    name: str
    number: str
    run_id: str
    tags: dict[str, str]
    until: float = float("inf")  # what a number names does not change
    stale: bool = False

    def __str__(self) -> str:
        return f"Version {self.number} of '{self.name}'"

    def as_json(self) -> dict:
        """As an answer names it."""
        return {
            "name": self.name,
            "version": self.number,
            "run_id": self.run_id,
            "schema": self.tags["schema"],
        }

    def featurizer(self) -> dict:
        """The featurizer version that this version of a model was trained with."""
        return {
            "name": self.tags.get("featurizer"),
            "version": self.tags.get("featurizer_version"),
            "schema": self.tags["schema"],
        }


def look_up(name: str, version: str) -> Version | RuntimeError:
    """Ask the registry: the version, or the refusal that says why there is none.

    Raises:
        RuntimeError: ``[registry-refused]``: there is no such registry.
    """
    import mlflow

    if _is_missing(address := mlflow.get_registry_uri()):
        raise refusals.no_registry(address)
    client = mlflow.MlflowClient()
    number = int(version) if version.isascii() and version.isdigit() else None
    by_alias, by_number = client.get_model_version_by_alias, client.get_model_version
    try:
        found = (by_alias if number is None else by_number)(name, version)
    except mlflow.MlflowException as absent:
        if absent.error_code not in _ABSENT:
            raise
        versions = client.search_model_versions(_filter(name))
        there = {int(v.version): v for v in versions if v.name == name}
        staged = [n for n, v in there.items() if v.current_stage == version]
        if not staged:
            return _absent(client, name, version if number is None else number, sorted(there))
        found = there[max(staged)]
    return Version(name, str(found.version), found.run_id or "", dict(found.tags))


def _absent(client: Any, name: str, version: str | int, numbers: list[int]) -> RuntimeError:
    import mlflow

    if not numbers:
        others = [model.name for model in client.search_registered_models()]
        return refusals.no_such_model(name, others, mlflow.get_registry_uri())
    marks = sorted(client.get_registered_model(name).aliases)
    return refusals.no_such_version(name, version, numbers, marks)


def _is_missing(address: str) -> bool:
    """Whether it is of a database on this machine that is not there: MLflow would make it."""
    path = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", address)
    return path is not None and not Path(unquote(path[1])).exists()


def _filter(name: str) -> str | None:
    """MLflow's filter for a name; it cannot write one that holds both kinds of quote."""
    quote = next((quote for quote in "\"'" if quote not in name), None)
    return f"name={quote}{name}{quote}" if quote else None


def prepare(address: str) -> None:
    """Import what talks to the registry: on a busy node that takes time which is not its own."""
    be_impatient()
    from mlflow.store.db.db_types import DATABASE_ENGINES

    if address.startswith(tuple(DATABASE_ENGINES)):
        import mlflow.store.model_registry.sqlalchemy_store  # noqa: F401


def be_impatient() -> None:
    """MLflow and S3's client wait for minutes by default; an operator's settings win."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "2")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
