"""Where the embedded registry lives, and what a worker must know of a registry."""

import os
from pathlib import Path

import platformdirs

from matminer_compute.errors import RegistryError
from matminer_compute.errors.address import sqlite_address


def data_folder() -> Path:
    """The user's data folder of this package; ``XDG_DATA_HOME`` moves it."""
    return platformdirs.user_data_path("matminer-compute", appauthor=False)


def registry_uri() -> str:
    """``MLFLOW_TRACKING_URI``, or else the embedded registry: sqlite and a folder of artifacts.

    Raises:
        RegistryError: the data folder cannot be made.
    """
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured
    folder = data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(
            f"The data folder {folder} cannot be made ({error.strerror}): set XDG_DATA_HOME to a "
            "folder that you may write, or MLFLOW_TRACKING_URI to a registry."
        ) from error
    return sqlite_address(folder / "registry.db")


def worker_environment(registry: str) -> dict[str, str]:
    """The variables a worker needs: the registry, no usage telemetry, one thread."""
    return {
        "MLFLOW_TRACKING_URI": registry,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
    }
