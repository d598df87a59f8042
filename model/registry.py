"""The MLflow registry, as a publisher meets it: quiet, bounded, and with sentences for errors."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from matminer_compute.errors import MatminerComputeError, RegistryError, RegistryUnreachable
from matminer_compute.functions.worker.address import public_address
from matminer_compute.functions.worker.faults import registry_fault
from matminer_compute.registration.address import absolute, address_fault, redacted

from .databases import artifacts_beside, look_at, make, sqlite_path

EXPERIMENT = "matminer-compute"

# What mlflow would otherwise print, add to the artifact from the caller's folder, or send home.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a uv.lock in the caller's folder would become the model's
}
_FOREIGN = (
    MlflowException,
    SQLAlchemyError,
    sqlite3.Error,
    requests.RequestException,
    OSError,
)
_STORES = ("boto3", "botocore")
_T = TypeVar("_T")

# mlflow's own retries take minutes; a first question needs an answer sooner.
_PROBE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "6"}
_PATIENCE_S = 20.0


@contextmanager
def connected(tracking_uri: str | None = None, *, create: bool = False) -> Iterator[MlflowClient]:
    """Talk to the registry at ``tracking_uri``, or where MLflow's environment says.

    While the block runs, MLflow is quiet and its process-wide addresses are the given ones; the
    former ones are put back afterwards. So one thread of a process publishes at a time.

    Args:
        tracking_uri: address of the registry.
        create: make a sqlite registry that is not there; reading never does.

    Raises:
        NoProductionVersion: there is no such registry yet, and none was to be made.
        RegistryUnreachable: it does not answer; the text has the address, never its credentials.
        RegistryError: it answers, and refuses or cannot be used as it is.
    """
    with ExitStack() as stack:
        stack.enter_context(quiet_mlflow())
        if tracking_uri:
            stack.enter_context(_addresses(absolute(tracking_uri)))
        uri = mlflow.get_registry_uri()
        if fault := address_fault(uri):
            raise RegistryError(fault)
        try:
            client = _opened(uri, create)
        except (*_FOREIGN, ImportError) as error:
            raise _as_ours(error, uri) from None  # the chain would show the credentials
        with told():
            yield client


@contextmanager
def told(*, after: str = "") -> Iterator[None]:
    """Raise ours for what MLflow, its database or its artifact store raises.

    Args:
        after: a sentence to put behind the one that says what is wrong.
    """
    try:
        yield
    except Exception as error:
        # the store's own errors cannot be named: its library is not always here
        if isinstance(error, MatminerComputeError) or not _is_foreign(error):
            raise
        ours = _as_ours(error, mlflow.get_registry_uri())
        text = f"{str(ours).rstrip('.')}. {after}" if after else str(ours)
        raise type(ours)(text) from None


def _is_foreign(error: Exception) -> bool:
    library = type(error).__module__.partition(".")[0]
    return (
        isinstance(error, _FOREIGN) or library in _STORES or getattr(error, "name", "") in _STORES
    )


def _opened(uri: str, create: bool) -> MlflowClient:
    path = sqlite_path(uri)
    if path is not None:
        if create:
            make(path)
        look_at(path)
        return _asked()  # a file answers, however busy its machine; if it is locked, it says so
    return _within(_PATIENCE_S, _asked)


def _asked() -> MlflowClient:
    client = MlflowClient()
    with _environment(_PROBE):
        client.search_registered_models(max_results=1)
    return client


def _within(seconds: float, ask: Callable[[], _T]) -> _T:
    """What ``ask`` returns or raises, or TimeoutError.

    MLflow's own limit is for each byte: a server that sends one a second is waited for until the
    last. The thread is left to end by itself.
    """
    answer: Future[_T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except (*_FOREIGN, ImportError) as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(timeout=seconds)
    except TimeoutError as error:
        if answer.done():
            raise
        raise TimeoutError(f"no whole answer within {seconds:.0f} s") from error


def _as_ours(error: Exception, uri: str) -> RegistryError:
    """The error that says in one sentence what ails the registry or its artifact store."""
    fault = registry_fault(error)
    reason = redacted(str(error), uri).strip().partition("\n")[0]
    if "(Caused by" in reason:  # requests nests the one thing worth reading in four others
        reason = reason.rsplit(": ", 1)[-1].strip("()\"' ")
    who = f"{'artifact store of the ' if fault.store else ''}MLflow registry"
    text = f"The {who} at {public_address(uri)} {fault.says}"
    if fault.kind == "refused":
        return RegistryError(f"{text}: {reason}")
    detail = f" ({reason[:200]})" if fault.kind in ("unreachable", "slow") else ""
    return (RegistryUnreachable if fault.passing else RegistryError)(f"{text}.{detail}")


def experiment_id(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """Return the id of our experiment, making it if need be.

    With a sqlite database the artifacts lie beside the database: MLflow would put them below the
    folder that the process happens to run in.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        path = sqlite_path(mlflow.get_tracking_uri())
        location = artifacts_beside(path) if path else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # someone else made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def refuse_moved(client: MlflowClient, name: str = EXPERIMENT) -> None:
    """Raise RegistryError if a registry's files are not where it says: it was moved.

    MLflow records absolute paths, and would go on writing to the old place.
    """
    found = client.get_experiment_by_name(name)
    path = sqlite_path(mlflow.get_tracking_uri())
    folder = local_folder(found.artifact_location) if found else None
    if path is None or folder is None:
        return
    if folder.exists() or folder == path.parent / "artifacts":
        return
    raise RegistryError(
        f"The registry {path} says that its files are in {folder}, and there is no such folder: "
        f"it was moved. Move it back, or make a link there: "
        f"mkdir -p '{folder.parent}' && ln -s '{path.parent / 'artifacts'}' '{folder}'."
    )


def local_folder(location: str) -> Path | None:
    """The folder that an artifact location names, if it is one on this machine."""
    if location.startswith("file:"):
        return Path(unquote(urlsplit(location).path))
    return Path(location) if location.startswith("/") else None


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
def quiet_mlflow() -> Iterator[None]:
    """Let MLflow print, log and send nothing of its own."""
    with _environment(_QUIET), _quiet_loggers():
        yield


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)  # what it logs, it also raises
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
            warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
