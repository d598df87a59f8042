"""Which compositions can be neutral, by the oxidation states of their elements.

Each element takes one state; where it may be of mixed valence, each of its atoms does. What charges
an element can bring is a set of bits, one a charge; sets are added by shifts. Two halves of a
composition balance when the sets of the one and, negated, of the other have a bit in common.
"""

import math
from collections.abc import Iterator
from typing import Any

from .balance import Balance
from .bits import distinct, packed, plus, sums_of


class Charges:
    """Decides neutrality for elements by their place in a space.

    Args:
        elements: as in a space.
        ordered: whether every cation must be less electronegative than every anion, as in SMACT's
            ``pauling_test`` (Davies et al., Chem 1, 617, 2016); an element without a value for it
            then has no compounds.
    """

    def __init__(self, elements: dict[str, dict], ordered: bool) -> None:
        import numpy as np

        self.ordered = ordered
        self.states = [tuple(sorted(about["states"])) for about in elements.values()]
        many = [about["mixed"] and len(about["states"]) > 1 for about in elements.values()]
        self.mixed = np.array(many, bool)
        # One more, above all, for what is absent.
        given = [about["electronegativity"] for about in elements.values()]
        values = [math.nan if value is None else value for value in given]
        self.electronegativity = np.array([*values, math.inf])
        signs = (lambda s: True, lambda s: s >= 0, lambda s: s <= 0)
        kinds: dict[tuple, int] = {((), False): 0}
        self.kind = np.zeros((3, len(self.states) + 1), np.int64)
        for sign, fits in enumerate(signs):
            for place, states in enumerate(self.states):
                kind = (tuple(filter(fits, states)), bool(self.mixed[place]))
                self.kind[sign, place] = kinds.setdefault(kind, len(kinds))
        self.kinds = list(kinds)
        self._kind, self._values = self.kind.tolist(), self.electronegativity.tolist()
        self._balances: dict[tuple, Balance] = {}
        self._brought: dict[tuple[int, int], tuple[int, ...]] = {}

    def neutral(self, places: Any, amounts: Any) -> Any:
        """Whether compositions can be neutral: (n,) bool.

        Args:
            places: (n, width), ascending in electronegativity, absent ones -1 and last.
            amounts: (n, width), whole, 0 where absent.
        """
        import numpy as np

        if not self.ordered:
            return self._balance(self.kind[0][places], amounts)
        width = places.shape[1]
        values = np.column_stack([self.electronegativity[places], np.full(len(places), np.inf)])
        lone = (amounts > 0).sum(axis=1) == 1
        known = ~np.isnan(values[:, :-1]).any(axis=1) | lone
        found = np.zeros(len(places), bool)
        for first in range(1, width + 1):  # the first place that is an anion's
            cut = known & ~found & ((values[:, first - 1] < values[:, first]) | lone)
            rows = np.flatnonzero(cut)
            kinds = self.kind[1][places[rows]]
            kinds[:, first:] = self.kind[2][places[rows, first:]]
            found[rows] = self._balance(kinds, amounts[rows])
        return found

    def neutral_ratios(self, choices: Any, ratios: Any, which: tuple) -> Any:
        """The same for every choice of elements (c, of) with every ratio (r, of): (c, r) bool.

        ``which`` names the ratios, so that what was found out about them is found again.
        """
        import numpy as np

        if choices.shape[1] == 1:
            return self.neutral(choices, np.ones_like(choices))[:, None]
        if which not in self._balances:
            most = max((abs(state) for states in self.states for state in states), default=0)
            self._balances[which] = Balance(ratios, most)
        balance = self._balances[which]
        found = np.zeros((len(choices), len(ratios)), bool)
        for row, choice in enumerate(choices.tolist()):
            for kinds in self._kinds_of(choice):
                found[row] |= balance.of(kinds, self._charges)
        return found

    def _kinds_of(self, choice: list[int]) -> Iterator[tuple[int, ...]]:
        """The kinds of a choice of elements; if cations come first, for each cut behind them."""
        if not self.ordered:
            yield tuple(self._kind[0][place] for place in choice)
            return
        values = [self._values[place] for place in choice]
        if any(value != value for value in values):
            return
        for first in range(1, len(choice) + 1):
            if first == len(choice) or values[first - 1] < values[first]:
                kinds = tuple(self._kind[1 + (k >= first)][p] for k, p in enumerate(choice))
                if all(self.kinds[kind][0] for kind in kinds):
                    yield kinds

    def _balance(self, kinds: Any, amounts: Any) -> Any:
        """Whether atoms of these kinds, (n, width) both, can balance: (n,) bool."""
        import numpy as np

        if not len(kinds):
            return np.zeros(0, bool)
        most = np.array([max(map(abs, states), default=0) for states, _ in self.kinds])
        bound = int((most[kinds] * amounts).sum(axis=1).max())
        base = int(amounts.max()) + 1
        codes, ids = distinct(kinds * base + amounts, len(self.kinds) * base)
        charges = [self._charges(*divmod(code, base)) for code in codes.tolist()]
        middle = (kinds.shape[1] + 1) // 2
        ours, our = self._sums(charges, ids[:, :middle], bound, 1)
        theirs, their = self._sums(charges, ids[:, middle:], bound, -1)
        pairs, place = distinct(our * len(theirs) + their, len(ours) * len(theirs))
        one, other = np.divmod(pairs, len(theirs))
        meet = (packed(ours, 2 * bound + 1)[one] & packed(theirs, 2 * bound + 1)[other]).any(axis=1)
        return meet[place]

    def _charges(self, kind: int, amount: int) -> tuple[int, ...]:
        """What charges so many atoms of a kind can bring."""
        brought = self._brought.get((kind, amount))
        if brought is None:
            states, mixed = self.kinds[kind]
            if mixed and states:
                brought = sums_of(states, amount)
            else:
                brought = tuple(amount * state for state in states) if amount else (0,)
            self._brought[kind, amount] = brought
        return brought

    @staticmethod
    def _sums(charges: list[tuple], ids: Any, bound: int, sign: int) -> tuple[list[int], Any]:
        """What columns of ids sum up to, times ``sign``, as bits; and which of these each row has.

        The sum q is the bit q + bound.
        """
        import numpy as np

        sets, row = [1 << bound], np.zeros(len(ids), np.int64)
        for column in ids.T:
            pairs, row = distinct(row * len(charges) + column, len(sets) * len(charges))
            pairs = [divmod(pair, len(charges)) for pair in pairs.tolist()]
            sets = [plus(sets[before], charges[added], sign) for before, added in pairs]
        return sets, row
