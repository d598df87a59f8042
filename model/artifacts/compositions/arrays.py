"""Compositions as arrays: the distinct ones of many, and those that never were texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .batch import Compositions
from .numerals import MAX_AMOUNT, MIN_AMOUNT

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def place_distinct(
    kernels: Any, groups: list[Compositions], place: Ints
) -> list[tuple[Compositions, Ints]]:
    """The distinct compositions of all groups, each with its row among all, by first appearance.

    The row is entered in place for every text of the groups.
    """
    placed, first = [], np.zeros(len(place), bool)
    for group in groups:
        rows = len(group.texts)
        if rows == 1:
            first[group.texts] = True
            placed.append((group, np.zeros(1, np.intp)))
            continue
        slots = np.full(2 << rows.bit_length(), -1)
        places, firsts = np.empty((2, rows), np.intp)
        bits = group.amounts.view(np.uint64)
        count = kernels.distinct(group.numbers, bits, slots, places, firsts)
        first[group.texts[firsts[:count]]] = True
        placed.append((group if count == rows else group.take(firsts[:count]), places))
    row = np.cumsum(first) - 1
    found = []
    for group, (unique, places) in zip(groups, placed, strict=True):
        rows_of_unique = row[unique.texts]
        place[group.texts] = rows_of_unique[places]
        found.append((unique, rows_of_unique))
    return found


def arrange(numbers: Ints, amounts: Floats, most: int) -> tuple[list[Compositions], dict[int, str]]:
    """Compositions (rows, width) grouped by number of elements, and the reason by rejected row.

    An element that comes twice counts once, with the sum of its amounts, where it came first.

    Args:
        numbers: atomic numbers, up to ``most``.
        amounts: zero where a composition has fewer elements than others.
        most: the largest atomic number.
    """
    amounts = amounts.copy()
    places = -1 - np.arange(numbers.shape[1])  # an absent element is like no other
    ordered = np.sort(np.where(amounts > 0, numbers, places), axis=1)
    for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)).tolist():
        first: dict[int, int] = {}
        for place in np.flatnonzero(amounts[row] > 0).tolist():
            where = first.setdefault(int(numbers[row, place]), place)
            if where != place:
                amounts[row, where] += amounts[row, place]
                amounts[row, place] = 0.0
    there = amounts > 0
    faults: dict[str, npt.NDArray[np.bool_]] = {
        "an amount is negative or not a number": ~(amounts >= 0),
        f"an amount is over {MAX_AMOUNT:g}": amounts > MAX_AMOUNT,
        f"an atomic number is not between 1 and {most}": there & ((numbers < 1) | (numbers > most)),
        f"an amount is under {MIN_AMOUNT:g}": there & (amounts < MIN_AMOUNT),
        "no amount is over zero": there.sum(axis=1)[:, None] == 0,
    }
    rejected: dict[int, str] = {}
    for reason, fault in faults.items():
        for row in np.flatnonzero(fault.any(axis=1)).tolist():
            rejected.setdefault(row, reason)
    sizes = there.sum(axis=1)
    sizes[list(rejected)] = 0
    groups = []
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size)
        kept = np.argsort(~there[rows], axis=1, kind="stable")[:, :size]
        at = rows[:, None]
        groups.append(Compositions(rows, numbers[at, kept].T, amounts[at, kept].T))
    return groups, rejected
