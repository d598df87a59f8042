"""Drives what is under way: one thread, woken by tasks that end and by times that come.

A *step* is a generator. It yields what it waits for, goes on with the future that ended (None: the
time is up), and returns its result: it reads like the calls it makes, one after another, and the
hundreds that are under way need no thread each.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Until:
    """What a step waits for: the first of some futures to end, or so many seconds.

    Futures are never cancelled, only left: a cancelled one breaks the SDK's result thread.
    """

    futures: Sequence[Future[Any]]
    seconds: float | None = None


Step = Generator[Until, "Future[Any] | None", _T]


@dataclass(slots=True)
class _UnderWay(Generic[_T]):
    step: Step[_T] | None
    then: Callable[[_T | None, Exception | None], None] | None
    turn: int = 0  # a wait that is over must not wake it again


class Driver:
    """Steps under way, and the thread that calls ``turn`` drives them.

    ``soon`` may be called from any thread, all else from the one that drives.
    """

    def __init__(self) -> None:
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._times: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def start(self, step: Step[_T], then: Callable[[_T | None, Exception | None], None]) -> None:
        """Begin a step; ``then`` gets its result, or what it raised."""
        self.soon(partial(self._go_on, _UnderWay(step, then), None))

    def soon(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called by the driving thread."""
        self._events.put(callback)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when so many seconds have passed."""
        heapq.heappush(self._times, (time.monotonic() + seconds, next(self._order), callback))

    def turn(self) -> None:
        """Wait for what comes next, and do what follows from it."""
        left = self._times[0][0] - time.monotonic() if self._times else None
        try:
            event = self._events.get(timeout=None if left is None else max(left, 0.0))
        except Empty:
            event = heapq.heappop(self._times)[2]
        event()

    def _go_on(self, under_way: _UnderWay[_T], ended: Future[Any] | None) -> None:
        assert under_way.step is not None
        assert under_way.then is not None
        try:
            until = under_way.step.send(ended)
        except StopIteration as end:
            self._end(under_way, end.value, None)
        except Exception as error:  # noqa: BLE001  whoever began the step judges it
            self._end(under_way, None, error)
        else:
            under_way.turn += 1
            wake = partial(self._wake, under_way, under_way.turn)
            for future in until.futures:
                future.add_done_callback(lambda ended: self.soon(partial(wake, ended)))
            if until.seconds is not None:
                self.after(until.seconds, partial(wake, None))

    def _wake(self, under_way: _UnderWay[_T], turn: int, ended: Future[Any] | None) -> None:
        if under_way.turn == turn:
            self._go_on(under_way, ended)

    def _end(self, under_way: _UnderWay[_T], result: _T | None, error: Exception | None) -> None:
        then = under_way.then
        # A time that is yet to come still holds this; what it worked on must not stay with it.
        under_way.step = under_way.then = None
        under_way.turn += 1
        assert then is not None
        then(result, error)
