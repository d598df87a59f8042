"""Equal compositions found in one pass, by a hash table with open addressing (Knuth, TAOCP 6.4).

Compositions are equal if they have the same elements and amounts, to the bit, in the same order.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from .compiling import compiled, read_only


@compiled(
    int64(read_only(int64, 2, "A"), read_only(uint64, 2, "A"), int64[::1], int64[::1], int64[::1]),
    rows=3,
    few=10_000,
)
def distinct(numbers: Any, amounts: Any, slots: Any, places: Any, firsts: Any) -> int:
    """How many compositions (n, rows) are distinct, in order of first appearance.

    Args:
        numbers: atomic numbers.
        amounts: the bits of the amounts.
        slots: -1 everywhere, a power of two of them, more than rows.
        places: (rows,), gets the place of each among the distinct ones.
        firsts: (rows,), gets the first row of each of these.
    """
    n, rows = numbers.shape
    count, mask = 0, len(slots) - 1
    for row in range(rows):
        code = uint64(0)
        for i in range(n):
            code = (code ^ amounts[i, row] ^ uint64(numbers[i, row])) * uint64(0x9E3779B97F4A7C15)
            code ^= code >> uint64(29)
        at = int64(code & uint64(mask))
        while True:
            found = slots[at]
            if found < 0:
                slots[at] = places[row] = count
                firsts[count] = row
                count += 1
                break
            other, same = firsts[found], True
            for i in range(n):
                same &= numbers[i, row] == numbers[i, other]
                same &= amounts[i, row] == amounts[i, other]
            if same:
                places[row] = found
                break
            at = (at + 1) & mask
    return count
