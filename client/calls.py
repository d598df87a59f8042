"""One remote call: sent, waited for, sent again where that is safe, its failure typed."""

import threading
import time
from concurrent.futures import CancelledError, Future
from typing import Any

from matminer_compute.errors import (
    BundleError,
    DeadlineExceeded,
    EndpointUnavailable,
    PayloadTooLarge,
    WorkerLost,
)

from .driver import Step, Until
from .endpoint import Endpoint
from .failures import Passing, as_typed
from .ledger import Ticket
from .shards import TASK_BYTES, wire_bytes

#: How often a task is sent again when its worker died or it is overdue. The functions are pure, so
#: that is safe; a task that kills its worker each time is not worth more.
_RESENDS = 2
#: Seconds for which a service that is away, or refuses for now, is asked again and again; the time
#: in which a task was under way does not count.
_PATIENCE = 300.0
_LONGEST_PAUSE = 8.0


def check_seconds(name: str, seconds: float | None) -> None:
    """Refuse what is no length of time: a wait of NaN seconds would never end.

    Raises:
        ValueError: it is negative, not a number, or longer than a thread can wait.
    """
    if seconds is not None and not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds}.")


class Calls:
    """Calls functions of one endpoint by name.

    Args:
        endpoint: where they run.
        function_ids: ids of the registered functions, by name.
        task_timeout: seconds after which an unanswered task is taken for lost and sent again.

    Attributes:
        resent: how many tasks were sent again.
    """

    def __init__(
        self, endpoint: Endpoint, function_ids: dict[str, str], task_timeout: float | None
    ) -> None:
        check_seconds("task_timeout", task_timeout)
        self.endpoint = endpoint
        self.function_ids = function_ids
        self.resent = 0
        self._task_timeout = task_timeout

    def call(
        self,
        function: str,
        args: list[Any],
        kwargs: dict[str, Any],
        ticket: Ticket | None = None,
    ) -> Step[dict[str, Any]]:
        """Run a registered function on the endpoint, as a step that returns its result.

        Args:
            function: its name.
            args: positional arguments, JSON.
            kwargs: keyword arguments, JSON.
            ticket: whether the task was sent before, and where to note that it is sent.

        Raises:
            BundleError: the bundle is older than the function.
            PayloadTooLarge: the arguments are over what one task may weigh; nothing was sent.
            DeadlineExceeded: each time it was sent, no answer came in time.
            MatminerComputeError: whatever else the endpoint, the registry or the function says.
        """
        if function not in self.function_ids:
            raise BundleError(
                f"The bundle lacks {function}: ask its publisher for a new one ('matminer-compute "
                "register' makes it)."
            )
        weight = wire_bytes(args)
        if weight > TASK_BYTES:
            raise PayloadTooLarge(
                f"{function} would be sent {weight:,} bytes, and a task carries {TASK_BYTES:,}: "
                "shorten the longest formulas, or name fewer things at once."
            )
        sent: list[Future[Any]] = [ticket.accepted] if ticket and ticket.accepted else []
        send, resends, pauses = not sent, 0, 0
        refused, asked = 0.0, time.monotonic()  # seconds for which the service was away; since when
        while True:
            try:
                if send:
                    asked = time.monotonic()
                    sent.append(self._send(function, args, kwargs))
                    if ticket:
                        yield from self._noted(ticket, sent[-1])
                ended = yield Until(sent, self._task_timeout)
                asked = time.monotonic()  # the task was under way until now, nothing was away
                if ended:
                    return _result(ended)
                if resends == _RESENDS:
                    raise self._no_answer(function)
                resends += 1
            except WorkerLost:
                if resends == _RESENDS:
                    raise
                resends += 1
            except Passing as error:
                yield Until([], min(2.0**pauses, _LONGEST_PAUSE))
                pauses += 1
                refused += time.monotonic() - asked
                if refused > _PATIENCE:
                    raise EndpointUnavailable(str(error)) from error
            self.resent += 1
            # A task taken for lost may still answer; any of them will do.
            send, sent = True, [future for future in sent if not future.done()]

    def _send(self, function: str, args: list[Any], kwargs: dict[str, Any]) -> Future[Any]:
        try:
            return self.endpoint.submit_to_registered_function(
                self.function_ids[function], tuple(args), kwargs
            )
        except RuntimeError as error:  # an Executor of the caller's: nobody can start it again
            raise EndpointUnavailable(
                f"{self.endpoint!r} takes no more tasks ({error}); open another one."
            ) from error
        except Exception as error:
            raise as_typed(error) from error

    def _noted(self, ticket: Ticket, future: Future[Any]) -> Step[None]:
        """Note which task it is, once the service has taken it, which the SDK does not say."""
        while not future.done() and not getattr(future, "task_id", None):
            yield Until([future], 0.05)
        ticket.note(future, self.endpoint)

    def _no_answer(self, function: str) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"No answer within {self._task_timeout:g} s from {self.endpoint!r}, while waiting for "
            f"{function}, though it was sent {1 + _RESENDS} times: raise task_timeout, or see "
            "whether the endpoint's workers start ('matminer-compute endpoint doctor')."
        )


def _result(ended: Future[Any]) -> dict[str, Any]:
    try:
        result: dict[str, Any] = ended.result()
        return result
    except (CancelledError, Exception) as error:
        raise as_typed(error) from error
