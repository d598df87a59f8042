"""Which of many ratios of atoms balance, for one kind of elements after another."""

from typing import Any

from .bits import packed, plus

_KEPT = 1024  # halves whose sums are kept
_BYTES = 1 << 24  # of answers that are kept


class Balance:
    """Ratios (r, of) that many choices of elements share.

    Half of an element's partners are the same in most choices, so what each half can bring is kept:
    as bits, a word of 64 sums after the other, for each different ratio within the half.

    Args:
        ratios: (r, of), two elements or more.
        most: no state is larger.
    """

    def __init__(self, ratios: Any, most: int) -> None:
        import numpy as np

        self.middle, self.bound = (ratios.shape[1] + 1) // 2, most * int(ratios.sum(axis=1).max())
        halves = ratios[:, : self.middle], ratios[:, self.middle :]
        # Sums that the other half cannot make good need not be kept.
        self.reach = most * int(np.minimum(*(half.sum(axis=1) for half in halves)).max())
        found = [np.unique(half, axis=0, return_inverse=True) for half in halves]
        self.amounts = [amounts.tolist() for amounts, _ in found]
        self.places = [places.reshape(-1) for _, places in found]
        self._most_answers = max(1, _BYTES // len(ratios))
        self._answers: dict[tuple, Any] = {}
        self._kept: dict[tuple, Any] = {}

    def of(self, kinds: tuple[int, ...], charges: Any) -> Any:
        """Which ratios (r,) balance; ``charges(kind, amount)`` gives what so many atoms bring."""
        import numpy as np

        answer = self._answers.get(kinds)
        if answer is None:
            ours = self._sums(0, kinds[: self.middle], charges)
            theirs = self._sums(1, kinds[self.middle :], charges)
            meet = ours.take(self.places[0], axis=1)
            meet &= theirs.take(self.places[1], axis=1)
            answer = np.bitwise_or.reduce(meet, axis=0) != 0
            if len(self._answers) >= self._most_answers:
                self._answers.clear()
            self._answers[kinds] = answer
        return answer

    def _sums(self, side: int, kinds: tuple[int, ...], charges: Any) -> Any:
        """What a half brings, the second negated: (words, different ratios) uint64."""
        import numpy as np

        kept = self._kept.get((side, kinds))
        if kept is None:
            sets, bits = [], 2 * self.reach + 1
            for amounts in self.amounts[side]:
                sums = 1 << self.bound
                for kind, amount in zip(kinds, amounts, strict=True):
                    sums = plus(sums, charges(kind, amount), 1 - 2 * side)
                sets.append(sums >> self.bound - self.reach & (1 << bits) - 1)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = self._kept[side, kinds] = np.ascontiguousarray(packed(sets, bits).T)
        return kept
