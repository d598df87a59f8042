"""A Globus Compute endpoint inside this process: no account, no network, no broker."""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import Result, Task
from globus_compute_endpoint.engines.base import GCFuture, GlobusComputeEngineBase
from globus_compute_sdk.errors import TaskExecutionFailed
from globus_compute_sdk.sdk.asynchronous.compute_future import ComputeFuture
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect

from matminer_compute.errors import (
    EndpointUnavailable,
    FunctionNotAllowed,
    PayloadTooLarge,
    WorkerLost,
)

from .engines import EngineName, make_engine, stop_engine
from .registry import registry_uri, worker_environment
from .scratch import Scratch

#: What the Compute service accepts in one request, in bytes.
REQUEST_LIMIT = 10_000_000
_JSON = [f"{JSONData.__module__}.{JSONData.__qualname__}"]


class EmbeddedEndpoint(AbstractContextManager["EmbeddedEndpoint"]):
    """The real Globus Compute engine, serializers and limits, in this process.

    It plays the service (``register_function``) and the endpoint
    (``submit_to_registered_function``), so the code that uses it runs unchanged against both.
    Safe to use from many threads. Closing it ends its processes.

    Args:
        engine: ``"processes"`` (a pool; the default), ``"threads"`` or ``"parsl"`` (the engine of
            real clusters: about nine seconds to its first result).
        workers: how many tasks run at once; the processors this process may use by default.
        registry: the MLflow tracking URI that workers load models from; ``MLFLOW_TRACKING_URI``,
            or else the embedded registry, by default.
        allowed_functions: function ids that may run; all registered ones by default.

    Raises:
        RegistryError: the registry's address cannot be read as one.
        FileUnusable: the data folder or a temporary one cannot be made.
    """

    #: Whose the ids are, for a bundle of them.
    service = "embedded"

    def __init__(
        self,
        engine: EngineName = "processes",
        *,
        workers: int | None = None,
        registry: str | None = None,
        allowed_functions: Collection[str] | None = None,
    ) -> None:
        self.engine_name = engine
        self.workers = workers or len(os.sched_getaffinity(0))
        self.registry = registry_uri(registry)
        self._allowed = None if allowed_functions is None else set(map(str, allowed_functions))
        self._functions: dict[str, str] = {}
        self._serializer = ComputeSerializer(
            strategy_code=PureSourceTextInspect(), strategy_data=JSONData()
        )
        self._id = uuid.uuid4()
        self._lock = threading.RLock()
        self._engine: GlobusComputeEngineBase | None = None
        self._open: set[ComputeFuture] = set()
        self._closed = False
        self._scratch = Scratch()
        self._process = os.getpid()

    def register_function(
        self,
        function: Callable[..., Any],
        description: str | None = None,
        public: bool = False,
        group: str | None = None,
    ) -> str:
        """Register a self-contained function; returns its id, the same for the same source.

        ``description``, ``public`` and ``group`` are the service's; nobody else is here to care.
        """
        code = self._serializer.serialize(function)
        function_id = str(uuid.uuid5(uuid.NAMESPACE_OID, code))
        self._functions[function_id] = code
        return function_id

    def submit_to_registered_function(
        self,
        function_id: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Future[Any]:
        """Run a registered function on a worker.

        Returns:
            A future of its result; a failure there is a ``TaskExecutionFailed``, as from the
            SDK's ``Executor``, a worker that died a ``WorkerLost``.

        Raises:
            EndpointUnavailable: the endpoint is closed, or of the process this one was forked from.
            FunctionNotAllowed: the id is not registered, or not allowed.
            PayloadTooLarge: the arguments exceed what the service would take.
            SerializationError: the arguments are not JSON (the SDK's own error).
        """
        if os.getpid() != self._process:
            raise EndpointUnavailable(
                "This embedded endpoint belongs to the process that this one was forked from; "
                "open another one here."
            )
        function_id = str(function_id)
        if function_id not in self._functions:
            raise FunctionNotAllowed(
                f"Function {function_id} is not registered with this embedded endpoint; "
                "give register_function the function first."
            )
        if self._allowed is not None and function_id not in self._allowed:
            raise FunctionNotAllowed(
                f"Function {function_id} is not among this endpoint's allowed_functions; "
                "ask its operator to add it."
            )
        buffer = self._serializer.pack_buffers(
            [
                self._functions[function_id],
                self._serializer.serialize(list(args or ())),
                self._serializer.serialize(kwargs or {}),
            ]
        )
        if len(buffer) > REQUEST_LIMIT:
            raise PayloadTooLarge(
                f"This task is {len(buffer):,} bytes; the Compute service takes "
                f"{REQUEST_LIMIT:,} a request. Send fewer rows at once."
            )
        task_id = uuid.uuid4()
        packed = messagepack.pack(Task(task_id=task_id, task_buffer=buffer))
        future = ComputeFuture(str(task_id))
        with self._lock:
            if self._closed:
                raise EndpointUnavailable("This embedded endpoint is closed.")
            engine = self.running_engine()
            self._open.add(future)
        finished = GCFuture(task_id)
        finished.add_done_callback(lambda done: self._deliver(done.result(), future, engine))
        engine.submit(finished, packed, {}, _JSON)
        return future

    def close(self) -> None:
        """End the workers; tasks that are still open fail with ``EndpointUnavailable``."""
        if os.getpid() != self._process:
            return  # a fork's copy: workers and folder are its parent's
        with self._lock:
            self._closed = True
            engine, self._engine = self._engine, None
            still_open, self._open = self._open, set()
        for future in still_open:
            if future.set_running_or_notify_cancel():
                future.set_exception(EndpointUnavailable("The embedded endpoint was closed."))
        if engine is not None:
            stop_engine(engine)
        self._scratch.remove()

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedEndpoint({self.engine_name!r}, workers={self.workers})"

    def running_engine(self) -> GlobusComputeEngineBase:
        """The engine, started if it is not: for what this class does not do."""
        if self._engine is None:
            engine = make_engine(self.engine_name, self.workers, worker_environment(self.registry))
            engine.start(endpoint_id=self._id, run_dir=str(self._scratch.path))
            self._engine = engine
        if self.engine_name == "threads":
            self._engine.working_dir = Path.cwd()  # a task changes into it, and so would we
        return self._engine

    def _deliver(
        self, packed: bytes, future: ComputeFuture, engine: GlobusComputeEngineBase
    ) -> None:
        result = messagepack.unpack(packed)
        assert isinstance(result, Result)
        # Only a worker adds details: a failure without them is the engine's, of a dead worker.
        lost = result.is_error and result.details is None
        if lost:
            self._replace(engine)
        with self._lock:
            if future not in self._open:
                return
            self._open.discard(future)
        if not future.set_running_or_notify_cancel():
            return
        if lost:
            logging.getLogger(__name__).debug("Lost task %s: %s", future.task_id, result.data)
            future.set_exception(
                WorkerLost(
                    f"The worker that held task {future.task_id} died (out of memory, or killed); "
                    "the functions are pure, so it is safe to ask again."
                )
            )
        elif result.is_error:
            future.set_exception(TaskExecutionFailed(result.data))
        else:
            future.set_result(self._serializer.deserialize(result.data))

    def _replace(self, broken: GlobusComputeEngineBase) -> None:
        """Let the next task start a new pool: a broken one fails every later task."""
        if self.engine_name == "parsl":
            return  # it restarts its workers itself
        with self._lock:
            current = self._engine
            if current is None or current is not broken:
                return
            self._engine = None
        current.shutdown()
