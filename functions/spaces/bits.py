"""Sets of whole numbers as bits of 64-bit words, and numbers that are many times the same."""

import functools
from typing import Any

_DENSE = 1 << 22  # a table of so many places is quicker than sorting


def packed(sets: list[int], bits: int) -> Any:
    """Whole numbers of so many bits as rows of words: (n, words) uint64."""
    import numpy as np

    words = -(-bits // 64)
    joined = b"".join(some.to_bytes(8 * words, "little") for some in sets)
    return np.frombuffer(joined, "<u8").reshape(-1, words)


def distinct(codes: Any, bound: int) -> tuple[Any, Any]:
    """The distinct ones of codes in 0 .. bound - 1, ascending, and the place of each among them."""
    import numpy as np

    if bound > _DENSE:
        found, places = np.unique(codes, return_inverse=True)
        return found, places.reshape(codes.shape)
    there = np.zeros(bound, bool)
    there[codes] = True
    found = np.flatnonzero(there)
    place = np.empty(bound, np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]


def plus(sums: int, charges: tuple[int, ...], sign: int) -> int:
    """Bits of sums with any of the charges added to each."""
    total = 0
    for charge in charges:
        by = sign * charge
        total |= sums << by if by >= 0 else sums >> -by
    return total


@functools.lru_cache(maxsize=4096)
def sums_of(states: tuple[int, ...], amount: int) -> tuple[int, ...]:
    """What ``amount`` numbers out of ``states`` can sum up to."""
    least, reached = min(states), 1
    for _ in range(amount):
        reached = functools.reduce(int.__or__, (reached << state - least for state in states))
    return tuple(
        place + amount * least for place in range(reached.bit_length()) if reached >> place & 1
    )
