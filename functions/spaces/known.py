"""Compositions that are known, found again among candidates."""

from typing import Any

from .formula import read, texts
from .rows import Rows


def codes(places: Any, amounts: Any) -> Any:
    """A number (n,) uint64 for each composition: equal for equal ones, hardly ever for others.

    Args:
        places: (n, width), ascending, -1 where there is none.
        amounts: (n, width), whole and without a common divisor, 0 where there is none.
    """
    import numpy as np

    mixed = (places.astype(np.uint64) << np.uint64(40)) + amounts.astype(np.uint64)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # splitmix64 (Steele et al., 2014)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.where(amounts > 0, mixed, np.uint64(0)).sum(axis=1, dtype=np.uint64)


class Known:
    """A set of compositions.

    Args:
        joined: formulas of reduced compositions as ``texts`` writes them, with spaces between.
        place: of the space's elements, by symbol.
    """

    def __init__(self, joined: str, place: dict[str, int]) -> None:
        import numpy as np

        self.formulas = set(joined.split())
        terms = [read(formula) for formula in self.formulas]
        width = max(map(len, terms), default=0)
        places = np.full((len(terms), width), -1, np.int64)
        amounts = np.zeros((len(terms), width), np.int64)
        for row, of in enumerate(terms):
            places[row, : len(of)] = [place[symbol] for symbol, _ in of]
            amounts[row, : len(of)] = [amount for _, amount in of]
        self.codes = np.sort(codes(places, amounts))

    def without(self, rows: Rows, symbols: list[str]) -> Rows:
        """The rows that are not known."""
        import numpy as np

        if not len(rows):
            return rows
        reduced = rows.reduced()
        wanted = codes(rows.places, reduced)
        at = np.minimum(np.searchsorted(self.codes, wanted), len(self.codes) - 1)
        alike = np.flatnonzero(self.codes[at] == wanted)
        whole = np.ones(len(alike), np.int64)
        found = texts(symbols, rows.places[alike], reduced[alike], whole)  # the code may deceive
        drop = [
            row for row, text in zip(alike.tolist(), found, strict=True) if text in self.formulas
        ]
        return rows.take(np.delete(np.arange(len(rows)), drop)) if drop else rows
