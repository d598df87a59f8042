"""The distribution of the predicted values: a histogram as SVG that takes the page's colours."""

import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure  # not pyplot: no display, no global state
from numpy.typing import NDArray

from matminer_compute.client.plots import INK, distribution
from matminer_compute.client.tally import Histogram

#: What is drawn in this colour takes the colour of the page's text.
_TEXT = "#123456"
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.linewidth": 0.5,
    **dict.fromkeys(
        ["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color",
         "grid.color"], _TEXT
    ),
}  # fmt: skip
_OWN = re.compile(r' (?:xmlns(?::xlink)?|width|height|version)="[^"]*"')
_NAMES = re.compile(r' id="[\w.]+_[0-9]+"')  # of parts that nothing refers to
_MOST_BINS = 64
#: The share of the values at either end that may be left out where it lies far away.
_TAIL = 0.0005


@dataclass(frozen=True)
class Bins:
    """Counts (n,) in adjoining bins between ``edges`` (n + 1,), and how many lie beyond them."""

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: int
    above: int


def bins_of(histogram: Histogram) -> Bins:
    """Few enough bins to draw, of all values but those so far away that they would hide the rest.

    The histogram holds at least one value.
    """
    places = np.array(sorted(histogram.counts), dtype=np.int64)
    counts = np.array([histogram.counts[place] for place in places.tolist()], dtype=np.int64)
    at = np.searchsorted(np.cumsum(counts) / counts.sum(), [_TAIL, 1 - _TAIL])
    first, last = places[at]
    if places[-1] - places[0] <= 2 * (last - first):
        first, last = places[0], places[-1]
    most = min(_MOST_BINS, max(12, 4 * int(np.sqrt(counts.sum()))))
    coarser = 0
    while (last >> coarser) - (first >> coarser) >= most:
        coarser += 1
    first, last, places = first >> coarser, last >> coarser, places >> coarser
    inside = (places >= first) & (places <= last)
    drawn = np.bincount(places[inside] - first, counts[inside], minlength=last - first + 1)
    edges = np.arange(first, last + 2) * (histogram.width * 2.0**coarser)
    return Bins(
        edges,
        drawn.astype(np.int64),
        int(counts[places < first].sum()),
        int(counts[places > last].sum()),
    )


def quantile(histogram: Histogram, share: float) -> float:
    """The value below which a share of the values lies, to within a bin's width."""
    places = sorted(histogram.counts)
    heap = np.cumsum([histogram.counts[place] for place in places])
    at = int(np.searchsorted(heap, share * heap[-1]))
    before = heap[at - 1] if at else 0
    within = (share * heap[-1] - before) / (heap[at] - before)
    return float((places[at] + within) * histogram.width)


def histogram(bins: Bins, label: str) -> str:
    """HTML of a histogram in two sizes, for wide and for narrow screens, of which one is seen.

    Args:
        bins: what to draw.
        label: what the values are, with the unit.
    """
    sizes = {"wide": (8.0, 3.2), "narrow": (3.6, 2.6)}
    return "".join(
        f'<div class="{name}">{_svg(bins, label, name, size)}</div>' for name, size in sizes.items()
    )


def _svg(bins: Bins, label: str, name: str, size: tuple[float, float]) -> str:
    """An SVG element without namespaces, sizes or colours of its own."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        distribution(axes, bins.edges, bins.counts, label)
        drawn = io.StringIO()
        nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    whole = drawn.getvalue()
    head, _, body = whole[whole.index("<svg") :].partition(">")
    head = _OWN.sub("", head) + ' role="img" aria-label="Histogram of the predicted values">'
    body = _NAMES.sub("", body).replace("xlink:href", "href")
    return (head + body).replace(_TEXT, "currentColor").replace(INK, "var(--ink)")
