"""Counts of everything that was predicted, which add up whoever counted."""

import math
from typing import Any

_BINS = 512


class Tally:
    """Rows, reasons, a histogram of the values in bins of a power of two, means by element."""

    def __init__(self) -> None:
        self.rows = self.outside = 0
        self.rejected: dict[str, int] = {}
        self.width = 0.0
        self.counts: dict[int, int] = {}
        self.elements: dict[int, list] = {}

    def add(self, places: Any, values: Any, rejected: dict[int, str], outside: int) -> None:
        """Count rows: places (n, width), -1 where there is none; values (n,), NaN without one."""
        import numpy as np

        self.rows, self.outside = self.rows + len(values), self.outside + outside
        for reason in rejected.values():
            self.rejected[reason] = self.rejected.get(reason, 0) + 1
        known = np.isfinite(values)
        if not known.all():
            places, values = places[known], values[known]
        if not len(values):
            return
        self._add_bins(values)
        flat, weights = (places + 1).ravel(), np.repeat(values, places.shape[1])
        counts, sums = np.bincount(flat), np.bincount(flat, weights)
        for place in np.flatnonzero(counts[1:]).tolist():
            held = self.elements.setdefault(place, [0, 0.0])
            held[0] += int(counts[place + 1])
            held[1] += float(sums[place + 1])

    def _add_bins(self, values: Any) -> None:
        import numpy as np

        extent = float(values.max() - values.min()) or float(abs(values[0])) or 1.0
        width = max(self.width, math.ldexp(1.0, math.frexp(extent / 256)[1] - 1))
        while self.width and self.width < width:
            self._widen()
        self.width = width
        bins, counts = np.unique(np.floor(values / width), return_counts=True)
        for place, count in zip(bins.tolist(), counts.tolist(), strict=True):
            self.counts[int(place)] = self.counts.get(int(place), 0) + count
        while max(self.counts) - min(self.counts) >= _BINS:
            self._widen()

    def _widen(self) -> None:
        """Bins twice as wide: two become one, exactly."""
        before, self.counts, self.width = self.counts, {}, self.width * 2.0
        for place, count in before.items():
            self.counts[place // 2] = self.counts.get(place // 2, 0) + count

    def as_json(self, symbols: list[str]) -> dict:
        """The same as JSON, elements by symbol."""
        return {
            "rows": self.rows,
            "rejected": self.rejected,
            "outside": self.outside,
            "histogram": {
                "width": self.width,
                "counts": {str(place): self.counts[place] for place in sorted(self.counts)},
            },
            "elements": {symbols[place]: held for place, held in sorted(self.elements.items())},
        }
