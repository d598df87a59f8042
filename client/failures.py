"""What a failed task raises, as one of our typed errors."""

import re

from matminer_compute.errors import (
    EndpointUnavailable,
    EnvironmentMismatch,
    FeatureSchemaMismatch,
    FunctionNotAllowed,
    IntervalMissing,
    MatminerComputeError,
    ModelNotLoadable,
    NoProductionVersion,
    PayloadTooLarge,
    RegistryError,
    RegistryUnreachable,
    RemoteError,
    WorkerLost,
)


class ResultTooLarge(PayloadTooLarge):
    """The result of a task exceeded the service's limit: ask for fewer rows at once."""


_BY_CODE: dict[str, type[MatminerComputeError]] = {
    "artifact-altered": ModelNotLoadable,
    "feature-schema-mismatch": FeatureSchemaMismatch,
    "featurizer-missing": ModelNotLoadable,
    "model-not-loadable": ModelNotLoadable,
    "not-a-model": ModelNotLoadable,
    "no-production-version": NoProductionVersion,
    "no-room": EnvironmentMismatch,
    "no-such-model": NoProductionVersion,
    "no-worker-starts": EndpointUnavailable,
    "package-missing": EnvironmentMismatch,
    "registry-not-set": RegistryError,
    "registry-refused": RegistryError,
    "registry-unreachable": RegistryUnreachable,
    "too-many-kept": ResultTooLarge,
    "unknown-interval": IntervalMissing,
    "unknown-version": NoProductionVersion,
    "version-deleted": NoProductionVersion,
}
_CODED = re.compile(r"^\w+: \[(?P<code>[a-z-]+)\] (?P<sentence>.*)", re.MULTILINE | re.DOTALL)
#: What an engine draws below an attempt to run a task, before it goes on with the next.
_ATTEMPT_ENDS = re.compile(r"^-{20,}$", re.MULTILINE)
_MISSING_MODULE = re.compile(r"^ModuleNotFoundError: (?P<sentence>.*)$", re.MULTILINE)


class Passing(EndpointUnavailable):
    """The service was away or refused for now: the same may work a little later."""


_NOT_ALLOWED = (
    "The function is not allowed on this endpoint; ask its operator to add the bundle's ids to "
    "allowed_functions."
)
#: What an engine or an agent says of a task that failed outside its function.
_SIGNS: tuple[tuple[re.Pattern[str], type[MatminerComputeError], str], ...] = (
    (
        re.compile("MaxResultSizeExceeded"),
        ResultTooLarge,
        "The result is larger than the Compute service carries (10 MiB).",
    ),
    (
        re.compile("WorkerLost|ManagerLost|BrokenProcessPool"),
        WorkerLost,
        "The worker that held the task died; it is safe to ask again.",
    ),
    (re.compile("not permitted on endpoint"), FunctionNotAllowed, _NOT_ALLOWED),
    (
        re.compile("TooManyJobFailures|BadStateException"),
        EndpointUnavailable,
        "The endpoint's jobs end before they run a task; its operator finds why in the folder "
        "submit_scripts of the endpoint.",
    ),
)


def as_typed(failure: BaseException) -> MatminerComputeError:
    """The typed error that a task's failure stands for, the failure being its cause."""
    error = _typed(failure)
    error.__cause__ = failure
    return error


def _typed(failure: BaseException) -> MatminerComputeError:
    if isinstance(failure, MatminerComputeError):
        return failure
    remote = getattr(failure, "remote_data", None)  # the SDK's TaskExecutionFailed has it
    if remote is None:
        return _of_the_service(failure)
    if coded := _CODED.search(remote):
        kind = _BY_CODE.get(coded["code"])
        sentence = _ATTEMPT_ENDS.split(coded["sentence"])[0].strip()
        return kind(sentence) if kind else RemoteError(f"[{coded['code']}] {sentence}", remote)
    for sign, known, sentence in _SIGNS:
        if sign.search(remote):
            return known(sentence)
    if missing := _MISSING_MODULE.search(remote):
        return EnvironmentMismatch(
            f"The worker lacks a package ({missing['sentence']}); its environment needs "
            "what 'mlflow models prepare-env' on the model installs."
        )
    last = remote.strip().rpartition("\n")[2].strip() or "the task failed"
    return RemoteError(f"{last} (on the worker; .traceback holds where)", remote)


def _of_the_service(failure: BaseException) -> MatminerComputeError:
    status = getattr(failure, "http_status", None)
    if status == 403:
        return FunctionNotAllowed(_NOT_ALLOWED)
    if status == 413:
        return PayloadTooLarge("The service refused a request over 10 MB.")
    if status is None and _is_foreign_data(failure):
        return EnvironmentMismatch(
            "The endpoint answered with something other than JSON, which was not read; its "
            "globus-compute-endpoint is older than 4, or not what it should be."
        )
    kind = Passing if _passes(failure, status) else EndpointUnavailable
    return kind(
        f"The endpoint could not be used ({type(failure).__name__}: {failure}); check that it is "
        "running and that you may use it."
    )


def _is_foreign_data(failure: BaseException) -> bool:
    return type(failure.__cause__).__name__ == "DeserializationError"


def _passes(failure: BaseException, status: int | None) -> bool:
    """Whether trying again may help. Told by name: the SDK need not be imported to ask."""
    if status is not None:
        return status == 429 or status >= 500
    # Cancelled by an Executor that had stopped before it sent the task; or a connection is gone.
    names = {kind.__name__ for kind in type(failure).__mro__}
    return not names.isdisjoint({"CancelledError", "NetworkError", "AMQPError", "RuntimeError"})
