"""The MLflow registry, as a publisher meets it: quiet, bounded, and with sentences for errors."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from matminer_compute.errors import RegistryError, RegistryUnreachable
from matminer_compute.errors.address import public_address, redacted

EXPERIMENT = "matminer-compute"

# What mlflow would otherwise print, add to the artifact from the caller's folder, or send home.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a uv.lock in the caller's folder would become the model's
}
# mlflow's own retries take minutes; a first question needs an answer sooner.
_PROBE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "6"}


@contextmanager
def connected(tracking_uri: str | None = None) -> Iterator[MlflowClient]:
    """Talk to the registry at ``tracking_uri``, or where MLflow's environment says.

    While the block runs, MLflow is quiet and its process-wide addresses are the given ones; the
    former ones are put back afterwards. So one thread of a process publishes at a time.

    Raises:
        RegistryUnreachable: it does not answer; the text has the address, never its credentials.
        RegistryError: it answered, and refused.
    """
    with ExitStack() as stack:
        stack.enter_context(_environment(_QUIET))
        stack.enter_context(_quiet_loggers())
        if tracking_uri:
            stack.enter_context(_addresses(_absolute(tracking_uri)))
        uri = mlflow.get_registry_uri()
        try:
            _make_database(uri)
            client = MlflowClient()
            with _environment(_PROBE):
                client.search_registered_models(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            raise _unreachable(uri, error) from None  # the chain would show the credentials
        try:
            yield client
        except MlflowException as error:
            if "API request to" in str(error):
                raise _unreachable(uri, error) from None
            raise RegistryError(
                f"The MLflow registry at {public_address(uri)} refused: {redacted(str(error), uri)}"
            ) from None
        except SQLAlchemyError as error:
            raise _unreachable(uri, error) from None


def _make_database(uri: str) -> None:
    """Make a missing sqlite database, its artifacts beside it.

    Left to itself, MLflow gives its Default experiment, the one that `mlflow run` uses, a folder
    below wherever the process that first opened the database happened to run.
    """
    path = _sqlite_path(uri)
    if path is None or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    make: Any = SqlAlchemyStore  # it carries no types
    make(uri, (path.parent / "artifacts").as_uri())


def experiment_id(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """Return the id of our experiment, making it if need be.

    With a sqlite database the artifacts lie beside the database: MLflow would put them below the
    folder that the process happens to run in.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        path = _sqlite_path(mlflow.get_tracking_uri())
        location = (path.parent / "artifacts").as_uri() if path else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # someone else made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _sqlite_path(uri: str) -> Path | None:
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").split("?")[0])).absolute()


def _absolute(uri: str) -> str:
    """Anchor a relative sqlite path, which would mean another database in another folder."""
    if not uri.startswith("sqlite:///") or uri.startswith("sqlite:////"):
        return uri
    return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).absolute()}"


def _unreachable(uri: str, error: Exception) -> RegistryUnreachable:
    reason = redacted(str(error), uri).splitlines()[0]
    if "(Caused by" in reason:  # requests nests the one thing worth reading in four others
        reason = reason.rsplit(": ", 1)[-1].strip("()\"' ")
    return RegistryUnreachable(
        f"The MLflow registry at {public_address(uri)} does not answer: start it, or point "
        f"MLFLOW_TRACKING_URI at one that runs. ({reason[:200]})"
    )


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _addresses(uri: str) -> Iterator[None]:
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ.get(name) for name in names}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        # MLflow keeps what was set both in a global and in the environment; with the global
        # cleared it reads the environment again, which holds what was there before.
        mlflow.set_tracking_uri(cast(str, None))
        mlflow.set_registry_uri(cast(str, None))
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
            warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
