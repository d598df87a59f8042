"""The real engines of ``globus-compute-endpoint``, set up for this machine."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from globus_compute_endpoint.engines import (
    GlobusComputeEngine,
    ProcessPoolEngine,
    ThreadPoolEngine,
)
from globus_compute_endpoint.engines.base import GlobusComputeEngineBase as Engine
from globus_compute_sdk.serialize import JSONData, PureSourceTextInspect
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider
from threadpoolctl import threadpool_limits

EngineName = Literal["processes", "threads", "parsl"]

#: What an engine here deserializes: source text and JSON. A pickle is refused unread.
ALLOWED_SERIALIZERS = [PureSourceTextInspect, JSONData]
_PROGRAMS = Path(__file__).parent / "templates" / "python"


def make_engine(name: EngineName, workers: int, environment: dict[str, str]) -> Engine:
    """Make, but not start, an engine whose workers see ``environment``.

    Raises:
        ValueError: ``name`` is not one of the three.
    """
    makers: dict[str, Callable[[int, dict[str, str]], Engine]] = {
        "processes": _processes,
        "threads": _threads,
        "parsl": _parsl,
    }
    if name not in makers:
        raise ValueError(f"engine must be one of {', '.join(makers)}, not {name!r}.")
    return makers[name](workers, environment)


def stop_engine(engine: Engine) -> None:
    """Shut an engine down and end its processes, also one that is busy."""
    # The pool's own shutdown waits for running tasks; nobody is waiting for them any more.
    pool = getattr(engine, "executor", None)
    processes = list((getattr(pool, "_processes", None) or {}).values())
    engine.shutdown()
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _processes(workers: int, environment: dict[str, str]) -> Engine:
    return ProcessPoolEngine(
        max_workers=workers,
        initializer=_become_worker,
        initargs=(environment,),
        allowed_serializers=ALLOWED_SERIALIZERS,
    )


def _threads(workers: int, environment: dict[str, str]) -> Engine:
    engine = _Threads(max_workers=workers, allowed_serializers=ALLOWED_SERIALIZERS)
    engine.lend(environment)
    return engine


def _parsl(workers: int, environment: dict[str, str]) -> Engine:
    command = str(Path(sys.executable).with_name("globus-compute-endpoint"))
    ours = os.pathsep.join([str(_PROGRAMS), *filter(None, [os.environ.get("PYTHONPATH")])])
    exported = {**environment, "PYTHONPATH": ours}
    exports = [f"export {key}={shlex.quote(value)}" for key, value in exported.items()]
    engine = GlobusComputeEngine(
        label="embedded",
        address="127.0.0.1",
        max_workers_per_node=workers,
        provider=LocalProvider(
            init_blocks=1,
            min_blocks=1,
            max_blocks=1,
            launcher=SimpleLauncher(),
            worker_init="\n".join(exports),
        ),
        allowed_serializers=ALLOWED_SERIALIZERS,
    )
    # By name they would be looked for on a PATH that need not hold this environment.
    executor = engine.executor
    executor.interchange_launch_cmd = [command, *executor.interchange_launch_cmd[1:]]
    pool = "parsl.executors.high_throughput.process_worker_pool"
    executor.launch_cmd = executor.launch_cmd.replace(
        f"globus-compute-endpoint python-exec {pool}",
        f"{shlex.quote(command)} python-exec matminer_compute_pool",
        1,
    )
    return engine


class _Threads(ThreadPoolEngine):
    """A pool whose workers are this process, so what they need is lent to its environment."""

    def lend(self, environment: dict[str, str]) -> None:
        self._before = {key: os.environ.get(key) for key in environment}
        os.environ.update(environment)

    def shutdown(self, /, block: bool = False, **kwargs: Any) -> None:
        super().shutdown(block=block, **kwargs)
        for key, value in self._before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _become_worker(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that owns the pool
    # A worker a core needs no threads of its own; and an OpenMP team that the owner of the pool
    # has used does not survive the fork: with more than one thread the first use would hang.
    threadpool_limits(1)
    # Of a notebook, this is a copy of its kernel, where bars of what is imported look for widgets.
    warnings.filterwarnings("ignore", message="IProgress not found")
    # A failure travels to the caller; printing it here too would only frighten.
    logging.getLogger("globus_compute_endpoint").addHandler(logging.NullHandler())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A pool whose owner was killed would otherwise wait for its next task for ever.
    parent: Any = multiprocessing.parent_process()
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
