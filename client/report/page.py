"""The page of a screening, from its sections."""

import math
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from string import Template

from matminer_compute.client.numerals import count
from matminer_compute.client.screened import Screening
from matminer_compute.client.tally import Tally

from . import distribution
from .extremes import extremes
from .markup import duration, lines, moment, number, quantity, rate, share, short, text
from .periodic import periodic_table
from .provenance import provenance

_NOTHING = "<p>No row has a value.</p>"


def page(screening: Screening) -> str:
    """HTML of the whole page."""
    predicted = sum(screening.tally.histogram.counts.values())
    return Template(_part("page.html")).substitute(
        style=_part("page.css"),
        title=text(_name(screening)),
        lead=_lead(screening),
        figures=_figures(screening, predicted),
        distribution=_distribution(screening) if predicted else _NOTHING,
        extremes=extremes(screening) if predicted else _NOTHING,
        elements=_elements(screening) if screening.tally.elements else _NOTHING,
        rejected=_rejected(screening.tally),
        outside=_outside(screening.tally, predicted),
        provenance=provenance(screening),
        version=text(version("matminer-compute")),
    )


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _name(screening: Screening) -> str:
    name = screening.property.replace("_", " ")
    return name[:1].upper() + name[1:]


def _label(screening: Screening) -> str:
    unit = f" ({screening.unit})" if screening.unit else ""
    return f"{screening.property.replace('_', ' ')}{unit}"


def _lead(screening: Screening) -> str:
    model = f"{text(screening.model.get('name'))} version {text(screening.model.get('version'))}"
    took = duration(screening.ended - screening.started)
    return (
        f"{count(screening.rows, 'candidate')} screened with {model} in {took}, "
        f"finished {moment(screening.ended)}. "
        f"{count(screening.kept, 'row')} are in <code>{text(screening.output.name)}</code>."
    )


def _figures(screening: Screening, predicted: int) -> str:
    tally = screening.tally
    of_all = "of all rows"
    shown = [
        (count(screening.rows), "rows", f"{rate(screening.rate)} a second"),
        (count(predicted), "have a value", f"{share(predicted, screening.rows)} {of_all}"),
        (count(screening.rejected), "rejected",
         f"{share(screening.rejected, screening.rows)} {of_all}"),
        (count(tally.outside), "outside the training data",
         f"{share(tally.outside, predicted)} of the values"),
        (count(screening.kept), "kept in the file",
         f"{share(screening.kept, screening.rows)} {of_all}"),
    ]  # fmt: skip
    if screening.failed:
        failed = f"{share(screening.failed, screening.rows)} {of_all}, without an answer"
        shown.append((count(screening.failed), "set aside", failed))
    return lines(
        f'<div><dt>{what}</dt><dd><b style="--length:{len(figure)}">{figure}</b>'
        f"<span>{note}</span></dd></div>"
        for figure, what, note in shown
    )


def _distribution(screening: Screening) -> str:
    histogram, unit = screening.tally.histogram, screening.unit
    middle = [distribution.quantile(histogram, part) for part in (0.05, 0.5, 0.95)]
    low, median, high = (quantity(value, unit, 3) for value in middle)
    bins = distribution.bins_of(histogram)
    ends = (("below", bins.below, bins.edges[0]), ("above", bins.above, bins.edges[-1]))
    beyond = [
        f"{count(rows, 'value')} {side} {quantity(float(edge), unit)}"
        for side, rows, edge in ends
        if rows
    ]
    left_out = f" Not drawn, far from the rest: {' and '.join(beyond)}." if beyond else ""
    said = f"The median is {median}; nine values in ten lie between {low} and {high}."
    return lines(
        [
            "<figure>",
            distribution.histogram(bins, _label(screening)),
            f"<figcaption>{said}{left_out}</figcaption>",
            "</figure>",
        ]
    )


def _elements(screening: Screening) -> str:
    unit = f", in {text(screening.unit)}" if screening.unit else ""
    elements = screening.tally.elements
    means = {symbol: total / n for symbol, (n, total) in elements.items()}
    rows = {symbol: float(n) for symbol, (n, _) in elements.items()}
    said = {
        symbol: f"{symbol}: {count(n, 'row')}, mean {quantity(means[symbol], screening.unit, 3)}"
        for symbol, (n, _) in elements.items()
    }
    as_table = lines(
        f"<tr><th>{symbol}</th><td>{count(n)}</td><td>{number(means[symbol])}</td></tr>"
        for symbol, (n, _) in sorted(elements.items(), key=lambda item: -item[1][0])
    )
    return f"""
<h3>Mean value{unit}</h3>
{periodic_table(means, "viridis", float, lambda mean: number(mean, 3), said)}
<h3>Rows, on a logarithmic scale</h3>
{periodic_table(rows, "cividis", math.log, lambda n: short(int(n)), said)}
<p class="note">An element is coloured by the rows that hold it and have a value; a row counts for
each of its elements.</p>
<details><summary>The same as a table</summary><table><thead><tr><th>element</th><th>rows</th>
<th>mean{unit}</th></tr></thead><tbody>
{as_table}
</tbody></table></details>"""


def _rejected(tally: Tally) -> str:
    total = tally.rejected.total()
    if not total:
        return "<p>No row was rejected.</p>"
    most = max(tally.rejected.values())
    rows = lines(
        f"<tr><td>{text(kind)}</td><td>{count(n)}</td>"
        f'<td class="bar"><i style="width:{100 * n / most:.1f}%"></i></td></tr>'
        for kind, n in tally.rejected.most_common()
    )
    return f"""<p>{count(total, "row")} of {count(tally.rows)} could not be used and
{"has" if total == 1 else "have"} no value.</p>
<table class="reasons"><thead><tr><th>what stands in the way</th><th>rows</th><th></th></tr>
</thead><tbody>
{rows}
</tbody></table>"""


def _outside(tally: Tally, predicted: int) -> str:
    if not predicted:
        return _NOTHING
    if not tally.outside:
        return """<p>No value is of a composition that is known to lie outside what the model was
trained on.</p>"""
    are = "is" if tally.outside == 1 else "are"
    return f"""<p><strong>{count(tally.outside)} of {count(predicted, "value")}
({share(tally.outside, predicted)}) {are} of compositions outside what the model was trained
on</strong>: they hold an element that few or no training formulas hold, have more elements than
any, or amounts beyond what it saw. Their values are guesses: the model was never tested on anything
like them, and neither a standard deviation nor an interval says how far off it is there.</p>
<p>Check them by other means before they are ranked beside the rest; the results name the reason row
by row.</p>"""
