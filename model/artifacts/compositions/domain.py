"""What a model was trained on, and which compositions are far from it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .batch import Compositions
from .trained import Trained

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


_LETTER = re.compile("[1-9]0[1-9]?")  # Fe203 and H20, but not Fe1000O
LONE = 8.0  # the largest amount of a lone element that means nothing: S8 is a molecule, H20 a slip


class Domain:
    """What some formulas hold, of training as a rule, from the JSON of ``model/domain.py``.

    What was itself trained on is never outside.

    Attributes:
        what: the formulas are of: ``training``, or ``calibration``.
        held: (119,), how many of them hold each element.
        few: with fewer of them, the model hardly knows an element.
        fraction, amount: by number of elements, the largest share of one element and the largest
            amount (whole amounts without a common divisor).
    """

    def __init__(self, path: str, symbols: Sequence[str], trained: Trained | None) -> None:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        self.symbols, self.trained = symbols, trained
        self.what, self.few = about["what"], about["few"]
        self.held = np.array([about["by_element"].get(symbol, 0) for symbol in symbols])
        sizes = {int(size): bounds for size, bounds in about["by_size"].items()}
        sizes.setdefault(1, {"fraction": 1.0, "amount": 1.0})
        self.largest = max(sizes)
        nearest = [max(k for k in sizes if k <= max(1, size)) for size in range(self.largest + 1)]
        self.fraction = [sizes[size]["fraction"] for size in nearest]
        self.amount = [sizes[size]["amount"] for size in nearest]
        self.limit = [self.amount[0], max(self.amount[1], LONE), *self.amount[2:]]

    def is_outside(self, group: Compositions) -> npt.NDArray[np.bool_]:
        """Which compositions (rows,) of a group are outside."""
        size = len(group.numbers)
        if size > self.largest:
            return np.ones(len(group.texts), bool)
        most = group.amounts.max(axis=0)
        outside: npt.NDArray[np.bool_] = self.held[group.numbers].min(axis=0) < self.few
        if size > 1:
            outside |= most / group.amounts.sum(axis=0) > self.fraction[size] + 1e-9
        large = np.flatnonzero(~outside & (most > self.limit[size]))
        if large.size:
            outside[large] = most[large] / group.take(large).common_divisor() > self.limit[size]
        far = np.flatnonzero(outside)
        if far.size and self.trained is not None:
            outside[far] = np.isnan(self.trained.values(group.take(far)))
        return outside

    def outside(self, group: Compositions) -> dict[int, str]:
        """Why each composition of a group that is outside is so, by its text."""
        size = len(group.numbers)
        if size > self.largest:
            why = f"it has {size} elements, no {self.what} formula more than {self.largest}"
            return dict.fromkeys(group.texts.tolist(), why)
        outside = self.is_outside(group)
        if not outside.any():
            return {}
        some = group.take(np.flatnonzero(outside))
        reasons = map(self._reason, some.numbers.T, some.amounts.T, some.common_divisor())
        return dict(zip(some.texts.tolist(), reasons, strict=True))

    def _reason(self, numbers: Ints, amounts: Floats, divisor: float) -> str:
        """Why a composition that is outside is so."""
        rare = numbers[np.argmin(self.held[numbers])]
        if not (held := self.held[rare]):
            return f"no {self.what} formula holds {self.symbols[rare]}"
        size, at = len(numbers), int(np.argmax(amounts))
        symbol, most = self.symbols[numbers[at]], amounts[at]
        share = most / amounts.sum()
        if most / divisor > self.limit[size]:
            seen = f"what {self.what} formulas have (at most {self.amount[size]:g})"
            why = f"an amount of {most:g} for {symbol} is far beyond {seen}"
            return why + self._slip(numbers, most)
        if size > 1 and share > self.fraction[size] + 1e-9:
            why = (
                f"{most:g} {symbol} are {share:.1%} of the atoms; in 99.5% of the {self.what}"
                f" formulas of {size} elements none has more than {self.fraction[size]:.1%}"
            )
            return why + self._slip(numbers, most)
        formulas = f"one {self.what} formula holds"
        if held > 1:
            formulas = f"{held} {self.what} formulas hold"
        return f"only {formulas} {self.symbols[rare]}"

    @staticmethod
    def _slip(numbers: Ints, most: float) -> str:
        """What an amount so large may have been meant as."""
        if most >= 10 and {1, 8} <= set(numbers.tolist()):
            return ": is the · of an adduct missing?"
        return ": did you mean the letter O?" if _LETTER.fullmatch(f"{most:g}") else ""
