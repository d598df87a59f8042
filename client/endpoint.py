"""What the client needs of an endpoint, and the real one behind it."""

import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from matminer_compute.errors import EndpointUnavailable

from .failures import as_typed
from .shards import TASK_BYTES, wire_bytes

if TYPE_CHECKING:  # the SDK takes a third of a second to import, and only the real service needs it
    from globus_compute_sdk import Client

    from .executor import JsonExecutor

#: How many tasks travel in one request, by what each may weigh in bytes: 10 MB is the service's
#: limit for a request, and the SDK does not measure its own.
_LANES = {64_000: 128, TASK_BYTES + 100_000: 8}


class Endpoint(Protocol):
    """Anything that runs a registered function: an ``Executor``, the embedded endpoint."""

    def submit_to_registered_function(
        self,
        function_id: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Future[Any]:
        """Send one task; the future holds its result, or what was raised there."""
        ...


def name_of(endpoint: Any) -> str:
    """What a person may call it by: its UUID, if it has one."""
    return str(getattr(endpoint, "endpoint_id", None) or "embedded")


class ServiceEndpoint:
    """A Globus Compute endpoint by its id, through the SDK's ``Executor``, JSON both ways.

    One failed submission stops an ``Executor`` for good, so a stopped one is replaced here. Light
    and heavy tasks have one each: how many fit a request depends on what they weigh.

    Args:
        endpoint_id: UUID of the endpoint.
        client: the SDK client to use, which then reads nothing but JSON; by default one of its
            own that logs in when it must.
        chosen: what its operator lets a caller choose, such as account or walltime; each other
            choice is another process of the endpoint, with workers of its own.

    Raises:
        ValueError: ``endpoint_id`` is not a UUID.
    """

    def __init__(
        self,
        endpoint_id: str | uuid.UUID,
        client: "Client | None" = None,
        chosen: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            self.endpoint_id = str(uuid.UUID(str(endpoint_id)))
        except ValueError:
            raise ValueError(
                f"An endpoint is named by its UUID, such as 4b116d3c-1703-4f8f-9f6f-39921e5864df "
                f"('globus-compute-endpoint list' shows it), not by {str(endpoint_id)!r}."
            ) from None
        self._client = client
        self.chosen = dict(chosen) if chosen else None
        self._executors: dict[int, JsonExecutor] = {}
        self._started: list[JsonExecutor] = []
        self._closed = False
        self._lock = threading.Lock()

    @property
    def task_group(self) -> str | None:
        """The service's UUID for our tasks; None before it has taken the first of them."""
        with self._lock:
            groups = [executor.task_group_id for executor in self._executors.values()]
        return next((str(group) for group in groups if group), None)

    def submit_to_registered_function(
        self,
        function_id: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Future[Any]:
        """Send one task to the endpoint.

        Raises:
            EndpointUnavailable: this endpoint is closed, or the service cannot be used.
        """
        weight = wire_bytes([args, kwargs])
        tasks = next((tasks for most, tasks in _LANES.items() if weight <= most), 1)
        executor = self._executor(tasks)
        future: Future[Any]
        try:
            future = executor.submit_to_registered_function(function_id, args, kwargs)
        except RuntimeError:  # it has stopped
            executor = self._executor(tasks, instead_of=executor)
            future = executor.submit_to_registered_function(function_id, args, kwargs)
        return future

    def reload(self, task_group: str) -> dict[str, Future[Any]]:
        """The tasks that the service holds in a task group of another process, by id.

        Raises:
            EndpointUnavailable: the service cannot be used, or does not know the task group.
        """
        executor = self._start_executor(min(_LANES.values()), task_group)
        try:
            return {str(future.task_id): future for future in executor.reload_tasks()}
        except Exception as error:
            raise as_typed(error) from error

    def close(self) -> None:
        """Stop sending; never waits for results that nobody waits for."""
        with self._lock:
            self._closed = True
        for executor in self._started:
            executor.let_go()

    def __repr__(self) -> str:
        return f"endpoint {self.endpoint_id}"

    def _executor(self, tasks: int, instead_of: "JsonExecutor | None" = None) -> "JsonExecutor":
        """The running Executor that sends so many tasks a request."""
        group = self.task_group
        with self._lock:
            if self._closed:
                raise EndpointUnavailable("This client is closed; make another one.")
            if self._executors.get(tasks) in (None, instead_of):
                self._executors[tasks] = self._start_executor(tasks, group)
            return self._executors[tasks]

    def _start_executor(self, tasks: int, group: str | None) -> "JsonExecutor":
        from matminer_compute.registration.service import service_registrar

        from .executor import JsonExecutor

        if self._client is None:
            self._client = service_registrar()
        executor = JsonExecutor(self.endpoint_id, self._client, group, tasks)
        executor.user_endpoint_config = self.chosen
        self._started.append(executor)
        return executor
