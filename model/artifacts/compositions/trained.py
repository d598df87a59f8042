"""The compositions that a model was trained on, and the value it was taught for each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .batch import Compositions

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_GRAIN = 1e6  # amounts that differ by less than a millionth are the same


def keys(group: Compositions) -> Keys:
    """A number (rows,) for each composition, equal for equal ones, whatever the order and size.

    Na2Cl2, ClNa and NaCl have one. Two that differ have the same by chance once in 2 ** 64 pairs.
    """
    amounts = np.rint(group.amounts * _GRAIN).astype(np.int64)
    divisor = np.gcd.reduce(amounts, axis=0)
    mixed = (amounts // np.maximum(divisor, 1)).astype(np.uint64)
    mixed += group.numbers.astype(np.uint64) << np.uint64(56)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # splitmix64 (Steele et al., 2014)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    summed: Keys = mixed.sum(axis=0, dtype=np.uint64)
    return summed


class Trained:
    """Compositions by their keys, from the .npz of ``model/domain.py``."""

    def __init__(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._keys: Keys = arrays["keys"]  # ascending
            self._values: Floats = arrays["values"]

    def values(self, group: Compositions) -> Floats:
        """The value (rows,) that each composition was trained with; NaN where it was not."""
        wanted = keys(group)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[at] == wanted, self._values[at], np.nan)

    def by_row(self, group: Compositions) -> dict[int, float]:
        """The same of those that were trained on, by where they stand."""
        values = self.values(group)
        (which,) = np.nonzero(~np.isnan(values))
        return dict(zip(group.texts[which].tolist(), values[which].tolist(), strict=True))
