"""One run: a pair of versions held to, shards from a source, a window of tasks, answers to a sink.

Whatever the client is asked is a run. It has no thread of its own: a ``Driver`` turns, and the run
sends the next shard whenever an endpoint has room for it.
"""

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from matminer_compute.errors import DeadlineExceeded, EndpointUnavailable, RegistryError

from .calls import Calls, check_seconds
from .driver import Driver, Step
from .lanes import IN_FLIGHT, Lane, lanes
from .shards import Shard
from .steps import Answer, OfShard, Part

_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)

#: Seconds without an answer after which a shard is given to an endpoint that has nothing to do.
_SILENT = 30.0


Watch = Callable[["Run[Any]"], None]


#: End the run with the error; send the shard again; send it again at the end, with no other beside
#: it, for it may be what kills the workers of all; or go on without it.
Verdict = Literal["end", "again", "alone", "aside"]


class Sink(Protocol[_R_co]):
    """Where the answers go."""

    def add(self, shard: Shard, parts: list[Part]) -> None:
        """Take a shard's answers."""
        ...

    def failed(self, shard: Shard, error: Exception) -> "Verdict":
        """What is to be done about a shard that failed."""
        ...

    def end(self, pair: Answer | None) -> _R_co:
        """Make the result of what was taken."""
        ...


@dataclass(eq=False)
class _Open:
    """A shard under way, on one lane or several."""

    shard: Shard
    lanes: list[Lane] = field(default_factory=list)
    since: float = 0.0


class Run(Generic[_R]):
    """What one call of the caller's does, from its first task to its result.

    Args:
        endpoints: where the functions run; one that cannot be used gives its shards to the others.
        shards: asked for the next one when there is room for it.
        sink: where the answers go.
        pair: the pair of versions that answers, or how to ask for it; None: each task finds it.
        plan: what is done with a shard, given the pair.
        timeout: seconds for all of it.
        room: tasks under way at once on each endpoint, at most.
        total: how many shards there are, if that is known.
        watch: called with the run when something has changed.

    Attributes:
        done: a future of the result.
        lanes: the endpoints.
        answered: how many shards are.
        watch: as above.
    """

    def __init__(
        self,
        endpoints: Sequence[Calls],
        shards: Iterator[Shard],
        sink: Sink[_R],
        *,
        pair: Answer | Callable[[Calls], Step[Answer]] | None,
        plan: Callable[[Any], OfShard],
        timeout: float | None = None,
        room: int = IN_FLIGHT,
        total: int | None = None,
        watch: Watch | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        self.done: Future[_R] = Future()
        self.lanes = lanes(endpoints, room)
        self.total, self.answered = total, 0
        self._shards, self._sink = shards, sink
        self._pair, self._plan, self._timeout, self.watch = pair, plan, timeout, watch
        self._returned: list[Shard] = []
        self._alone: list[Shard] = []
        self._open: list[_Open] = []
        self._driver = Driver()  # its own, unless it is begun with another
        self._abandoned = False

    def drive(self) -> _R:
        """Begin, and drive it in this thread to its result."""
        self.begin(self._driver)
        while not self.done.done():
            self._driver.turn()
        return self.done.result()

    def begin(self, driver: Driver) -> "Future[_R]":
        """Have it begun by the thread that drives; from any thread."""
        self._driver = driver
        driver.soon(self._begin)
        return self.done

    def abandon(self) -> None:
        """Wait no more: the result is an ``EndpointUnavailable``; from any thread."""
        self._abandoned = True
        self._driver.soon(self._give_up)

    def _begin(self) -> None:
        if not self.done.set_running_or_notify_cancel():
            return
        if self._abandoned:
            self._give_up()
            return
        if self._timeout is not None:
            self._driver.after(self._timeout, _weakly(self._expire))
        if callable(self._pair):
            self._driver.start(self._asking(self._pair), self._asked)
        else:
            self._asked(self._pair, None)

    def _asking(self, ask: Callable[[Calls], Step[Answer]]) -> Step[Answer]:
        """The pair, by the first endpoint that answers."""
        for lane in self.lanes:
            try:
                return (yield from ask(lane.calls))
            except EndpointUnavailable as error:
                lane.away = error
        raise self._nowhere()

    def _asked(self, pair: Answer | None, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        self._pair = pair
        self._of_shard = self._plan(pair)
        self._go_on()

    def _go_on(self) -> None:
        """Send what there is room for; at the end, make the result."""
        if self.done.done():
            return
        try:
            while lane := min(
                (lane for lane in self.lanes if lane.free), key=lambda lane: lane.open, default=None
            ):
                shard = self._next()
                if shard is None:
                    self._share()
                    break
                self._open.append(_Open(shard))
                self._send(self._open[-1], lane)
            if not self._open:
                assert not callable(self._pair)
                self.done.set_result(self._sink.end(self._pair))
            if self.watch:
                self.watch(self)
        except Exception as error:  # noqa: BLE001  of the source or the sink, such as a full disk
            self._fail(error)

    def _next(self) -> Shard | None:
        if self._returned:
            return self._returned.pop()
        shard = next(self._shards, None)
        if shard is None and self._alone and not self._open:
            return self._alone.pop(0)
        return shard

    def _send(self, under_way: _Open, lane: Lane) -> None:
        lane.open += 1
        under_way.lanes.append(lane)
        under_way.since = time.monotonic()
        step = self._of_shard(lane.calls, under_way.shard)
        self._driver.start(step, partial(self._ended, under_way, lane, under_way.since))

    def _ended(
        self,
        under_way: _Open,
        lane: Lane,
        since: float,
        parts: list[Part] | None,
        error: Exception | None,
    ) -> None:
        lane.open -= 1
        under_way.lanes.remove(lane)
        if self.done.done() or under_way not in self._open:
            return  # another endpoint was first
        try:
            if parts is not None:
                self._check(lane, parts)
                lane.answered(time.monotonic() - since, parts)
                self._open.remove(under_way)
                self._sink.add(under_way.shard, parts)
                self.answered += 1
            elif error is not None:
                self._failed(under_way, lane, error)
        except Exception as failure:  # noqa: BLE001
            self._fail(failure)
        self._go_on()

    def _failed(self, under_way: _Open, lane: Lane, error: Exception) -> None:
        if isinstance(error, EndpointUnavailable):
            lane.away = error
            if all(lane.away for lane in self.lanes):
                raise self._nowhere()
        if under_way.lanes:
            return  # it is under way elsewhere, too
        self._open.remove(under_way)
        away = isinstance(error, EndpointUnavailable)
        verdict = "again" if away else self._sink.failed(under_way.shard, error)
        if verdict == "end":
            raise error
        if verdict == "again":
            self._returned.append(under_way.shard)
        elif verdict == "alone":
            self._alone.append(under_way.shard)

    def _share(self) -> None:
        """Nothing is left to send: give what has no answer yet to whoever is idle."""
        idle = [lane for lane in self.lanes if lane.free and not lane.open]
        now = time.monotonic()
        for under_way in sorted(self._open, key=lambda o: o.since):
            if not idle:
                return
            if len(under_way.lanes) == 1 and idle[-1] not in under_way.lanes:
                if now - under_way.since >= _SILENT:
                    self._send(under_way, idle.pop())
                else:
                    left = _SILENT - (now - under_way.since)
                    self._driver.after(left, self._go_on)
                    return

    def _check(self, lane: Lane, parts: list[Part]) -> None:
        """All endpoints must answer by the same pair, also where each has a registry."""
        if not isinstance(self._pair, dict):
            return
        for _, answer in parts:
            said, wanted = answer.get("model"), self._pair.get("model")
            if said and wanted and said != wanted:
                raise RegistryError(
                    f"{lane.calls.endpoint!r} answers with run {said['run_id']} of "
                    f"'{said['name']}' version {said['version']}, not with run "
                    f"{wanted['run_id']}: it uses another registry. Leave it out."
                )

    def _nowhere(self) -> EndpointUnavailable:
        reasons = [lane.away for lane in self.lanes if lane.away]
        if len(reasons) == 1:
            return reasons[0]
        return EndpointUnavailable(" ".join(map(str, reasons)))

    def _expire(self) -> None:
        lane = max(self.lanes, key=lambda lane: lane.open)
        self._fail(
            DeadlineExceeded(
                f"No answer within {self._timeout:g} s from {lane.calls.endpoint!r}, while waiting "
                f"for {self._of_shard.function if self._open else 'predict'}: allow more time, or "
                "ask for fewer rows."
            )
        )

    def _give_up(self) -> None:
        self._fail(EndpointUnavailable("The client was closed; make another one."))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """Calls it if it is still there: a day's timeout must not keep an answered run that long."""
    held = weakref.WeakMethod(method)

    def call() -> None:
        if (there := held()) is not None:
            there()

    return call
