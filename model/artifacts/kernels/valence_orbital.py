"""matminer's ValenceOrbital: the shares of the valence electrons in s, p, d and f orbitals.

share of s = mean s electrons / mean valence electrons, both weighted by amount.
"""

from __future__ import annotations

from typing import Any

from .compiling import inner
from .summing import numpy_sum


@inner
def valence_orbital(
    numbers: Any,
    amounts: Any,
    n: int,
    scale: float,
    valence: Any,
    terms: Any,
    features: Any,
    row: int,
    column: int,
) -> None:
    """Four features of one composition, from a column of a row on.

    scale is the sum of the amounts; valence (119, 5) holds electrons in s, p, d, f and in all;
    terms (n,) is room to work in. No valence electrons give 0 / 0 = NaN, as matminer.
    """
    for i in range(n):
        terms[i] = valence[numbers[i], 4] * amounts[i]
    electrons = numpy_sum(terms, n) / scale
    for orbital in range(4):
        for i in range(n):
            terms[i] = valence[numbers[i], orbital] * amounts[i]
        features[row, column + orbital] = (numpy_sum(terms, n) / scale) / electrons
