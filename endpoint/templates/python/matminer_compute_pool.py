"""Parsl's pool of workers on a node, as it is but for two things.

**The queue** is one that no killed worker closes for the others.
A worker that waits for a task does so with the queue's lock in its hands: so multiprocessing has
it. Killed there, by a kernel short of memory, say, it never gives the lock back, and no worker of
the node gets a task any more. Here it waits without the lock, and takes it to read what has come.

**The libraries** are imported once a node, in a process that workers are forked from, and so are in
its memory once. Parsl starts each worker as a Python of its own, which imports all of them itself.
"""

import importlib
import multiprocessing
import multiprocessing.context
import multiprocessing.queues
import queue
import runpy
import time
from typing import TYPE_CHECKING, Any

from parsl.multiprocessing import SpawnContext

if TYPE_CHECKING:
    _Queue = multiprocessing.queues.Queue[Any]
else:
    _Queue = multiprocessing.queues.Queue  # which has no such brackets when it runs


class Queue(_Queue):
    """A queue whose lock is held by who reads, not by who waits."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As of any queue."""
        end = None if timeout is None else time.monotonic() + timeout
        reader = vars(self)["_reader"]
        while block and reader.poll(None if end is None else max(0, end - time.monotonic())):
            try:
                return super().get(block=False)
            except queue.Empty:
                continue  # another worker was quicker
        if block:
            raise queue.Empty
        return super().get(block=False)


def start() -> None:
    """Run the pool, as if it had been started by itself."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["matminer_compute_libraries"])
    vars(SpawnContext)["Process"] = forking.Process
    # Not that of the process which knows whose task is lost when workers are.
    vars(SpawnContext)["Manager"] = multiprocessing.context.SpawnContext().Manager
    vars(SpawnContext)["Queue"] = lambda maxsize=0: Queue(maxsize, ctx=SpawnContext)
    pool = "parsl.executors.high_throughput.process_worker_pool"
    runpy.run_module(pool, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # By the name that the workers know the queue's class by.
    importlib.import_module("matminer_compute_pool").start()
