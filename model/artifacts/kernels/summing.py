"""Sums in matminer's order, on which the last bit depends."""

from __future__ import annotations

from typing import Any

from .compiling import inner


@inner
def numpy_sum(terms: Any, n: int) -> Any:
    """The first n terms, which it uses up, in the order of NumPy's sum of one contiguous row.

    Left to right below 8 terms, else eight running sums (NumPy's pairwise summation, which would
    split again only above 128 terms: more than there are elements).
    """
    done = 1
    if n >= 8:
        done = n - n % 8
        for i in range(8, done):
            terms[i % 8] += terms[i]
        for step in (1, 2, 4):
            for i in range(0, 8, 2 * step):
                terms[i] += terms[i + step]
    total = terms[0]
    for i in range(done, n):
        total += terms[i]
    return total


@inner
def python_sum(terms: Any, n: int, compensated: bool) -> Any:
    """The first n terms as the built-in ``sum`` adds them.

    From left to right; from Python 3.12 on with Neumaier's compensation (ZAMM 54, 39, 1974): what
    each addition rounds away is kept, and added at the end.
    """
    total, lost = terms[0], 0.0
    for i in range(1, n):
        term = terms[i]
        larger = total + term
        if compensated:
            if abs(total) >= abs(term):
                lost += (total - larger) + term
            else:
                lost += (term - larger) + total
        total = larger
    return total + lost
