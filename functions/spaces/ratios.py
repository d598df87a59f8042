"""Whole numbers: ratios without a common divisor, and combinations by their rank."""

import functools
import math
from typing import Any


@functools.lru_cache(maxsize=16)
def coprime(of: int, atoms: int, amount: int) -> Any:
    """All ratios of ``of`` positive whole numbers without a common divisor: (n, of).

    Args:
        of: how many numbers.
        atoms: the most that they sum up to.
        amount: the most that one of them is.
    """
    import numpy as np

    rows, sums = np.zeros((1, 0), np.int64), np.zeros(1, np.int64)
    for left in range(of - 1, -1, -1):
        counts = np.clip(atoms - left - sums, 0, amount)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        new = np.arange(counts.sum()) - first + 1
        rows = np.column_stack([np.repeat(rows, counts, axis=0), new])
        sums = np.repeat(sums, counts) + new
    return rows[np.gcd.reduce(rows, axis=1) == 1]


def combinations(n: int, of: int, ranks: Any) -> Any:
    """The combinations of ``of`` of the numbers below ``n`` with these ranks: (len(ranks), of).

    Each ascends; they are ranked by their last number, then the one before (Knuth, The Art of
    Computer Programming 4A, 7.2.1.3).
    """
    import numpy as np

    ranks = np.array(ranks, np.int64)
    chosen = np.empty((len(ranks), of), np.int64)
    for place in range(of, 0, -1):
        below = _binomials(n, place)
        number = np.searchsorted(below, ranks, side="right") - 1
        chosen[:, place - 1] = number
        ranks -= below[number]
    return chosen


@functools.lru_cache(maxsize=256)
def _binomials(n: int, of: int) -> Any:
    """How many combinations of ``of`` numbers there are below each of 0 to n: (n + 1,)."""
    import numpy as np

    return np.array([math.comb(number, of) for number in range(n + 1)], np.int64)
