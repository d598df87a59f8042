"""Results as a notebook shows them: a table, of a long one the first and the last rows."""

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from .numerals import significant

if TYPE_CHECKING:
    from .features import Features
    from .predictions import Predictions
    from .row import Row

#: Rows of a table that is shown in full, and of each end of a longer one.
_WHOLE, _END = 20, 8
#: Features that are shown at each end of a row.
_FEATURES = 4
_LEFT, _RIGHT = (f' style="text-align: {side}"' for side in ("left", "right"))

Cells = Sequence[str]


def predictions_table(result: "Predictions") -> str:
    """HTML of a row a formula: value, std, interval where there are any, and what is to be said."""
    unit = f" ({result.unit})" if result.unit else ""
    interval = [] if result.interval is None else [f"{result.interval:.0%} interval{unit}"]

    def cells(at: int) -> Cells:
        row = result[at]
        if row.rejected is not None:
            return [str(row.formula), "", "", *[""] * len(interval), f"rejected: {row.rejected}"]
        spread = "" if row.std is None else significant(row.std, 3)
        between = [_interval(row)] if interval else []
        remark = f"outside the training data: {row.outside}" if row.outside else ""
        if row.in_training is not None:
            remark = remark or f"trained on as {significant(row.in_training)}"
        return [str(row.formula), significant(row.value), spread, *between, remark]

    headings = ["formula", f"{result.property}{unit}", f"std{unit}", *interval, ""]
    return _table(result.about(), headings, len(result), cells)


def features_table(result: "Features") -> str:
    """HTML of a row a formula, with the first and the last of its features."""
    labels, remark = result.labels, bool(result.rejected)
    left = len(labels) - 2 * _FEATURES
    few = left < 2
    ends = (labels, []) if few else (labels[:_FEATURES], labels[-_FEATURES:])
    between = [] if few else [f"… {left} more"]

    def cells(at: int) -> Cells:
        formula, reason = str(result.formulas[at]), result.rejected.get(at)
        if reason is not None:
            return [formula, *[""] * sum(map(len, [*ends, between])), f"rejected: {reason}"]
        values = [significant(value) for value in result.matrix[at].tolist()]
        first, last = values[: len(ends[0])], values[len(values) - len(ends[1]) :]
        return [formula, *first, *("" for _ in between), *last, *([""] if remark else [])]

    headings = ["formula", *ends[0], *between, *ends[1], *([""] if remark else [])]
    return _table(result.about(), headings, len(result), cells)


def _interval(row: "Row") -> str:
    if row.lower is None or row.upper is None:
        return ""
    return f"{significant(row.lower)} to {significant(row.upper)}"


def _table(
    caption: str, headings: Sequence[str], length: int, cells: Callable[[int], Cells]
) -> str:
    """HTML of a table of ``length`` rows; all text is escaped.

    Args:
        caption: one line above it.
        headings: of its columns; the first and one without a heading hold text.
        length: how many rows there are.
        cells: of one row, asked only for those that are shown.
    """
    styles = [_LEFT if at == 0 or not heading else _RIGHT for at, heading in enumerate(headings)]
    shown = list(range(length))
    if length > _WHOLE:
        shown = [*range(_END), *range(length - _END, length)]

    def line(tag: str, texts: Sequence[str]) -> str:
        styled = zip(styles, texts, strict=True)
        return "".join(f"<{tag}{style}>{escape(text)}</{tag}>" for style, text in styled)

    lines = [
        f"<table><caption>{escape(caption)}</caption>",
        f"<thead><tr><th></th>{line('th', headings)}</tr></thead><tbody>",
    ]
    for number, at in enumerate(shown):
        if length > _WHOLE and number == _END:
            more = f"{length - 2 * _END:,} more"
            lines.append(f"<tr><th>⋮</th><td colspan={len(headings)}{_LEFT}>{more}</td></tr>")
        lines.append(f"<tr><th>{at}</th>{line('td', cells(at))}</tr>")
    return "\n".join([*lines, "</tbody></table>"])
