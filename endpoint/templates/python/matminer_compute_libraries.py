"""What the workers of a node need, imported once: they are forked from the process that has it.

What a library lacks here, or cannot do, a worker will say when it has a task that needs it.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import sys

LIBRARIES = (
    "parsl.executors.high_throughput.process_worker_pool",
    "globus_compute_endpoint.engines.helper",
    "mlflow.pyfunc",
    "mlflow.artifacts",
    "numba",
)
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
#: As of Linux's prctl: the signal that a process gets when the one that forked it ends.
_PARENT_DEATH_SIGNAL = 1


def bring() -> None:
    """Import what there is, and see to it that forked processes are workers of their own."""
    registry = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI", "")
    database = registry.startswith(DATABASES)
    for name in (*LIBRARIES, *["mlflow.store.model_registry.sqlalchemy_store"] * database):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        _wake_compiler()
    os.register_at_fork(after_in_child=_become_worker)
    gc.freeze()  # or the first collection in each worker would write to, and so copy, all pages


def _wake_compiler() -> None:
    """Numba learns types and operations with the first function that it compiles."""
    import numba

    numba.njit(lambda x: x + 1)(1)


def _become_worker() -> None:
    if sys.platform == "linux":
        # Who waits for the workers knows them dead when this process is; so they must be.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # a copy would draw what all others draw


bring()
