"""Pictures of predicted values, by matplotlib.

All that is drawn comes from elsewhere: no text in it is taken for mathematics.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matminer_compute.errors.machine import packages

from .foreign import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .predictions import Predictions
    from .row import Row

Floats = NDArray[np.float64]

INK = "#2f6690"
_LONGEST = 32
#: Rows that are drawn one by one, with their names; more are a histogram.
_MOST = 40


def plot(result: "Predictions", ax: "Axes | None") -> "Axes":
    """Draw the values of a result: a few one by one, or how many there are of each.

    Raises:
        PackageMissing: matplotlib is not installed.
    """
    with packages():
        from matplotlib import pyplot

    rows = [row for row in result if np.isfinite(row.value)]
    few = len(rows) <= _MOST
    if ax is None:
        height = 0.9 + 0.26 * max(len(rows), 3) if few else 3.4
        _, ax = pyplot.subplots(figsize=(6.4, height), layout="constrained")
    if few:
        ranked(ax, rows, result.label())
    else:
        counts, edges = np.histogram([row.value for row in rows], bins=60)
        distribution(ax, edges, counts, result.label())
    return ax


def ranked(axes: "Axes", rows: "Sequence[Row]", label: str) -> None:
    """Draw a line a row, the lowest value at the top, with its interval or else ± its std.

    A row outside the training data is hollow and has no bar: how far off it is, nobody knows.

    Args:
        axes: where.
        rows: with values, in any order.
        label: what they are, with the unit.
    """
    ordered = sorted(rows, key=lambda row: row.value)
    places, values = np.arange(len(ordered)), np.array([row.value for row in ordered])
    ends = np.array([ends_of(row) for row in ordered]).reshape(-1, 2)
    axes.hlines(places, ends[:, 0], ends[:, 1], color=INK, alpha=0.4, linewidth=3)
    outside = np.array([row.outside is not None for row in ordered], dtype=bool)
    axes.plot(values[~outside], places[~outside], "o", color=INK, markersize=5)
    axes.plot(values[outside], places[outside], "o", color=INK, markersize=5, fillstyle="none")
    axes.set_yticks(places, [printable(row.formula, _LONGEST) for row in ordered], parse_math=False)
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    says = printable(label, 2 * _LONGEST)
    if any(row.lower is None and row.std and row.outside is None for row in rows):
        says += " ± std"
    if outside.any():
        says += "\nhollow: outside the training data, a guess"
    axes.set_xlabel(says, parse_math=False)
    axes.grid(axis="x", alpha=0.3)


def distribution(axes: "Axes", edges: Floats, counts: NDArray[np.int64], label: str) -> None:
    """Draw a histogram.

    Args:
        axes: where.
        edges: of the bins, (n + 1,).
        counts: of the rows in each, (n,).
        label: what the values are, with the unit.
    """
    from matplotlib.ticker import MaxNLocator

    widths = np.diff(edges)
    axes.bar(edges[:-1] + 0.04 * widths, counts, 0.92 * widths, align="edge", color=INK)
    axes.set_xlabel(printable(label, 2 * _LONGEST), parse_math=False)
    axes.set_ylabel("rows")
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.10g}")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def ends_of(row: "Row") -> tuple[float, float]:
    """The interval of a row, else its value ± std; else, and outside, its value twice."""
    if row.lower is not None and row.upper is not None:
        return row.lower, row.upper
    spread = 0.0 if row.outside else row.std or 0.0
    return row.value - spread, row.value + spread
