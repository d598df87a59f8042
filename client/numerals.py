"""Numbers as a person reads them."""

import math


def significant(value: float, digits: int = 5) -> str:
    """``value`` with so many significant digits; as a power of ten where zeros would hide them.

    ``-2.1479``, ``160.23``, ``2.1000e-07``; the whole part is never rounded away.
    """
    size = abs(value)
    if not math.isfinite(value) or (size and not 1e-3 <= size < 1e7):
        return f"{value:.{digits - 1}e}"
    whole = math.floor(math.log10(size)) if size else 0
    return f"{value:.{max(0, digits - 1 - whole)}f}"


def count(number: int, noun: str = "") -> str:
    """A number of rows or of whatever else a noun in the singular names."""
    shown = f"{number:,}"
    return f"{shown} {noun}{'' if number == 1 else 's'}" if noun else shown
