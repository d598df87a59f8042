"""One remote call: sent, waited for, sent again where that is safe, its failure typed."""

import threading
import time
from concurrent.futures import CancelledError, Future
from typing import Any

from matminer_compute.errors import (
    DeadlineExceeded,
    EndpointUnavailable,
    PayloadTooLarge,
    WorkerLost,
)

from .endpoint import Endpoint
from .failures import Passing, as_typed
from .journal import Ticket
from .shards import TASK_BYTES, wire_bytes

#: How often a task is sent again when its worker died or it is overdue. The functions are pure, so
#: that is safe; a task that kills its worker each time is not worth more.
_RESENDS = 2
#: Seconds for which a service that is away, or refuses for now, is asked again and again.
_PATIENCE = 300.0
_LONGEST_PAUSE = 8.0


def check_seconds(name: str, seconds: float | None) -> None:
    """Refuse what is no length of time: a wait of NaN seconds would never end.

    Raises:
        ValueError: it is negative, not a number, or longer than a thread can wait.
    """
    if seconds is not None and not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds}.")


class Wait:
    """What one call of the caller's waits for: tasks in flight, and until when.

    Raises:
        ValueError: the timeout is no length of time.
    """

    def __init__(self, timeout: float | None) -> None:
        check_seconds("timeout", timeout)
        self.timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout
        self._ends: set[threading.Event] = set()
        self._abandoned = False

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end

    def first_of(self, futures: list[Future[Any]], seconds: float | None) -> Future[Any] | None:
        """The first of the futures to end; None if none has in ``seconds``, or when time is up.

        Futures are never cancelled, only left: a cancelled one breaks the SDK's result thread.

        Raises:
            EndpointUnavailable: the wait was abandoned.
        """
        ended = threading.Event()
        self._ends.add(ended)
        try:
            for future in futures:
                future.add_done_callback(lambda _: ended.set())
            left = None if self._end is None else max(0.0, self._end - time.monotonic())
            if not self._abandoned:
                ended.wait(min((s for s in (left, seconds) if s is not None), default=None))
        finally:
            self._ends.discard(ended)
        if self._abandoned:
            raise EndpointUnavailable("The wait for the endpoint was abandoned.")
        return next((future for future in futures if future.done()), None)

    def abandon(self) -> None:
        """Wait no more: whoever does gets an ``EndpointUnavailable``."""
        self._abandoned = True
        for ended in list(self._ends):
            ended.set()


class Calls:
    """Calls functions of an endpoint by name and waits for their results.

    Args:
        endpoint: where they run.
        function_ids: ids of the registered functions, by name.
        task_timeout: seconds after which an unanswered task is taken for lost and sent again.
    """

    def __init__(
        self, endpoint: Endpoint, function_ids: dict[str, str], task_timeout: float | None
    ) -> None:
        check_seconds("task_timeout", task_timeout)
        self.endpoint = endpoint
        self.function_ids = function_ids
        self._task_timeout = task_timeout

    def call(
        self,
        function: str,
        args: list[Any],
        kwargs: dict[str, Any],
        wait: Wait,
        ticket: Ticket | None = None,
    ) -> dict[str, Any]:
        """Call ``function`` on the endpoint.

        A ``ticket`` says which task was sent for this call before, and is told which one is now.

        Raises:
            PayloadTooLarge: the arguments are over what one task may weigh; nothing was sent.
            DeadlineExceeded: no answer in time.
            MatminerComputeError: whatever else the endpoint, the registry or the function says.
        """
        weight = wire_bytes(args)
        if weight > TASK_BYTES:
            raise PayloadTooLarge(
                f"{function} would be sent {weight:,} bytes; a task carries {TASK_BYTES:,}."
            )
        sent: list[Future[Any]] = [ticket.accepted] if ticket and ticket.accepted else []
        send, resends, pauses, patient_until = not sent, 0, 0, time.monotonic() + _PATIENCE
        while True:
            try:
                if send:
                    sent.append(self._send(function, args, kwargs, wait, ticket))
                answer = self._answer(sent, wait)
                if answer is not None:
                    return answer
                if wait.over:
                    raise self._no_answer(function, wait.timeout)
                if resends == _RESENDS:
                    raise self._no_answer(function, self._task_timeout)
                resends += 1
            except WorkerLost:
                if resends == _RESENDS:
                    raise
                resends += 1
            except Passing as error:
                wait.first_of([], min(2.0**pauses, _LONGEST_PAUSE))
                pauses += 1
                if wait.over:
                    raise self._no_answer(function, wait.timeout) from error
                if time.monotonic() > patient_until:
                    raise EndpointUnavailable(str(error)) from error
            # A task taken for lost may still answer; any of them will do.
            send, sent = True, [future for future in sent if not future.done()]

    def _send(
        self,
        function: str,
        args: list[Any],
        kwargs: dict[str, Any],
        wait: Wait,
        ticket: Ticket | None,
    ) -> Future[Any]:
        try:
            future = self.endpoint.submit_to_registered_function(
                self.function_ids[function], tuple(args), kwargs
            )
        except RuntimeError as error:  # an Executor of the caller's: nobody can start it again
            raise EndpointUnavailable(
                f"{self.endpoint!r} takes no more tasks ({error}); open another one."
            ) from error
        except Exception as error:
            raise as_typed(error) from error
        if ticket:
            while not (future.done() or getattr(future, "task_id", None) or wait.over):
                wait.first_of([future], 0.05)  # the SDK does not say when the service took it
            ticket.note(future)
        return future

    def _answer(self, sent: list[Future[Any]], wait: Wait) -> dict[str, Any] | None:
        """The result of the first task to end; None if none has in the time for it."""
        ended = wait.first_of(sent, self._task_timeout)
        if ended is None:
            return None
        try:
            result: dict[str, Any] = ended.result()
            return result
        except (CancelledError, Exception) as error:
            raise as_typed(error) from error

    def _no_answer(self, function: str, seconds: float | None) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"No answer within {seconds:g} s from {self.endpoint!r}, while waiting for {function}."
        )
