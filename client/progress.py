"""A progress bar on standard error, when a person is there to see it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .run import Run, Watch


@contextmanager
def bar(what: str, wanted: bool | None) -> Iterator[Watch | None]:
    """A bar of a run's tasks, if wanted, or by default on a terminal and for more than one."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True))
    task = progress.add_task(what, total=None)

    def show(run: Run[Any]) -> None:
        if wanted or (run.total or 0) > 1:
            progress.start()
            progress.update(task, total=run.total, completed=run.answered)

    try:
        yield show
    finally:
        progress.stop()
