"""The one thread of a client's own, for what is asked of it without waiting."""

import threading
from concurrent.futures import Future
from typing import TypeVar

from .driver import Driver
from .run import Run

_R = TypeVar("_R")


class Background:
    """A thread that drives any number of runs."""

    def __init__(self) -> None:
        self._driver, self._stopped = Driver(), False
        threading.Thread(target=self._drive, name="matminer-compute", daemon=True).start()

    def begin(self, run: Run[_R]) -> "Future[_R]":
        """Begin a run there; gives its future."""
        return run.begin(self._driver)

    def stop(self) -> None:
        """End the thread, after what it was told before."""
        self._driver.soon(self._stop)

    def _stop(self) -> None:
        self._stopped = True

    def _drive(self) -> None:
        while not self._stopped:
            self._driver.turn()
