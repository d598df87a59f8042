"""What an operator asks of a worker."""

import importlib.metadata
import os
import platform
import tempfile
import time

from .worker import refusals, registry
from .worker.address import public_address


def inspect_worker(*, name: str = "Matminer", version: str = "Production") -> dict:
    """Report a worker's Python, packages, registry and how long the model takes to load.

    Nothing is raised: what is wrong is in the answer.

    Args:
        name: registered model name to look for.
        version: an alias or a version number.

    Returns:
        ``host``, ``python``, ``pid``; ``packages``: version by name, None where missing;
        ``registry``: address (without credentials), reachable, seconds, error; ``model`` and
        ``featurizer``: name and version, or None; ``load_seconds`` of both together, or None.
    """
    packages = ("mlflow", "numpy", "scikit-learn", "skops", "numba", "pymatgen", "matminer",
                "globus-compute-endpoint")  # fmt: skip
    uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    report: dict = {
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "packages": {package: _installed(package) for package in packages},
        "registry": {
            "address": public_address(uri),
            "reachable": False,
            "seconds": None,
            "error": None,
        },
        "model": None,
        "featurizer": None,
        "load_seconds": None,
    }
    try:
        if not uri:
            raise refusals.not_set()
        _ask(report, name, version)
    except Exception as error:  # noqa: BLE001  the report is the answer, whatever went wrong
        # Of a failure that is not ours the type alone: MLflow's text may hold a password.
        ours = str(error).startswith("[")
        report["registry"]["error"] = str(error) if ours else type(error).__name__
    return report


def _ask(report: dict, name: str, version: str) -> None:
    """Fill in what the registry says, and what loading from it takes."""
    import mlflow

    registry.be_impatient()
    started = time.perf_counter()
    found = registry.look_up(name, version)
    report["registry"] |= {"seconds": time.perf_counter() - started, "reachable": True}
    if isinstance(found, RuntimeError):
        raise found
    half, number = found.tags.get("featurizer"), found.tags.get("featurizer_version")
    report["model"] = {"name": name, "version": found.number}
    report["featurizer"] = {"name": half, "version": number}
    started = time.perf_counter()
    # From a copy: a store that is a disk would be loaded from in place, and written into.
    with tempfile.TemporaryDirectory() as folder:
        for uri in (f"models:/{half}/{number}", f"models:/{name}/{found.number}"):
            mlflow.pyfunc.load_model(uri, dst_path=tempfile.mkdtemp(dir=folder))
    report["load_seconds"] = time.perf_counter() - started


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
