"""Candidates as arrays."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Rows:
    """Candidates: places (n, width) among a space's elements, ascending, -1 where there is none.

    ``amounts`` (n, width) are whole, 0 where there is none, and to be divided by ``divisors`` (n,).
    """

    places: Any
    amounts: Any
    divisors: Any

    def __len__(self) -> int:
        return len(self.divisors)

    def take(self, which: Any) -> "Rows":
        """Some of them."""
        return Rows(self.places[which], self.amounts[which], self.divisors[which])

    def reduced(self) -> Any:
        """Amounts (n, width) without a common divisor: equal for equal compositions."""
        import numpy as np

        return self.amounts // np.gcd.reduce(self.amounts, axis=1)[:, None]


def together(many: list[Rows]) -> Rows:
    """All in one, as wide as the widest."""
    import numpy as np

    width = max((rows.places.shape[1] for rows in many), default=0)

    def joined(name: str, fill: int) -> Any:
        arrays = [getattr(rows, name) for rows in many]
        pads = [[(0, 0), (0, width - array.shape[1])] for array in arrays]
        padded = [np.pad(a, p, constant_values=fill) for a, p in zip(arrays, pads, strict=True)]
        return np.concatenate(padded) if padded else np.zeros((0, width), np.int64)

    divisors = [rows.divisors for rows in many] or [np.zeros(0, np.int64)]
    return Rows(joined("places", -1), joined("amounts", 0), np.concatenate(divisors))


def first_of_each(rows: Rows) -> Rows:
    """Each composition once, where it comes first."""
    import numpy as np

    if len(rows) < 2:
        return rows
    keys = np.ascontiguousarray(np.column_stack([rows.places, rows.reduced()]))
    whole = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1])))[:, 0]
    return rows.take(np.sort(np.unique(whole, return_index=True)[1]))
