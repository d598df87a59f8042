"""matminer's Stoichiometry: how evenly the amounts are shared, as p-norms of the atomic fractions.

For p = 0 the number of elements; else (sum of x_i ** p) ** (1 / p), x_i = amount_i / total, summed
from left to right.
"""

from __future__ import annotations

from typing import Any

from .compiling import inner


@inner
def stoichiometry(
    amounts: Any, n: int, total: float, norms: Any, features: Any, row: int, column: int
) -> None:
    """Six features of one composition, from a column of a row on; norms is (2, 3, 5, 7, 10).

    The norms are an argument because ``**`` is the C library's ``pow``, as Python's is, only while
    the compiler does not know the exponent: it would make x * x of x ** 2, which rounds otherwise.
    """
    features[row, column] = n
    for k in range(len(norms)):
        p = norms[k]
        powers = (amounts[0] / total) ** p
        for i in range(1, n):
            powers += (amounts[i] / total) ** p
        features[row, column + 1 + k] = powers ** (1.0 / p)
