"""A progress bar on standard error, when a person is there to see it."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def shown(steps: Iterable[_T], total: int, what: str, wanted: bool | None) -> Iterator[_T]:
    """Pass ``steps`` on, drawing a bar of ``total`` if wanted, or by default on a terminal."""
    if wanted is False or (wanted is None and (total < 2 or not sys.stderr.isatty())):
        yield from steps
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(steps, description=what, total=total, console=Console(stderr=True))
