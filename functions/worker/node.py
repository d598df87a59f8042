"""The machine that a worker runs on: what it has, and what of that a worker may use."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from .node_cache import shared_folder

_THREADS = ("MATMINER_COMPUTE_THREADS", "OMP_NUM_THREADS", "PARSL_WORKER_COUNT")


def describe() -> dict:
    """CPUs, variables that say how many threads, memory and cache (bytes), and the clock (s)."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpus": cpus,
        "threads": {name: os.environ.get(name) for name in _THREADS},
        "memory": _memory(),
        "cache": _cache(),
        "clock": time.time(),
    }


def _memory() -> dict:
    """Bytes that this process holds, and that the machine has left; None where not known."""
    memory: dict = {"held": None, "free": None}
    with contextlib.suppress(ImportError, OSError):
        import psutil  # Parsl brings it

        memory["held"] = psutil.Process().memory_info().rss
        memory["free"] = psutil.virtual_memory().available
    return memory


def _cache() -> dict:
    """The folder of artifacts: whether it can be written, and the room there."""
    folder = Path(shared_folder())
    cache: dict = {"folder": str(folder), "error": None, "free": None}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            cache["free"] = shutil.disk_usage(folder).free
    except OSError as unusable:
        cache["error"] = unusable.strerror or type(unusable).__name__
    return cache
