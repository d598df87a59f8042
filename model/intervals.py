"""Intervals that hold: how far predictions were off, as a multiple of what their spread promised.

A prediction for a row that its model had not seen is off by ``|error|``, and its trees or members
differ by ``std``. The score of the row is ``|error| / (std + floor)``, and a share ``level`` of all
scores lies below their ``level`` quantile ``q``: ``value ± q (std + floor)`` holds the truth that
often, for rows like those trained on. This is normalised split conformal prediction (Papadopoulos
et al., Neural Networks 24, 842, 2011; Lei et al., J. Am. Stat. Assoc. 113, 1094, 2018) on the
cross-validation's predictions, with a quantile of its own for each number of elements (Mondrian
conformal prediction: Vovk et al., Algorithmic Learning in a Random World, 2005), because binaries
and compositions of many elements are off by more than their spread says.

The floor, a fifth of the mean absolute error, is what a row is off by whose trees all agree.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: The shares of rows that an interval can be asked to hold.
LEVELS = (0.5, 0.8, 0.9, 0.95)
#: Fewer rows of a number of elements share a quantile with those of the next smaller number.
ENOUGH = 300
CALIBRATION_FORMAT = 1
_FLOOR = 0.2  # of the mean absolute error
_PARTS = 5
_LEAST = 25  # four fifths of them are as many as a 95% quantile takes
_SHOWN = 100  # rows of a number of elements, for a share of them to mean something

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """What makes an interval of a value and its spread.

    Attributes:
        rows: how many predictions it was learned from.
        floor: added to the spread, in the target's unit.
        sizes: the smallest number of elements of each group, ascending from 0.
        quantiles: for each level, such as ``0.9``, the quantile of each group's scores.
        coverage: for each level, the share of rows inside: ``all``, and by number of elements
            where there are a hundred rows. Each row is judged by the quantiles of other rows.
        width: for each level the mean width of the intervals, in the target's unit.
    """

    rows: int
    floor: float
    sizes: tuple[int, ...]
    quantiles: dict[float, tuple[float, ...]]
    coverage: dict[float, dict[str, float]]
    width: dict[float, float]

    def write(self, path: Path, column: int | None) -> Path:
        """Write what a worker needs.

        Args:
            path: the JSON file.
            column: the feature that is the number of elements; None: all rows are of one group.
        """
        quantiles = {str(level): factors for level, factors in self.quantiles.items()}
        about = {
            "format": CALIBRATION_FORMAT,
            "floor": self.floor,
            "column": column,
            "sizes": self.sizes,
            "quantiles": quantiles,
        }
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")
        return path

    def as_metrics(self) -> dict[str, float]:
        """The figures under the names they are logged by: ``coverage_90``, ``width_90``."""
        metrics = {f"coverage_{level:.0%}"[:-1]: c["all"] for level, c in self.coverage.items()}
        return metrics | {f"width_{level:.0%}"[:-1]: width for level, width in self.width.items()}


def calibrate(error: Floats, std: Floats | None, elements: Ints | None, seed: int) -> Calibration:
    """Learn from predictions for rows that their model had not seen.

    Args:
        error: (n_rows,), predicted minus known, in the target's unit.
        std: (n_rows,), the spread given with each prediction; None: the estimator has none, and
            all intervals of a group are of one width.
        elements: (n_rows,), the number of elements of each composition; None if not known.
        seed: of the parts by which coverage is judged.

    Raises:
        ValueError: there are too few rows for the widest interval, which would then be narrower
            than it says.
    """
    if len(error) < _LEAST:
        raise ValueError(f"{len(error)} rows are too few for intervals; it takes {_LEAST}.")
    error = np.abs(error)
    floor = _FLOOR * float(error.mean()) or float(np.finfo(np.float64).tiny)
    spread = (np.zeros(len(error)) if std is None else std) + floor
    scores = error / spread
    elements = np.zeros(len(error), np.int64) if elements is None else elements
    sizes = _groups(elements)
    group = np.searchsorted(sizes, elements, side="right") - 1
    quantiles = {level: _quantiles(scores, group, len(sizes), level) for level in LEVELS}
    part = np.random.default_rng(seed).permutation(len(error)) % _PARTS
    coverage, width = {}, {}
    for level in LEVELS:
        inside = np.empty(len(error), bool)
        for number in range(_PARTS):
            here = part == number
            others = _quantiles(scores[~here], group[~here], len(sizes), level)
            inside[here] = scores[here] <= np.array(others)[group[here]]
        coverage[level] = _shares(inside, elements)
        width[level] = float((2 * np.array(quantiles[level])[group] * spread).mean())
    return Calibration(len(error), floor, sizes, quantiles, coverage, width)


def _groups(elements: Ints) -> tuple[int, ...]:
    """The smallest number of elements of each group: from the many down, as soon as it is full.

    So the few rows of very many elements, which are off by the most, are with those of nearly as
    many, and the pure elements with the binaries.
    """
    counts = np.bincount(elements)
    starts, rows = [], 0
    for size in range(len(counts) - 1, -1, -1):
        rows += int(counts[size])
        if rows >= ENOUGH and counts[:size].sum() >= ENOUGH:
            starts.append(size)
            rows = 0
    return (0, *reversed(starts))


def _quantiles(scores: Floats, group: Ints, groups: int, level: float) -> tuple[float, ...]:
    """The score that a share of each group's rows, and of one row more, does not exceed."""
    found = []
    for number in range(groups):
        some = np.sort(scores[group == number])
        found.append(float(some[min(math.ceil((len(some) + 1) * level), len(some)) - 1]))
    return tuple(found)


def _shares(inside: npt.NDArray[np.bool_], elements: Ints) -> dict[str, float]:
    """The share of rows inside, of all and by number of elements."""
    shares = {"all": float(inside.mean())}
    for size, rows in enumerate(np.bincount(elements).tolist()):
        if size and rows >= _SHOWN:
            shares[str(size)] = float(inside[elements == size].mean())
    return shares
