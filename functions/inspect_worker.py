"""What an operator asks of a worker."""

import json
import os
import platform
import time

from .predict_composition import predict_composition
from .worker import node, refusals, registry
from .worker.address import public_address

_PACKAGES = (
    *("mlflow", "numpy", "scikit-learn", "skops", "numba", "pymatgen", "matminer"),
    *("globus-compute-endpoint", "globus-compute-sdk", "parsl"),
)


def inspect_worker(*, name: str = "Matminer", version: str = "Production") -> dict:
    """Report a worker's machine, Python, packages and registry, and predict with the model there.

    Nothing is raised: what is wrong is in the answer.

    Args:
        name: registered model name to look for.
        version: an alias or a version number.

    Returns:
        ``host``, ``python``, ``pid``; ``packages``: version by name, None where missing; ``node``:
        CPUs, threads, memory and cache (bytes), clock (s since 1970); ``registry``: address
        (without credentials), reachable, seconds, error, which is also that of the model's loading;
        ``model`` and ``featurizer``: name and version, or None; ``trained_with``: versions by name,
        Python's too; ``load_seconds`` of both together with a first prediction, ``warm_seconds``
        of a second one, or None; ``warnings`` of that.
    """
    uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    report: dict = {
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "packages": {package: _installed(package) for package in _PACKAGES},
        "registry": {
            "address": public_address(uri),
            "reachable": False,
            "seconds": None,
            "error": None,
        },
        "model": None,
        "featurizer": None,
        "trained_with": {},
        "load_seconds": None,
        "warm_seconds": None,
        "warnings": [],
    }
    try:
        if not uri:
            raise refusals.not_set()
        _ask(report, name, version)
    except Exception as failure:  # noqa: BLE001  the report is the answer, whatever went wrong
        error = failure
        if not str(failure).startswith("["):  # not ours: its text may hold a password
            error = refusals.registry_at_fault("It cannot be asked", uri, failure)
        report["registry"]["error"] = str(error)
    report["node"] = node.describe()  # with the model in memory
    return report


def _ask(report: dict, name: str, version: str) -> None:
    """Fill in what the registry says, and what predicting with its model takes."""
    registry.be_impatient()
    started = time.perf_counter()
    found = registry.look_up(name, version)
    report["registry"] |= {"seconds": time.perf_counter() - started, "reachable": True}
    if isinstance(found, RuntimeError):
        raise found
    half, number = found.tags.get("featurizer"), found.tags.get("featurizer_version")
    report["model"] = {"name": name, "version": found.number}
    report["featurizer"] = {"name": half, "version": number}
    report["trained_with"] = json.loads(found.tags.get("requirements", "{}"))
    for seconds in ("load_seconds", "warm_seconds"):
        started = time.perf_counter()
        answer = predict_composition(["NaCl"], name=name, version=found.number)
        report[seconds] = time.perf_counter() - started
    report["warnings"] = answer["warnings"]


def _installed(package: str) -> str | None:
    import importlib.metadata  # it costs who only imports this module a tenth of a second

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
