"""Pictures of a model's errors on rows it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no display, no global state

_INK = "#1f4e79"


def parity_plot(
    path: Path, target: np.ndarray, predicted: np.ndarray, label: str, unit: str, title: str
) -> None:
    """Draw predicted against known values, with the line on which a perfect model would lie.

    Args:
        path: PNG to write.
        target: known values, (n_rows,), in ``unit``.
        predicted: cross-validated predictions, (n_rows,), in ``unit``.
        label: the property, for the axes.
        unit: its unit.
        title: one line above the plot.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    low = float(min(target.min(), predicted.min()))
    high = float(max(target.max(), predicted.max()))
    margin = 0.03 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    _cloud(axes, target, predicted)
    axes.plot(limits, limits, color="0.3", linewidth=0.8, linestyle="--")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    figure.suptitle(title)  # above the power of ten that an axis may have
    axes.set_xlabel(f"{label}, known ({unit})")
    axes.set_ylabel(f"{label}, predicted ({unit})")
    figure.savefig(path, dpi=150)


def residual_plot(
    path: Path, target: np.ndarray, predicted: np.ndarray, label: str, unit: str, title: str
) -> None:
    """Draw the errors over the predictions, and their distribution beside them.

    Args are those of :func:`parity_plot`; a residual is predicted minus known.
    """
    residual = predicted - target
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    _cloud(left, predicted, residual)
    left.axhline(0, color="0.3", linewidth=0.8, linestyle="--")
    figure.suptitle(title)
    left.set_xlabel(f"{label}, predicted ({unit})")
    left.set_ylabel(f"predicted - known ({unit})")
    right.hist(residual, bins=60, orientation="horizontal", color=_INK)
    right.axhline(0, color="0.3", linewidth=0.8, linestyle="--")
    right.set_xlabel("rows")
    figure.savefig(path, dpi=150)


def spread_plot(path: Path, spread: np.ndarray, error: np.ndarray, unit: str) -> None:
    """Draw the absolute error against the standard deviation that was given with the prediction.

    The line joins the medians of ten groups of as many rows each: where it rises, the spread tells
    which predictions to trust.

    Args:
        path: PNG to write.
        spread: standard deviation over trees or networks, (n_rows,), in ``unit``.
        error: absolute error of the cross-validated prediction, (n_rows,), in ``unit``.
        unit: of both.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    _cloud(axes, spread, error)
    groups = np.array_split(np.argsort(spread, kind="stable"), 10)
    axes.plot(
        [np.median(spread[group]) for group in groups],
        [np.median(error[group]) for group in groups],
        color="0.15",
        marker="o",
        markersize=4,
        label="median error of a tenth of the rows",
    )
    axes.set_title("does the spread tell the error?")
    axes.set_xlabel(f"standard deviation over trees or networks ({unit})")
    axes.set_ylabel(f"absolute error, cross-validated ({unit})")
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(path, dpi=150)


def calibration_plot(path: Path, coverage: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the share of rows inside their intervals against the share that should be.

    Args:
        path: PNG to write.
        coverage: by level, such as ``0.9``: the share of ``all`` rows, and by number of elements.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    levels = sorted(coverage, key=float)
    groups = dict.fromkeys(group for level in levels for group in coverage[level])
    if len(groups) == 2:  # one number of elements: it is all rows
        groups = {"all": None}
    axes.plot((0, 1), (0, 1), color="0.3", linewidth=0.8, linestyle="--", label="as it should be")
    for group in sorted(groups, key=lambda group: (group != "all", len(group), group)):
        points = [(float(at), coverage[at][group]) for at in levels if group in coverage[at]]
        of_all = group == "all"
        axes.plot(
            *zip(*points, strict=True),
            color=_INK if of_all else None,
            alpha=1.0 if of_all else 0.55,
            linewidth=2.0 if of_all else 1.0,
            marker="o",
            markersize=5 if of_all else 3,
            zorder=3 if of_all else 2,
            label="all rows" if of_all else f"{group} element{'' if group == '1' else 's'}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title="do the intervals hold?")
    axes.set_xlabel("share of rows that should be inside")
    axes.set_ylabel("share of rows inside, judged by other rows")
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def _cloud(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """A scatter in which the crowd does not become one blot, and a point alone is seen."""
    bins = [((v - v.min()) / (np.ptp(v) or 1.0) * 59).astype(np.int64) for v in (x, y)]
    cell = bins[0] * 60 + bins[1]
    alpha = np.clip(3 / np.bincount(cell)[cell], 0.04, 0.8)
    axes.scatter(x, y, s=7, alpha=alpha, color=_INK, linewidths=0, rasterized=True)
