"""What an operator asks of a worker."""


def inspect_worker(*, name: str = "Matminer", version: str = "Production") -> dict:
    """Report a worker's Python, packages, registry and how long the model takes to load.

    Self-contained: travels as this text. Nothing is raised: what is wrong is in the answer.

    Args:
        name: registered model name to look for.
        version: an alias or a version number.

    Returns:
        ``host``, ``python``, ``pid``; ``packages``: version by name, None where missing;
        ``registry``: address (without credentials), reachable, seconds, error; ``model`` and
        ``featurizer``: name and version, or None; ``load_seconds`` of both together, or None.
    """
    import importlib.metadata
    import os
    import platform
    import tempfile
    import time

    def installed(package: str) -> str | None:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    packages = ("mlflow", "numpy", "scikit-learn", "skops", "numba", "pymatgen", "matminer",
                "globus-compute-endpoint")  # fmt: skip
    uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    scheme, slashes, rest = uri.partition("//")
    address = scheme + slashes + rest.rpartition("@")[2].partition("?")[0]
    report: dict = {
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "packages": {package: installed(package) for package in packages},
        "registry": {"address": address, "reachable": False, "seconds": None, "error": None},
        "model": None,
        "featurizer": None,
        "load_seconds": None,
    }
    registry = report["registry"]
    if not uri:
        registry["error"] = "MLFLOW_TRACKING_URI is not set on this worker."
        return report
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    try:
        import mlflow

        started = time.perf_counter()
        client = mlflow.MlflowClient()
        if version.isdigit():
            found = client.get_model_version(name, version)
        else:
            found = client.get_model_version_by_alias(name, version)
        registry["seconds"] = time.perf_counter() - started
        registry["reachable"] = True
        report["model"] = {"name": name, "version": str(found.version)}
        report["featurizer"] = {
            "name": found.tags.get("featurizer"),
            "version": found.tags.get("featurizer_version"),
        }
        started = time.perf_counter()
        # From a copy: a store that is a disk would be loaded from in place, and written into.
        with tempfile.TemporaryDirectory() as folder:
            for half in (report["featurizer"], report["model"]):
                uri = f"models:/{half['name']}/{half['version']}"
                mlflow.pyfunc.load_model(uri, dst_path=tempfile.mkdtemp(dir=folder))
        report["load_seconds"] = time.perf_counter() - started
    except Exception as error:  # noqa: BLE001  the report is the answer, whatever went wrong
        absent = getattr(error, "error_code", "") in (
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        )
        registry["reachable"] = registry["reachable"] or absent
        # The type alone: MLflow's message may hold an address with a password in it.
        registry["error"] = (
            f"No version of '{name}' is marked '{version}'." if absent else type(error).__name__
        )
    return report
