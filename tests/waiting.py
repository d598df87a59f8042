"""Waiting for what must come true, as long as it takes and not longer than a hang."""

import time

PATIENCE = 180  # seconds: a bound on a hang, not an expectation


def until(condition):
    """Wait until ``condition()`` is true, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("the condition did not come true")
