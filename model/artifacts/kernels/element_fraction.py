"""matminer's ElementFraction: the atomic fraction of each element, in the order of atomic numbers.

Fraction x_i = amount_i / total; the total is pymatgen's running sum, from left to right on every
Python, and pymatgen drops a fraction below 1e-8.
"""

from __future__ import annotations

from typing import Any

from .compiling import inner

ELEMENTS = 118
LEAST = 1e-8  # pymatgen's Composition.amount_tolerance


@inner
def element_fraction(
    numbers: Any, amounts: Any, n: int, features: Any, row: int, column: int
) -> None:
    """118 features of one composition, from a column of a row on."""
    for z in range(ELEMENTS):
        features[row, column + z] = 0.0
    total = amounts[0]
    for i in range(1, n):
        total += amounts[i]
    for i in range(n):
        fraction = amounts[i] / total
        if fraction >= LEAST:
            features[row, column + numbers[i] - 1] = fraction
