"""Where the embedded registry lives, and what a worker must know of a registry."""

import os
from pathlib import Path

import platformdirs

from matminer_compute.errors import RegistryError
from matminer_compute.errors.machine import files
from matminer_compute.registration.address import absolute, address_fault, sqlite_address


def data_folder() -> Path:
    """The user's data folder of this package; ``XDG_DATA_HOME`` moves it."""
    return platformdirs.user_data_path("matminer-compute", appauthor=False)


def registry_uri(asked: str | None = None) -> str:
    """The registry ``asked`` for, or ``MLFLOW_TRACKING_URI``, or else the embedded registry.

    The embedded one is sqlite and a folder of artifacts, in the data folder.

    Raises:
        RegistryError: the address cannot be read as one.
        FileUnusable: the data folder cannot be made.
    """
    configured = asked or os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        if fault := address_fault(configured):
            raise RegistryError(fault)
        return absolute(configured)  # a worker runs in another folder
    folder = data_folder()
    with files(
        f"The data folder {folder} cannot be made",
        advice="set XDG_DATA_HOME to one that you may write, or MLFLOW_TRACKING_URI to a registry",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    return sqlite_address(folder / "registry.db")


def worker_environment(registry: str) -> dict[str, str]:
    """The variables a worker needs: the registry, no usage telemetry, one thread."""
    return {
        "MLFLOW_TRACKING_URI": registry,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what fails travels to the caller as a sentence
        "OMP_NUM_THREADS": "1",
    }
