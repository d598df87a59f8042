"""Which version a pointer names just now: asked of the registry, and again when that has aged.

A pointer is (registry, name, version), where version is an alias, a stage (older registries) or a
number. While the registry is away, the last answer stands, and says that it is stale.
"""

import concurrent.futures
import os
import threading
import time
from dataclasses import dataclass, replace

from . import refusals

Pointer = tuple[str, str, str]


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


_known: dict[Pointer, Version] = {}
_asking: dict[Pointer, concurrent.futures.Future[Version | RuntimeError]] = {}
_lock = threading.Lock()


def resolve(pointer: Pointer) -> Version:
    """The version that the pointer names, as said at most ``MATMINER_COMPUTE_REFRESH_S`` ago.

    Raises:
        RuntimeError: ``[registry-unreachable]`` and nothing is known; or there is no such version.
    """
    known = _known.get(pointer)
    if known and time.monotonic() < known.until:
        return known
    _import_store(pointer[0])
    be_impatient()
    with _lock:
        known, mine = _known.get(pointer), pointer not in _asking
        if known and (time.monotonic() < known.until or not mine):
            return known  # one call waits for the registry; others go on with what they have
        question = _asking.setdefault(pointer, concurrent.futures.Future())
        if mine:
            threading.Thread(target=_ask, args=(pointer, question), daemon=True).start()
    try:
        answer = question.result(10 if not known else 0.3 if known.stale else 2)
    except Exception as failure:  # noqa: BLE001  stores raise what they like
        if not known:
            what = f"'{pointer[1]}' cannot be found"
            raise refusals.unreachable(what, pointer[0], failure) from None
        return go_on_with(pointer, known)
    if isinstance(answer, RuntimeError):
        raise answer from None
    return answer


def go_on_with(pointer: Pointer, version: Version) -> Version:
    """Let the pointer name what it named before, for a while: the registry is away."""
    _known[pointer] = replace(version, stale=True, until=time.monotonic() + _refresh())
    return _known[pointer]


def look_up(name: str, version: str) -> Version | RuntimeError:
    """Ask the registry: the version, or the refusal that says why there is none."""
    import mlflow

    client = mlflow.MlflowClient()
    number = int(version) if version.isascii() and version.isdigit() else None
    by_alias, by_number = client.get_model_version_by_alias, client.get_model_version
    try:
        found = (by_alias if number is None else by_number)(name, version)
    except mlflow.MlflowException as absent:
        if absent.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        versions = client.search_model_versions(_filter(name))
        there = {int(v.version): v for v in versions if v.name == name}
        staged = [n for n, v in there.items() if v.current_stage == version]
        if not staged:
            return refusals.not_there(name, version if number is None else number, sorted(there))
        found = there[max(staged)]
    return Version(name, str(found.version), found.run_id or "", dict(found.tags))


def _filter(name: str) -> str | None:
    """MLflow's filter for a name; it cannot write one that holds both kinds of quote."""
    quote = next((quote for quote in "\"'" if quote not in name), None)
    return f"name={quote}{name}{quote}" if quote else None


def _ask(pointer: Pointer, question: "concurrent.futures.Future[Version | RuntimeError]") -> None:
    registry, name, version = pointer
    try:
        answer = look_up(name, version)
        if isinstance(answer, RuntimeError):
            _known.pop(pointer, None)
        else:
            _known[registry, name, answer.number] = answer
            answer = replace(answer, until=time.monotonic() + _refresh())
            _known[pointer] = answer
        question.set_result(answer)
    except Exception as failure:  # noqa: BLE001  judged by whoever waits
        question.set_exception(failure)
    finally:
        _asking.pop(pointer)


def _refresh() -> float:
    return float(os.environ.get("MATMINER_COMPUTE_REFRESH_S") or 30)


def _import_store(registry: str) -> None:
    """What these imports take, on a busy node, is not the registry's time."""
    from mlflow.store.db.db_types import DATABASE_ENGINES

    if registry.startswith(tuple(DATABASE_ENGINES)):
        import mlflow.store.model_registry.sqlalchemy_store  # noqa: F401


def be_impatient() -> None:
    """MLflow waits for minutes and draws bars by default; an operator's settings win."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
