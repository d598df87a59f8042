"""What is kept of all that was predicted: the best, a range, or everything."""

import math
from collections.abc import Callable
from typing import Any

from .rows import Rows, together

#: Rows kept beyond those asked for before they are thinned out.
_SLACK = 1 << 15
#: Rows in one answer: if each is outside, with its reason, they stay under the service's 10 MiB.
MOST = 40_000

_FORMS = (
    'write {"top": 100, "order": "lowest"} (or "highest"), {"below": -2.0}, {"above": 1.5} or '
    '{"all": true}.'
)


class Kept:
    """Rows with their values, as few as what is asked for allows.

    Args:
        keep: as ``screen_space`` takes it.
        texts: formulas of rows.

    Raises:
        ValueError: ``[bad-keep]``: it asks for something else.
    """

    def __init__(self, keep: dict, texts: Callable[[Rows], list[str]]) -> None:
        self.texts = texts
        self.top, self.sign, self.lowest, self.highest = _wanted(keep)
        self.rows = together([])
        self.numbers: Any = None
        self._new: list[tuple[Rows, Any]] = []

    def add(self, rows: Rows, numbers: Any) -> None:
        """Look at rows and their numbers (n, some), of which the first is the value.

        Raises:
            RuntimeError: ``[too-many-kept]``: more than an answer holds.
        """
        import numpy as np

        values = numbers[:, 0]
        wanted = np.flatnonzero((values > self.lowest) & (values < self.highest))
        if self.top and self.numbers is not None and len(self.numbers) >= self.top:
            worst = (self.sign * self.numbers[:, 0]).max()
            wanted = wanted[self.sign * values[wanted] <= worst]
        self._new.append((rows.take(wanted), numbers[wanted]))
        count = sum(len(some) for some, _ in self._new)
        if self.top and count >= self.top + _SLACK:
            self._thin()
        elif not self.top and count > MOST:
            raise RuntimeError(
                f"[too-many-kept] more than {MOST:,} rows are to be kept of these parts; ask for "
                "fewer parts at once, or keep fewer."
            )

    def answer(self) -> tuple[Rows, Any, list[str]]:
        """Rows, numbers and formulas of what is kept: a top in its order, all else as it came."""
        self._thin()
        return self.rows, self.numbers, self.texts(self.rows)

    def _thin(self) -> None:
        """Join what came, and keep the best; of equal values the formula decides."""
        import numpy as np

        before = [] if self.numbers is None else [(self.rows, self.numbers)]
        parts = [*before, *self._new]
        self._new = []
        rows = together([some for some, _ in parts])
        numbers = np.concatenate([some for _, some in parts]) if parts else np.zeros((0, 4))
        if self.top:
            key = self.sign * numbers[:, 0]
            order = np.argsort(key, kind="stable")
            if len(order) > self.top:
                order = order[: np.searchsorted(key[order], key[order[self.top - 1]], "right")]
            formulas = np.array(self.texts(rows.take(order)), dtype=str)
            order = order[np.lexsort((formulas, key[order]))][: self.top]
            rows, numbers = rows.take(order), numbers[order]
        self.rows, self.numbers = rows, numbers


def _wanted(keep: Any) -> tuple[int, float, float, float]:
    """How many (0: any number), the sign of their order, and the bounds of their values."""
    wanted = dict(keep) if isinstance(keep, dict) else {}
    order = wanted.pop("order", "lowest")
    if len(wanted) == 1 and order in ("lowest", "highest"):
        ((name, value),) = wanted.items()
        if name == "all" and value is True:
            return 0, 1.0, -math.inf, math.inf
        if type(value) is int and name == "top" and 1 <= value <= MOST:
            return value, 1.0 if order == "lowest" else -1.0, -math.inf, math.inf
        if type(value) in (int, float) and math.isfinite(value):  # True is an int
            if name == "below":
                return 0, 1.0, -math.inf, value
            if name == "above":
                return 0, 1.0, value, math.inf
    most = f" A top has at most {MOST:,} rows." if "top" in wanted else ""
    raise ValueError(f"[bad-keep] {keep!r} does not say what to keep: {_FORMS}{most}")
