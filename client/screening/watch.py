"""What is seen of a screening under way: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matminer_compute.client.endpoint import name_of
from matminer_compute.client.numerals import count
from matminer_compute.client.run import Run

from .sink import FileSink
from .sources import Source

_TERMINAL, _LOG = 0.2, 30.0  # seconds between two looks
#: Shows how many are done, of how many, and a line of all else: an empty one at the end.
Show = Callable[[int, int, str], None]


class Watcher:
    """Told of every event of a run, it shows how far a screening is.

    Args:
        sink: what counts the rows.
        source: what is screened, which knows about how many rows it has.
        show: shows it.
        interval: seconds between two looks.
    """

    def __init__(self, sink: FileSink, source: Source, show: Show, interval: float) -> None:
        self._sink, self._source, self._show, self._interval = sink, source, show, interval
        self._started, self._next = time.monotonic(), 0.0
        self._before: int | None = None

    def __call__(self, run: Run[Any]) -> None:
        """Show it, if it is time to."""
        now = time.monotonic()
        if self._before is None:  # what an earlier process did is not this one's rate
            self._before, self._started = self._sink.rows, now
            self._next = now + min(self._interval, 5.0)
        rows = self._sink.rows
        if run.done.done():
            whole = max(1, rows)  # of nothing, no bar has any part
            self._show(whole, whole, "")
        elif now >= self._next:
            self._next = now + self._interval
            self._show(rows, max(self._source.rows, rows), self._line(run, now))

    def _line(self, run: Run[Any], now: float) -> str:
        done = self._sink.rows - (self._before or 0)
        rate = done / max(now - self._started, 1e-9)
        left = max(0, self._source.rows - self._sink.rows) / rate if rate else None
        lanes = [(name_of(lane.calls.endpoint), lane.open) for lane in run.lanes]
        under_way = ", ".join(f"{name} {tasks}" for name, tasks in lanes if tasks)
        tally, resent = self._sink.final.tally, sum(lane.calls.resent for lane in run.lanes)
        rejected = tally.rejected.total()
        parts = [
            f"{self._sink.rows:,} of about {count(self._source.rows, self._source.unit)}",
            f"{rate:,.0f} a second" if self._source.whole and rate >= 0.5 else "",
            f"{_duration(left)} left" if left is not None else "",
            "" if self._source.whole else count(tally.rows, "candidate"),
            f"tasks under way: {under_way}" if under_way else "",
            f"rejected: {rejected:,}" if rejected else "",
            f"sent again: {resent}" if resent else "",
        ]
        return "; ".join(filter(None, parts))


@contextmanager
def watched(sink: FileSink, source: Source, wanted: bool | None) -> Iterator[Watcher | None]:
    """Something that watches: a bar on a terminal or in a notebook, else a line now and then."""
    if wanted is False:
        yield None
    elif _in_a_notebook():
        yield Watcher(sink, source, _on_a_page(), _TERMINAL)
    elif sys.stderr.isatty():
        with _on_a_terminal(source.rows) as show:
            yield Watcher(sink, source, show, _TERMINAL)
    else:
        yield Watcher(sink, source, _in_a_log, _LOG)


@contextmanager
def _on_a_terminal(rows: int) -> Iterator[Show]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn
    from rich.text import Text

    progress = Progress(
        "Screening", BarColumn(None), TaskProgressColumn(), TimeElapsedColumn(), expand=True
    )
    task = progress.add_task("", total=rows)
    with Live(progress, console=Console(stderr=True)) as live:

        def show(done: int, of: int, line: str) -> None:
            progress.update(task, completed=done, total=of)
            live.update(Group(progress, Text(line)) if line else progress)

        yield show


def _in_a_log(done: int, of: int, line: str) -> None:
    if line:
        print(line, file=sys.stderr, flush=True)


def _on_a_page() -> Show:
    """One line of a notebook's page, written over: rich's own bar there needs ipywidgets."""
    from IPython.display import Pretty, display

    handle = display(Pretty("Screening"), display_id=True)
    return lambda done, of, line: handle.update(Pretty(line or "Screening: done"))


def _in_a_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.0f} h"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
