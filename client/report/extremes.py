"""The lowest and the highest rows, each with what the model says of its certainty."""

from collections.abc import Sequence

from matminer_compute.client.plots import ends_of
from matminer_compute.client.row import Row
from matminer_compute.client.screened import Screening

from .markup import formula, lines, number, text


def extremes(screening: Screening) -> str:
    """HTML of both tables, and of how to read them."""
    rows = [*screening.lowest, *screening.highest]
    intervals = any(row.lower is not None and row.upper is not None for row in rows)
    spreads = any(row.std is not None for row in rows)
    notes = []
    if intervals:
        notes.append(
            "A bar is the interval that the model gives; a row without one has none that holds."
        )
    if spreads:
        notes.append(
            f"{'The number behind ±' if intervals else 'A bar, and the number behind ±,'} is one "
            "standard deviation over the members of the model: it ranks what to trust, and is not "
            "a calibrated error."
        )
    if any(row.outside for row in rows):
        notes.append("◆ marks what is outside the training data: its value is a guess.")
    tables = [
        _table(title, part, screening.unit, intervals)
        for title, part in (("Lowest", screening.lowest), ("Highest", screening.highest))
        if part
    ]
    return f'<div class="pair">{lines(tables)}</div><p class="note">{" ".join(notes)}</p>'


def _table(title: str, rows: Sequence[Row], unit: str, intervals: bool) -> str:
    ends = [ends_of(row) for row in rows]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    heading = f"value{f' ({text(unit)})' if unit else ''}"
    body = lines(_row(at, row, low, high, intervals) for at, row in enumerate(rows, 1))
    return f"""<table class="extremes"><caption>{title}</caption>
<thead><tr><th></th><th>formula</th><th>{heading}</th><th class="strip"></th></tr></thead>
<tbody>
{body}
</tbody></table>"""


def _row(at: int, row: Row, low: float, high: float, intervals: bool) -> str:
    spread = "" if row.std is None else f"<span> ± {number(row.std, 2)}</span>"
    outside = f"<em>◆ outside: {text(row.outside)}</em>" if row.outside else ""
    between = f"<small>{_interval(row)}</small>" if intervals else ""
    return (
        f"<tr><th>{at}</th><td><bdi>{formula(row.formula)}</bdi>{outside}</td>"
        f"<td>{number(row.value)}{spread}{between}</td>"
        f'<td class="strip">{_strip(row, low, high)}</td></tr>'
    )


def _interval(row: Row) -> str:
    if row.lower is None or row.upper is None:
        return "no interval"
    return f"{number(row.lower, 3)} to {number(row.upper, 3)}"


def _strip(row: Row, low: float, high: float) -> str:
    """The row's interval, or ± its std, and its value on the scale of its table."""
    extent = (high - low) or 1.0
    begin, end = ends_of(row)
    left, width = 100 * (begin - low) / extent, 100 * (end - begin) / extent
    return (
        f'<div><i style="left:{left:.1f}%;width:{width:.1f}%"></i>'
        f'<b style="left:{100 * (row.value - low) / extent:.1f}%"></b></div>'
    )
