"""Choices of an element for each site, times rows of amounts."""

from collections.abc import Callable, Iterator
from typing import Any

from .known import codes
from .rows import Rows, first_of_each, together

_STEP = 1 << 17  # combinations of choices and rows made together


class Products:
    """The blocks of a space that have sites.

    Args:
        space: as JSON.
        place: of the space's elements, by symbol.
    """

    def __init__(self, space: dict, place: dict[str, int]) -> None:
        self.space, self.limits = space, space["limits"]
        self.place, self.absent = place, len(place)

    def by_choice(self, block: dict, ranks: range, fit: Callable[[Rows], Rows]) -> Rows:
        """The candidates of the choices with these ranks, each composition once."""
        found = (fit(first_of_each(rows)) for rows in self._all(block, ranks))
        return first_of_each(together(list(found)))

    def by_composition(
        self, parts: list[int], fit: Callable[[Rows], Rows]
    ) -> Iterator[tuple[int, Rows]]:
        """The candidates of the parts, each composition once in the whole space."""
        import numpy as np

        wanted = np.isin(np.arange(self.space["parts"]), parts)
        mine: list[Rows] = []
        for block in self.space["blocks"]:
            sizes = [len(site) for site in block["sites"]]
            for rows in self._all(block, range(int(np.prod(sizes, dtype=np.int64)))):
                owner = self._owner(rows)
                mine.append(first_of_each(rows.take(np.flatnonzero(wanted[owner]))))
        rows = first_of_each(together(mine))
        owner = self._owner(rows)
        for part in parts:
            yield part, fit(rows.take(np.flatnonzero(owner == part)))

    def _owner(self, rows: Rows) -> Any:
        """The part that each composition belongs to."""
        return (codes(rows.places, rows.reduced()) % self.space["parts"]).astype(int)

    def _all(self, block: dict, ranks: range) -> Iterator[Rows]:
        """All combinations that are within the limits, the same composition more than once."""
        import numpy as np

        step = max(1, _STEP // max(1, len(block["rows"])))
        table = np.array(block["rows"], np.int64)
        fixed = np.array(
            [[self.place[symbol] for symbol in row] for row in block["fixed"]], np.int64
        )
        for start in range(0, len(ranks), step):
            chosen = self._chosen(block, ranks[start : start + step])
            for first in range(0, len(table), _STEP):
                some = slice(first, first + _STEP)
                yield self._combined(block["sites"], chosen, fixed[some], table[some])

    def _chosen(self, block: dict, ranks: range) -> Any:
        """Which of its elements each site has: (n, sites), the last site changing fastest.

        Of sites that cannot be told apart the first has the lower one.
        """
        import numpy as np

        sites = block["sites"]
        shape = [len(site) for site in sites]
        indexes = np.unravel_index(np.array(ranks, np.int64), shape) if sites else ()
        chosen = np.column_stack(indexes) if sites else np.zeros((len(ranks), 0), np.int64)
        columns = list(zip(*block["rows"], strict=True))[1:]
        for one in range(len(sites)):
            for other in range(one + 1, len(sites)):
                if sites[one] == sites[other] and columns[one] == columns[other]:
                    chosen = chosen[chosen[:, one] <= chosen[:, other]]
        return chosen

    def _combined(self, sites: list, chosen: Any, fixed: Any, table: Any) -> Rows:
        """Every choice with every row of amounts, as the limits allow."""
        import numpy as np

        chosen = np.repeat(chosen, len(table), axis=0)
        amounts = np.tile(table[:, 1:], (len(chosen) // len(table), 1))
        places = np.empty_like(amounts)
        for column, site in enumerate(sites):
            places[:, column] = np.array([self.place[s] for s in site])[chosen[:, column]]
        places[:, len(sites) :] = np.tile(fixed, (len(chosen) // len(table), 1))
        # Nobody is at a site without an amount: one choice for it stands for all.
        once = ~((amounts[:, : len(sites)] == 0) & (chosen > 0)).any(axis=1)
        divisors = np.tile(table[:, 0], len(chosen) // len(table))
        rows = Rows(places, amounts, divisors).take(np.flatnonzero(once))
        return self._within_limits(self._ordered(rows))

    def _ordered(self, rows: Rows) -> Rows:
        """Elements in their order, absent ones last, one at several sites taken together or not."""
        import numpy as np

        places = np.where(rows.amounts > 0, rows.places, self.absent)
        order = np.argsort(places, axis=1, kind="stable")
        places = np.take_along_axis(places, order, axis=1)
        amounts = np.take_along_axis(rows.amounts, order, axis=1)
        twice = (places[:, 1:] == places[:, :-1]) & (amounts[:, 1:] > 0)
        if not self.space["merge"]:
            kept = np.flatnonzero(~twice.any(axis=1))
            places[places == self.absent] = -1
            return Rows(places[kept], amounts[kept], rows.divisors[kept])
        if not twice.any():
            places[places == self.absent] = -1
            return Rows(places, amounts, rows.divisors)
        for column in range(places.shape[1] - 1, 0, -1):
            same = twice[:, column - 1]
            amounts[same, column - 1] += amounts[same, column]
            amounts[same, column] = 0
        return self._ordered(Rows(places, amounts, rows.divisors))

    def _within_limits(self, rows: Rows) -> Rows:
        """Those of allowed size, whole amounts without a common divisor."""
        import numpy as np

        whole = (rows.amounts % rows.divisors[:, None] == 0).all(axis=1)
        amounts = np.where(whole[:, None], rows.reduced(), rows.amounts)
        rows = Rows(rows.places, amounts, np.where(whole, 1, rows.divisors))
        least, most = self.limits["elements"]
        sizes = (amounts > 0).sum(axis=1)
        fits = (sizes >= least) & (sizes <= most)
        if self.limits["atoms"]:
            fits &= amounts.sum(axis=1) <= self.limits["atoms"] * rows.divisors
        if self.limits["amount"]:
            fits &= amounts.max(axis=1) <= self.limits["amount"] * rows.divisors
        return rows.take(np.flatnonzero(fits))
