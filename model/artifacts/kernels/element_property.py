"""matminer's ElementProperty: statistics of the elements' properties v_i, weighted by amount w_i.

minimum, maximum, range   of v_i
mean                      sum of v_i * w_i / sum of w_i
avg_dev                   sum of |v_i - mean| * w_i / sum of w_i
mode                      the least v_i among the elements with (nearly) the largest amount
std_dev                   sqrt(beta * sum of (v_i - mean) ** 2 * w_i), see ``weighted_deviation``

All properties of an element are one row of the table, and the arithmetic of one runs beside that of
the next: a loop over p never waits for its own result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import inner

STATS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode", "std_dev")
MINIMUM, MAXIMUM, RANGE, MEAN, AVG_DEV, MODE, SUM = range(7)
TERMS = 7  # rows of work: one a statistic, one for sums, then one an element


@inner
def element_property(
    numbers: Any, amounts: Any, n: int, scale: float, properties: Any, work: Any
) -> None:
    """Statistics of one composition into the first rows of work, in the order of STATS.

    scale is the sum of the amounts; properties (119, n_properties); work (TERMS + n, n_properties).
    The standard deviation is left to ``weighted_deviation``.
    """
    width = work.shape[1]
    z, amount, most = numbers[0], amounts[0], amounts[0]
    for p in range(width):
        v = properties[z, p]
        work[MINIMUM, p] = work[MAXIMUM, p] = v
        work[TERMS, p] = v * amount
    for i in range(1, n):
        z, amount, most = numbers[i], amounts[i], max(most, amounts[i])
        for p in range(width):  # NaN stays, since no number is above or below it
            v = properties[z, p]
            low, high = work[MINIMUM, p], work[MAXIMUM, p]
            work[MINIMUM, p] = v if v < low or v != v else low
            work[MAXIMUM, p] = v if v > high or v != v else high
            work[TERMS + i, p] = v * amount
    add_up(n, work)
    for p in range(width):
        work[MEAN, p] = work[SUM, p] / scale
        work[RANGE, p] = work[MAXIMUM, p] - work[MINIMUM, p]
        work[MODE, p] = np.inf
    for i in range(n):
        z, amount = numbers[i], amounts[i]
        for p in range(width):
            work[TERMS + i, p] = abs(properties[z, p] - work[MEAN, p]) * amount
        if abs(amount - most) <= 1e-8 + 1e-5 * most:  # numpy.isclose
            for p in range(width):
                v, least = properties[z, p], work[MODE, p]
                work[MODE, p] = v if v < least or v != v else least
    add_up(n, work)
    for p in range(width):
        work[AVG_DEV, p] = work[SUM, p] / scale


@inner
def add_up(n: int, work: Any) -> None:
    """Sums of the n rows of terms, which it uses up, in the order of ``numpy_sum``."""
    done = 1
    if n >= 8:
        done = n - n % 8
        for i in range(8, done):
            for p in range(work.shape[1]):
                work[TERMS + i % 8, p] += work[TERMS + i, p]
        for step in (1, 2, 4):
            for i in range(0, 8, 2 * step):
                for p in range(work.shape[1]):
                    work[TERMS + i, p] += work[TERMS + i + step, p]
    for p in range(work.shape[1]):
        work[SUM, p] = work[TERMS, p]
    for i in range(done, n):
        for p in range(work.shape[1]):
            work[SUM, p] += work[TERMS + i, p]
