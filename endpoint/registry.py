"""Where the embedded registry lives, and what a worker must know of a registry."""

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """The user's data folder of this package; ``XDG_DATA_HOME`` moves it."""
    return platformdirs.user_data_path("matminer-compute", appauthor=False)


def registry_uri() -> str:
    """``MLFLOW_TRACKING_URI``, or else the embedded registry: sqlite and a folder of artifacts."""
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'registry.db'}"


def worker_environment(registry: str) -> dict[str, str]:
    """The variables a worker needs: the registry, no usage telemetry, one thread."""
    return {
        "MLFLOW_TRACKING_URI": registry,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
    }
