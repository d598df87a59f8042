"""What a caller may pass as formulas, and what is no list of them although it can be iterated."""

from collections.abc import Iterable, Mapping, Set
from typing import Any


def listed(formulas: Iterable[Any]) -> list[Any]:
    """The formulas as a list.

    Raises:
        TypeError: they are in no order, a table, or one piece of text.
    """
    if isinstance(formulas, str | bytes | bytearray):
        raise TypeError(
            f"formulas must be a list of formulas, not one piece of text; write [{formulas!r}]."
        )
    kind = type(formulas).__name__
    if isinstance(formulas, Mapping):
        raise TypeError(f"formulas must be a list, not a {kind}: pass a list of its formulas.")
    if isinstance(formulas, Set):
        raise TypeError(f"formulas must be in an order, and a {kind} has none: pass a list.")
    if len(getattr(formulas, "shape", (0,))) != 1:  # iterating over a table gives its columns
        raise TypeError(f"formulas must be one column, not a {kind}: pass the column of formulas.")
    if not isinstance(formulas, Iterable):
        raise TypeError(f"formulas must be a list of formulas, not a {kind}.")
    return list(formulas)
