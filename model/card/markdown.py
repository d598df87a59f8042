"""A card as Markdown: the words of every description that a person reads.

Whatever comes from elsewhere (names, units, attributions) is escaped here: nothing in it is markup.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from .authors import Authors
from .record import Card, Figures, Protocol
from .works import works_of

_MARKUP = re.compile(r"[\\`*\[\]<>|~#&$]|(?<![^\W_])_|_(?![^\W_])")  # "_" in a word is none
_UNKNOWN = "Not known."
_BAR = 16  # blocks of the longest bar
_ORIGIN = {
    "training": "",
    "publish": "It was trained elsewhere: what is not said below is not known.",
    "registry": "There is no card of this version: it was registered before there were any. What "
    "follows is what its tags and its run hold.",
}

Section = tuple[str, str]


def markdown(card: Card, authors: Authors | None = None) -> str:
    """The whole card.

    Args:
        card: of a version.
        authors: what the publisher adds.
    """
    parts = [f"# {plain(title(card, authors))}", lead(card)]
    parts += [f"## {heading}\n\n{text}" for heading, text in sections(card, authors)]
    return "\n\n".join(parts) + "\n"


def title(card: Card, authors: Authors | None) -> str:
    """What the publisher calls it, or else its name, version and property."""
    return (authors and authors.title) or card.title()


def lead(card: Card) -> str:
    """What it is, in a sentence or two."""
    unit = f" ({plain(card.unit)})" if card.unit else ""
    said = f"Predicts the {plain(card.quantity())}{unit} of a chemical composition."
    return f"{said} {_ORIGIN[card.origin]}".strip()


def sections(card: Card, authors: Authors | None = None) -> list[Section]:
    """The headings, each with what stands below it."""
    return [
        ("Errors", _errors(card)),
        ("Intervals", _intervals(card)),
        ("Known limits", "\n".join(f"* {plain(limit)}" for limit in card.limits)),
        ("Training data", _data(card)),
        ("Elements", _elements(card)),
        ("What it goes by", _importance(card)),
        ("How it was trained", _protocol(card)),
        ("How to use it", _use(card)),
        ("How to cite it", "\n".join(f"* {plain(work)}" for work in cited(card, authors))),
    ]


def cited(card: Card, authors: Authors | None) -> Iterator[str]:
    """What to cite: the model itself, if it is published, its data, and the works it rests on."""
    if authors is not None:
        names = "; ".join(author.name for author in authors.authors)
        doi = f", doi:{authors.doi}" if authors.doi else ""
        yield f"{names}, {title(card, authors)}, {authors.publisher} ({authors.year}){doi}"
    if card.data is not None and card.data.attribution:
        yield f"The data: {card.data.attribution}"
    yield from map(str, works_of(card))


def plain(text: str) -> str:
    """Foreign text on one line, with what Markdown would take for markup escaped."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", _seen(text))


def _seen(text: str) -> str:
    """Text on one line, with what cannot be seen, or turns the line around, written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def _errors(card: Card) -> str:
    if card.errors is None:
        return _UNKNOWN
    overall, unit = card.errors.overall, plain(card.unit)
    rows = "rows" if overall.rows is None else _count(overall.rows, "row")
    how = "" if card.protocol is None else _cross_validated(card.protocol)
    said = f"{how}On {rows} kept out of training, in {unit or 'its unit'}:"
    headings = ["elements", "rows", "MAE", "RMSE", "R²"]
    table = [["all", *_figures(overall)]]
    table += [[str(size), *_figures(each)] for size, each in card.errors.by_elements.items()]
    meaning = (
        "MAE is the mean absolute error, RMSE the root of the mean squared error; R² is 1 for a "
        "perfect model and 0 for one that always says the mean."
    )
    return f"{said}\n\n{_table(headings, table)}\n\n{meaning}"


def _cross_validated(protocol: Protocol) -> str:
    folds, held_out = protocol.folds, protocol.held_out
    if folds is None:
        return ""
    some = "" if held_out in (None, folds) else f", of which {held_out} were held out"
    some = some.replace("1 were", "one was") if held_out == 1 else some
    return f"Cross-validated in {folds} folds{some}; no composition is in two of them. "


def _figures(figures: Figures) -> list[str]:
    rows = "" if figures.rows is None else f"{figures.rows:,}"
    return [rows, _number(figures.mae), _number(figures.rmse), _number(figures.r2)]


def _intervals(card: Card) -> str:
    if card.intervals is None:
        return "None: a value comes without `lower` and `upper`."
    coverage, width = card.intervals.coverage, card.intervals.width
    groups = dict.fromkeys(group for level in coverage.values() for group in level)
    headings = ["elements", *(f"{float(level):.0%}" for level in coverage)]
    table = [
        [group, *(_percent(shares.get(group)) for shares in coverage.values())]
        for group in sorted(groups, key=lambda group: (group != "all", len(group), group))
    ]
    table.append(["mean width", *(_number(width.get(level)) for level in coverage)])
    unit = plain(card.unit) or "its unit"
    return (
        "The share of rows that lay inside their interval, for each interval that can be asked "
        "for, judged by rows other than those it was calibrated on; and the mean width in "
        f"{unit}:\n\n{_table(headings, table)}"
    )


def _data(card: Card) -> str:
    data = card.data
    if data is None:
        return _UNKNOWN
    left_out = f"; {_count(data.left_out, 'row')} could not be used" if data.left_out else ""
    facts = [
        ("source", plain(data.source)),
        ("rows", f"{data.rows:,}{left_out}" if data.rows is not None else ""),
        ("licence", plain(data.licence or "") or "not known"),
        ("sha256", data.digest),
        ("credit", plain(data.attribution) or "not known"),
    ]
    return _facts(facts)


def _elements(card: Card) -> str:
    domain = card.domain
    if domain is None:
        return _UNKNOWN
    held = ", ".join(
        f"{symbol}\u00a0{formulas:,}" for symbol, formulas in domain.by_element.items()
    )
    bounds = [
        [str(size), f"{of.formulas:,}", f"{of.fraction:.1%}", f"{of.amount:g}"]
        for size, of in domain.by_size.items()
    ]
    headings = ["elements", "formulas", "largest share of one", "largest amount"]
    return (
        f"{len(domain.by_element)} elements, by the number of {domain.what} formulas that hold "
        f"each: {held}.\n\n{_table(headings, bounds)}\n\nA composition beyond these is marked as "
        "outside, and its value is a guess."
    )


def _importance(card: Card) -> str:
    if card.features is None:
        return _UNKNOWN
    rows, first = _count(card.features.rows, "row"), card.features.first
    if not first:
        return f"Nothing: on {rows} kept out, shuffling a feature did no harm."
    unit, most = plain(card.unit) or "its unit", first[0].rise
    table = [
        [
            plain(each.feature),
            str(each.columns),
            f"+{_number(each.rise)}",
            _bar(each.rise / most),
        ]
        for each in first
    ]
    return (
        f"How much the mean absolute error of {rows} kept out rises, in {unit}, if all columns "
        "that tell the same of a composition are shuffled among the rows (permutation "
        f"importance):\n\n{_table(['feature', 'columns', 'MAE', ''], table)}"
    )


def _protocol(card: Card) -> str:
    protocol = card.protocol
    if protocol is None:
        return _facts([("registered", _day(card)), *_versions(card)])
    folds = "" if protocol.folds is None else str(protocol.folds)
    element_data = protocol.preset if "ElementProperty" in protocol.featurizers else ""
    columns = "" if protocol.columns is None else f" ({protocol.columns} columns)"
    facts = [
        ("estimator", plain(protocol.estimator)),
        ("size", "" if protocol.size is None else str(protocol.size)),
        ("answer", f"the {plain(protocol.aggregate)} of its trees" if protocol.aggregate else ""),
        ("featurizers", plain(", ".join(protocol.featurizers)) + columns),
        ("element data", plain(element_data)),
        ("folds", folds),
        ("seed", "" if protocol.seed is None else str(protocol.seed)),
        ("registered", _day(card)),
        *_versions(card),
    ]
    return _facts(facts)


def _versions(card: Card) -> list[tuple[str, str]]:
    featurizer = f"{card.featurizer} version {card.featurizer_version}" if card.featurizer else ""
    software = ", ".join(f"{name} {number}" for name, number in card.software.items())
    return [
        ("featurizer", plain(featurizer)),
        ("run", plain(card.run_id)),
        ("software", plain(software)),
    ]


def _use(card: Card) -> str:
    name = _seen(shlex.quote(card.name))
    return f"    matminer-compute predict NaCl --model {name} --version {card.version}"


def _day(card: Card) -> str:
    return f"{card.created:%Y-%m-%d}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _number(value: float | None) -> str:
    """Three significant digits; all of the whole part."""
    if value is None:
        return ""
    size = abs(value)
    form = "#.3g" if 1e-3 <= size < 1e3 or not size else ",.0f" if 1e3 <= size < 1e7 else ".2e"
    return format(value, form).replace("-", "\u2212")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _bar(share: float) -> str:
    """A bar of blocks, to an eighth of one."""
    whole, eighths = divmod(max(1, round(8 * _BAR * share)), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    """A table of what is known, a line each."""
    return _table(["", ""], [[what, said] for what, said in facts if said], align="left")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], align: str = "right") -> str:
    """A table whose first column is of words and whose others are of numbers."""
    rule = [":---", *(["---:"] if align == "right" else [":---"]) * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))
