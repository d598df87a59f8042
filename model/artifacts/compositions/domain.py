"""What a model was trained on, and which compositions are far from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .batch import Compositions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


FEW = 5  # formulas that hold an element; with fewer, the model knows it hardly
LONE = 8.0  # the largest amount of a lone element that means nothing: S8 is a molecule, H20 a slip


class Domain:
    """What the training formulas hold, from the JSON of ``model/domain.py``.

    Attributes:
        held: (119,), how many training formulas hold each element.
        fraction, amount: by number of elements, the largest share of one element and the largest
            amount (whole amounts without a common divisor).
    """

    def __init__(self, path: str, symbols: Sequence[str]) -> None:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        self.symbols = symbols
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
        outside: npt.NDArray[np.bool_] = self.held[group.numbers].min(axis=0) < FEW
        if size > 1:
            outside |= most / group.amounts.sum(axis=0) > self.fraction[size] + 1e-9
        large = np.flatnonzero(~outside & (most > self.limit[size]))
        if large.size:
            outside[large] = most[large] / group.take(large).common_divisor() > self.limit[size]
        return outside

    def outside(self, group: Compositions) -> dict[int, str]:
        """Why each composition of a group that is outside is so, by its text."""
        size = len(group.numbers)
        if size > self.largest:
            why = f"it has {size} elements, no training formula more than {self.largest}"
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
            return f"no training formula holds {self.symbols[rare]}"
        size, at = len(numbers), int(np.argmax(amounts))
        symbol, most = self.symbols[numbers[at]], amounts[at]
        share = most / amounts.sum()
        if most / divisor > self.limit[size]:
            trained = f"the trained (at most {self.amount[size]:g})"
            why = f"an amount of {most:g} for {symbol} is far beyond {trained}"
            return why + self._slip(numbers, most)
        if size > 1 and share > self.fraction[size] + 1e-9:
            why = (
                f"{most:g} {symbol} are {share:.1%} of the atoms; in 99.5% of the training formulas"
                f" of {size} elements none has more than {self.fraction[size]:.1%}"
            )
            return why + self._slip(numbers, most)
        formulas = "one training formula holds" if held == 1 else f"{held} training formulas hold"
        return f"only {formulas} {self.symbols[rare]}"

    @staticmethod
    def _slip(numbers: Ints, most: float) -> str:
        """What an amount so large may have been meant as."""
        if most >= 10 and {1, 8} <= set(numbers.tolist()):
            return ": is the · of an adduct missing?"
        return ": did you mean the letter O?" if "0" in f"{most:.0f}" else ""
