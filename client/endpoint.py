"""What the client needs of an endpoint, and the real one behind it."""

import threading
import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the SDK takes a third of a second to import, and only the real service needs it
    from globus_compute_sdk import Client, Executor

#: What one task may weigh, in bytes, and how many travel in one request: together they stay under
#: the service's 10 MB a request, which the SDK does not measure.
TASK_BYTES = 1_000_000
TASKS_PER_REQUEST = 8


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


class ServiceEndpoint:
    """A Globus Compute endpoint by its id, through the SDK's ``Executor``, JSON both ways.

    One failed submission stops an ``Executor`` for good, so a stopped one is replaced here.

    Args:
        endpoint_id: UUID of the endpoint.
        client: the SDK client to use; by default one that logs in when it must.
    """

    def __init__(self, endpoint_id: str | uuid.UUID, client: "Client | None" = None) -> None:
        self.endpoint_id = str(uuid.UUID(str(endpoint_id)))
        self._client = client
        self._executor: Executor | None = None
        self._lock = threading.Lock()

    def submit_to_registered_function(
        self,
        function_id: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Future[Any]:
        """Send one task to the endpoint."""
        future: Future[Any]
        try:
            future = self._running().submit_to_registered_function(function_id, args, kwargs)
        except RuntimeError:  # it stopped between the look and the submission
            future = self._running().submit_to_registered_function(function_id, args, kwargs)
        return future

    def close(self) -> None:
        """Stop sending; never waits for results that nobody waits for."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)

    def __repr__(self) -> str:
        return f"endpoint {self.endpoint_id}"

    def _running(self) -> "Executor":
        from globus_compute_sdk import Client, Executor
        from globus_compute_sdk.serialize import JSONData, PureSourceTextInspect

        with self._lock:
            if self._executor is None or self._executor._stopped:
                if self._client is None:
                    self._client = Client(
                        code_serialization_strategy=PureSourceTextInspect(),
                        data_serialization_strategy=JSONData(),
                    )
                self._executor = Executor(
                    endpoint_id=self.endpoint_id,
                    client=self._client,
                    batch_size=TASKS_PER_REQUEST,
                    result_serializers=[JSONData()],
                )
            return self._executor
