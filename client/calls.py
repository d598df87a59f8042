"""One remote call: sent, waited for, sent again if its worker died, its failure typed."""

import json
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from matminer_compute.errors import (
    DeadlineExceeded,
    EndpointUnavailable,
    PayloadTooLarge,
    WorkerLost,
)

from .endpoint import TASK_BYTES, Endpoint
from .failures import as_typed

#: How often a task is sent again when its worker died. The functions are pure, so it is safe; a
#: task that kills its worker each time is not worth more.
_RESENDS = 2


class Wait:
    """What one call of the caller's waits for: tasks in flight, and until when."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout
        self._futures: set[Future[Any]] = set()
        self._abandoned = False

    def result(self, future: Future[Any]) -> Any:
        """The future's result; ``TimeoutError`` past the end, ``CancelledError`` if abandoned."""
        self._futures.add(future)
        if self._abandoned:
            future.cancel()
        try:
            left = None if self._end is None else max(0.0, self._end - time.monotonic())
            return future.result(left)
        finally:
            self._futures.discard(future)

    def abandon(self) -> None:
        """Wait no more: whoever does gets a ``CancelledError``."""
        self._abandoned = True
        for future in list(self._futures):
            future.cancel()


class Calls:
    """Calls functions of an endpoint by name and waits for their results."""

    def __init__(self, endpoint: Endpoint, function_ids: dict[str, str]) -> None:
        self.endpoint = endpoint
        self._ids = function_ids

    def call(
        self, function: str, args: list[Any], kwargs: dict[str, Any], wait: Wait
    ) -> dict[str, Any]:
        """Call ``function`` on the endpoint.

        Raises:
            PayloadTooLarge: the arguments are over what one task may weigh; nothing was sent.
            DeadlineExceeded: no answer in time.
            MatminerComputeError: whatever else the endpoint, the registry or the function says.
        """
        weight = len(json.dumps(args))
        if weight > TASK_BYTES:
            raise PayloadTooLarge(
                f"{function} would be sent {weight:,} bytes; a task carries {TASK_BYTES:,}."
            )
        for attempt in range(_RESENDS + 1):
            try:
                return self._once(function, args, kwargs, wait)
            except WorkerLost:
                if attempt == _RESENDS:
                    raise
        raise AssertionError("unreachable")

    def _once(
        self, function: str, args: list[Any], kwargs: dict[str, Any], wait: Wait
    ) -> dict[str, Any]:
        future = None
        try:
            future = self.endpoint.submit_to_registered_function(
                self._ids[function], tuple(args), kwargs
            )
            result: dict[str, Any] = wait.result(future)
            return result
        except CancelledError:
            raise EndpointUnavailable(f"The wait for {function} was abandoned.") from None
        except FutureTimeout as error:
            if future is None or future.done():
                raise as_typed(error) from error
            future.cancel()
            raise DeadlineExceeded(
                f"No answer within {wait.timeout:g} s from {self.endpoint!r}, while waiting "
                f"for {function}."
            ) from None
        except Exception as error:
            raise as_typed(error) from error
