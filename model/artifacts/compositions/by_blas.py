"""What is left to NumPy, because matminer leaves it to BLAS."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from .batch import Compositions
from .tables import Tables

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

NEUTRAL = 1e-8  # the charge that numpy.isclose(charge, 0) still takes for zero
MAX_LISTED = 4096  # oxidation-state combinations of one composition that are simply listed
WORK_BLOCK = 1 << 15  # floats of one work array, so that it stays in the processor's cache


def add_deviations(
    tables: Tables, first: int, group: Compositions, rows: Ints, features: Floats
) -> None:
    """Fill ElementProperty's columns of the standard deviation; those of the mean are filled.

    The first of all its columns is ``first``; those of the group are in ``rows`` of features.
    """
    width = len(tables.stats)
    of = first + width * np.arange(tables.properties.shape[1])
    means, deviations = of + tables.stats.index("mean"), of + tables.stats.index("std_dev")
    step = max(16, WORK_BLOCK // (len(of) * len(group.numbers)))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        at = rows[part, None]
        values = tables.properties.T[:, group.numbers.T[part]]  # (n_properties, rows, n)
        differences = values.swapaxes(0, 1) - features[at, means][:, :, None]
        amounts = np.ascontiguousarray(group.amounts.T[part])
        with np.errstate(all="ignore"):  # as matminer: a tiny amount may give 0 / 0 = NaN
            features[at, deviations] = weighted_deviation(
                np.ascontiguousarray(differences), amounts
            )


def weighted_deviation(differences: Floats, amounts: Floats) -> Floats:
    """The weighted standard deviation of (rows, properties, n): (rows, properties)."""
    rows, properties, n = differences.shape
    if n == 1:
        return np.zeros((rows, properties))
    scale = amounts.sum(axis=1)
    beta = scale / (np.float_power(scale, 2) - (amounts * amounts).sum(axis=1))
    # vecdot, not a sum: matminer's np.dot goes to BLAS, whose kernel for this processor may
    # fuse multiply and add; vecdot calls the same kernel, on contiguous rows.
    squares = np.vecdot(differences * differences, amounts[:, None, :])
    deviation: Floats = np.sqrt(beta[:, None] * squares)
    return deviation


def neutral_possible(tables: Tables, numbers: Ints, amounts: Floats) -> bool:
    """Whether a composition (n,) that the compiled search left has neutral oxidation states."""
    if tables.n_states[numbers].prod(dtype=np.float64) <= MAX_LISTED:  # rounding decides
        return as_matminer(tables, numbers, amounts)
    return meet_in_the_middle(tables, numbers, amounts) <= NEUTRAL


def state_lists(tables: Tables, numbers: Ints) -> list[list[float]]:
    """The oxidation states of each element of one composition."""
    return [tables.states[z, : tables.n_states[z]].tolist() for z in numbers.tolist()]


def as_matminer(tables: Tables, numbers: Ints, amounts: Floats) -> bool:
    """One composition exactly as matminer does it, by BLAS dot products."""
    combinations = list(itertools.product(*state_lists(tables, numbers)))
    if not combinations:
        return False
    charges = np.vecdot(np.array(combinations), np.ascontiguousarray(amounts))
    return bool((np.abs(charges) <= NEUTRAL).any())


def meet_in_the_middle(tables: Tables, numbers: Ints, amounts: Floats) -> float:
    """The smallest |charge| of one composition with very many combinations.

    The charges of two halves are listed and matched by bisection: the square root of the work.
    """
    halves = [np.zeros(1), np.zeros(1)]
    states = state_lists(tables, numbers)
    shares = [np.array(some) * amount for some, amount in zip(states, amounts, strict=True)]
    for share in sorted(shares, key=len, reverse=True):
        smaller = int(len(halves[0]) > len(halves[1]))
        halves[smaller] = np.unique(halves[smaller][:, None] + share)
    one, other = halves
    after = np.searchsorted(one, -other)
    charges = [np.abs(one[np.clip(after - k, 0, len(one) - 1)] + other).min() for k in (0, 1)]
    return float(min(charges))
