"""What is known of a screening without keeping its rows: counts that add up in any order."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from math import frexp, ldexp
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .elements import SYMBOLS
from .reasons import kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Bins of a histogram that hold anything.
MAX_BINS = 512
#: The narrowest bin, as a share of the largest value; none is narrower than that of a tiny one.
_FINEST, _TINY = 2.0**-32, 2.0**-900


@dataclass
class Histogram:
    """Counts of values by bins of one ``width``, a power of two that is no wider than need be.

    Bin ``k`` holds what is at least ``k * width`` and below ``(k + 1) * width``. The width is the
    least at which ``MAX_BINS`` suffice, so it depends on what was counted and not on the order.
    Without a value it is 0.
    """

    width: float = 0.0
    counts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Floats, least: float = 0.0) -> Self:
        """Counts of finite values (n,), in bins of at least the width ``least``."""
        if not len(values):
            return cls()
        largest = float(np.abs(values).max())
        finest = ldexp(_FINEST, frexp(max(largest, _TINY))[1])
        width = max(finest, least)
        distinct, counts = np.unique(values, return_counts=True)
        places = np.floor(distinct / width).astype(np.int64)
        coarser, starts = _fitting(places)
        kept, counted = places[starts] >> coarser, np.add.reduceat(counts, starts)
        return cls(width * 2.0**coarser, dict(zip(kept.tolist(), counted.tolist(), strict=True)))

    def merge(self, other: "Histogram") -> None:
        """Count what ``other`` counted."""
        if not other.counts:
            return
        width = max(self.width, other.width)
        both = Counter(self._at(width))
        both.update(other._at(width))
        while len(both) > MAX_BINS:
            both, width = Counter(Histogram(width, both)._at(2 * width)), 2 * width
        self.width, self.counts = width, dict(both)

    def _at(self, width: float) -> dict[int, int]:
        """The counts in bins of a ``width`` that is a multiple."""
        if not self.counts:
            return {}
        coarser = frexp(width)[1] - frexp(self.width)[1]
        if not coarser:
            return self.counts
        counts: dict[int, int] = {}
        for place, count in self.counts.items():
            counts[place >> coarser] = counts.get(place >> coarser, 0) + count
        return counts


@dataclass
class Tally:
    """Statistics of the rows of a screening that came back, which can be added to each other.

    Attributes:
        rows: how many came back, those rejected among them.
        rejected: how many by kind of reason (see ``reasons.py``).
        outside: how many have a value, but are outside what the model was trained on.
        histogram: of the values.
        elements: by symbol, how many rows with a value hold it, and the sum of their values.
    """

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    histogram: Histogram = field(default_factory=Histogram)
    elements: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(
        self,
        formulas: Sequence[Any],
        values: ArrayLike,
        rejected: Mapping[Any, str],
        outside: Mapping[Any, str],
    ) -> None:
        """Count rows that came back.

        Args:
            formulas: what was asked, (n,).
            values: what was predicted, (n,), NaN where rejected.
            rejected: the reason by rejected row.
            outside: the reason by row outside the training data.
        """
        predicted = np.asarray(values, dtype=np.float64)
        finite = np.isfinite(predicted)
        if not finite.all():
            predicted = predicted[finite]
            formulas = list(compress(formulas, finite.tolist()))
        self.rows += len(finite)
        self.rejected.update(map(kind, rejected.values()))
        self.outside += len(outside)
        self.histogram.merge(Histogram.of(predicted, self.histogram.width))
        self._add_elements(_sums_by_element(formulas, predicted))

    def merge(self, other: "Tally") -> None:
        """Count what ``other`` counted."""
        self.rows += other.rows
        self.rejected.update(other.rejected)
        self.outside += other.outside
        self.histogram.merge(other.histogram)
        self._add_elements(other.elements)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON-ready data."""
        return {
            "rows": self.rows,
            "rejected": dict(self.rejected),
            "outside": self.outside,
            "histogram": {
                "width": self.histogram.width,
                "counts": {str(place): n for place, n in sorted(self.histogram.counts.items())},
            },
            "elements": {symbol: [n, total] for symbol, (n, total) in self.elements.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """A tally from what ``as_json`` gave, here or on a worker."""
        rejected: Counter[str] = Counter()
        for reason, n in data["rejected"].items():
            rejected[kind(reason)] += n
        histogram = data["histogram"]
        return cls(
            rows=data["rows"],
            rejected=rejected,
            outside=data["outside"],
            histogram=Histogram(
                float(histogram["width"]), {int(k): n for k, n in histogram["counts"].items()}
            ),
            elements={symbol: (n, total) for symbol, (n, total) in data["elements"].items()},
        )

    def _add_elements(self, found: Mapping[str, tuple[int, float]]) -> None:
        for symbol, (n, total) in found.items():
            before, sum_before = self.elements.get(symbol, (0, 0.0))
            self.elements[symbol] = (before + n, sum_before + total)


def _fitting(places: Ints) -> tuple[int, Ints]:
    """How often bins must be doubled until they fit, and where each bin then starts.

    ``places`` (n,) are in order. Doubling a bin's width halves its place, rounded down.
    """
    coarser = 0
    while True:
        now = places >> coarser
        starts = np.flatnonzero(_first(now))
        if len(starts) <= MAX_BINS:
            return coarser, starts
        coarser += 1


_A, _SMALL_A, _NEWLINE = (np.uint8(ord(c)) for c in "Aa\n")


def _first(ordered: Ints) -> NDArray[np.bool_]:
    """Which of ordered numbers (n,) differ from the one before."""
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _code(symbol: str) -> int:
    first, second = (symbol + "\0").encode()[:2]
    return first << 8 | second


#: Atomic number by the two bytes of a symbol, 0 where it is none; D and T are hydrogen.
_NUMBERS = np.zeros(1 << 16, np.uint8)
_NUMBERS[[_code(symbol) for symbol in (*SYMBOLS, "D", "T")]] = [*range(1, len(SYMBOLS) + 1), 1, 1]


def _sums_by_element(formulas: Sequence[str], values: Floats) -> dict[str, tuple[int, float]]:
    """By element, how many formulas hold it and the sum of their values.

    The featurizer took these formulas, so a capital and a small letter behind it are a symbol.
    """
    joined = "\n".join(formulas)
    if joined.count("\n") != len(formulas) - 1:
        joined = "\n".join(formula.replace("\n", " ") for formula in formulas)
    if not joined.isascii():
        joined = unicodedata.normalize("NFKC", joined)  # full-width letters
    text = np.frombuffer((joined + "\n").encode(), np.uint8)
    at = np.flatnonzero(text - _A < 26)  # an unsigned difference: A to Z
    second = text[at + 1]
    second[second - _SMALL_A >= 26] = 0
    numbers = _NUMBERS[text[at].astype(np.uint16) << 8 | second]
    rows = np.cumsum(text == _NEWLINE, dtype=np.int64)[at]
    held = rows << 7 | numbers
    held.sort()
    held = held[_first(held)]  # O counts once in O2CO
    numbers = held & 127
    counts = np.bincount(numbers, minlength=len(SYMBOLS) + 1)
    sums = np.bincount(numbers, weights=values[held >> 7], minlength=len(SYMBOLS) + 1)
    return {
        symbol: (int(n), float(total))
        for symbol, n, total in zip(SYMBOLS, counts[1:], sums[1:], strict=True)
        if n
    }
