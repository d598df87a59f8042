"""The candidates of a space, part by part, as arrays."""

import math
from collections.abc import Iterator
from typing import Any

from .charges import Charges
from .formula import texts
from .known import Known
from .products import Products
from .ratios import combinations, coprime
from .rows import Rows, together

FORMAT = 1
PART = 1 << 15  # combinations of choices and amounts in a part: kept, all fit one answer


class Candidates:
    """A space, ready to be enumerated.

    Args:
        space: as JSON; see the package.

    Raises:
        ValueError: ``[bad-space]``: it is of another form.
    """

    def __init__(self, space: dict) -> None:
        import numpy as np

        if not isinstance(space, dict) or space.get("format") != FORMAT:
            raise ValueError(
                f"[bad-space] this is not a space of format {FORMAT}; pass on what Space.as_json "
                "of the same version of matminer-compute gave."
            )
        self.space, self.symbols = space, list(space["elements"])
        self.place = {symbol: place for place, symbol in enumerate(self.symbols)}
        # One more for what is absent.
        numbers = [about["number"] for about in space["elements"].values()]
        self.numbers = np.array([*numbers, 0], np.int64)
        self.charges = Charges(space["elements"], space["ordered"]) if space["neutral"] else None
        self.known = Known(space["known"], self.place) if space["known"] else None
        self.by_composition = space["by"] == "composition"
        self.products = Products(space, self.place)
        self._sizes = self.sizes()

    def sizes(self) -> list[tuple[int, int]]:
        """By block: how many units can be enumerated alone, and combinations in all of them."""
        found = []
        for block in self.space["blocks"]:
            if "of" in block:
                choices, ratios = self._choices(block), len(self._ratios(block))
                found.append((choices * _slices(ratios), choices * ratios))
            else:
                choices = math.prod(map(len, block["sites"]))
                found.append((choices, choices * len(block["rows"])))
        return found

    def parts(self, numbers: list[int]) -> Iterator[tuple[int, Rows]]:
        """The candidates of some parts, a number of rows at a time, with their part.

        Raises:
            ValueError: ``[bad-part]``: the space has no such part.
        """
        last = self.space["parts"] - 1
        for part in numbers:
            if type(part) is not int or not 0 <= part <= last:
                raise ValueError(f"[bad-part] the space has parts 0 to {last}, not {part!r}.")
        if self.by_composition:
            yield from self.products.by_composition(numbers, self.fit)
            return
        for part in numbers:
            before = 0
            for block, (units, _) in zip(self.space["blocks"], self._sizes, strict=True):
                ranks = range((part - before) % self.space["parts"], units, self.space["parts"])
                before += units
                if "of" in block:
                    yield from ((part, rows) for rows in self._of_ratios(block, ranks))
                elif ranks:
                    yield part, self.products.by_choice(block, ranks, self.fit)

    def blocks(self, numbers: list[int], size: int) -> Iterator[Rows]:
        """The same, ``size`` rows at a time whatever part they are of."""
        waiting = together([])
        for _, rows in self.parts(numbers):
            waiting = together([waiting, rows])
            while len(waiting) >= size:
                yield waiting.take(slice(size))
                waiting = waiting.take(slice(size, None))
        if len(waiting):
            yield waiting

    def texts(self, rows: Rows) -> list[str]:
        """Their formulas."""
        return texts(self.symbols, rows.places, rows.amounts, rows.divisors)

    def arrays(self, rows: Rows) -> tuple[Any, Any]:
        """What a featurizer takes: atomic numbers and amounts, float64, (n, width) both."""
        return self.numbers[rows.places], rows.amounts / rows.divisors[:, None]

    def fit(self, rows: Rows) -> Rows:
        """Those that can be neutral, if they must, and are not known."""
        import numpy as np

        if self.charges:
            rows = rows.take(np.flatnonzero(self.charges.neutral(rows.places, rows.reduced())))
        return self.known.without(rows, self.symbols) if self.known else rows

    def _of_ratios(self, block: dict, ranks: range) -> Iterator[Rows]:
        """Ratios of the units with these ranks: a choice of elements, and a slice of all ratios."""
        import numpy as np

        ratios = self._ratios(block)
        slices = _slices(len(ratios))
        step = max(1, PART // max(1, len(ratios)))
        for start in range(0, len(ranks), step):
            units = np.array(ranks[start : start + step], np.int64)
            choices = self._chosen(block, units // slices)
            some, which = ratios[(first := int(units[0]) % slices) :: slices], (block["of"], first)
            if self.charges:
                found = np.flatnonzero(self.charges.neutral_ratios(choices, some, which))
            else:
                found = np.arange(len(choices) * len(some))
            choice, ratio = np.divmod(found, len(some))
            rows = Rows(choices[choice], some[ratio], np.ones(len(choice), np.int64))
            yield self.known.without(rows, self.symbols) if self.known else rows

    def _ratios(self, block: dict) -> Any:
        limits = self.space["limits"]
        return coprime(block["of"], limits["atoms"], limits["amount"] or limits["atoms"])

    def _choices(self, block: dict) -> int:
        required = len(block["required"])
        return math.comb(len(block["elements"]) - required, block["of"] - required)

    def _chosen(self, block: dict, ranks: Any) -> Any:
        """Choices of elements (len(ranks), of) as their places, ascending."""
        import numpy as np

        required = [self.place[symbol] for symbol in block["required"]]
        free = sorted({self.place[symbol] for symbol in block["elements"]} - set(required))
        chosen = combinations(len(free), block["of"] - len(required), ranks)
        places = np.array(free, np.int64)[chosen] if chosen.size else chosen
        always = np.tile(np.array(required, np.int64), (len(ranks), 1))
        return np.sort(np.column_stack([places, always]), axis=1)


def _slices(ratios: int) -> int:
    """Into how many units so many ratios are cut."""
    return max(1, -(-ratios // PART))
