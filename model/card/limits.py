"""What a user should know before trusting a value: sentences, each made of a fact of the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matminer_compute.model.options import USELESS_R2

from .record import Card, Domain

_ROWS = 30  # of a number of elements, for their errors to be compared
_WORSE = 1.5
_ELSEWHERE = "no rows kept out of its training were given"
_NO_ERRORS = {
    "training": "none of its rows was kept out",
    "publish": _ELSEWHERE,
    "registry": "nothing in the registry says how large they are",
}
_NO_DOMAIN = dict.fromkeys(
    ("training", "publish"),
    "What it was trained on is not known: no value is marked as outside, however far its "
    "composition is from the training data.",
) | {"registry": "There is no card that says which elements it was trained on."}
_NO_INTERVALS = {
    "training": "none were calibrated when it was trained",
    "publish": f"{_ELSEWHERE} to calibrate them by",
    "registry": "nothing in the registry says that any were calibrated",
}
_RUN = 4  # symbols in a row that are written as "Am to Og"


def limits_of(card: Card, symbols: Sequence[str] = ()) -> tuple[str, ...]:
    """The known limits of a version.

    Args:
        card: less its limits.
        symbols: of the periodic table, in order.
    """
    return tuple(_limits(card, symbols))


def _limits(card: Card, symbols: Sequence[str]) -> Iterator[str]:
    yield (
        "It sees the composition alone: all polymorphs of a composition, and all temperatures and "
        "pressures, share one value."
    )
    if card.data is not None and card.data.computed:
        yield (
            f"The values it learned were computed, not measured: its {card.quantity()} is that of "
            "the method its data were computed by, with the errors of that method."
        )
    if card.errors is None:
        yield f"Its errors are not known: {_NO_ERRORS[card.origin]}."
    else:
        yield from _of_errors(card)
    if card.domain is None:
        yield _NO_DOMAIN[card.origin]
    else:
        yield from _of_domain(card.domain, symbols)
    if card.intervals is None:
        yield (
            f"It gives no intervals: {_NO_INTERVALS[card.origin]}. A standard deviation, where "
            "there is one, ranks what to trust and is no error bar."
        )
    else:
        yield (
            "Its intervals hold as often as they say for compositions like those it was trained "
            "on, and far less often for a chemistry it never saw."
        )


def _of_errors(card: Card) -> Iterator[str]:
    assert card.errors is not None
    overall = card.errors.overall
    if card.origin == "publish":
        yield (
            "Its errors were measured on rows that its publisher gave, and said were none that it "
            "was trained on: for compounds unlike these, expect larger ones."
        )
    else:
        yield (
            "Its errors were measured on compositions drawn at random from its data: for a family "
            "of compounds of which it saw none, expect larger ones."
        )
    if overall.r2 is not None and overall.r2 < USELESS_R2:
        yield f"R² is {overall.r2:.2g}: it predicts little better than the mean of its data."
    many = {n: f for n, f in card.errors.by_elements.items() if f.rows and f.rows >= _ROWS}
    worse = [n for n, figures in many.items() if figures.mae > _WORSE * overall.mae]
    if worse:
        listed = _listed([str(n) for n in worse])
        noun = "element" if worse == [1] else "elements"
        mae = max(many[n].mae for n in worse)
        yield (
            f"For compositions of {listed} {noun} its mean absolute error is up to {mae:.3g} "
            f"{card.unit}, against {overall.mae:.3g} over all."
        )


def _of_domain(domain: Domain, symbols: Sequence[str]) -> Iterator[str]:
    if domain.what == "calibration":
        yield (
            "What it was trained on is not known: compositions far from the rows that its "
            "intervals were learned from are marked as outside."
        )
        return
    if domain.never:
        named = _listed(_runs(domain.never, symbols))
        yield f"It never saw {named}: a value for a composition that holds one is a guess."
    rare = [symbol for symbol, formulas in domain.by_element.items() if formulas < domain.few]
    if rare:
        each = " each" if len(rare) > 1 else ""
        yield (
            f"It saw {_listed(rare)} in fewer than {domain.few} formulas{each}: a value for a "
            "composition that holds one is little better than a guess."
        )
    largest = max(domain.by_size, default=0)
    yield f"It saw no composition of more than {largest} elements."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _runs(some: Sequence[str], symbols: Sequence[str]) -> list[str]:
    """Symbols, those that follow each other in the periodic table as a run: ``Am to Og``."""
    place = {symbol: at for at, symbol in enumerate(symbols)}
    runs: list[list[str]] = []
    for symbol in some:
        if runs and symbol in place and place.get(runs[-1][-1]) == place[symbol] - 1:
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    named: list[str] = []
    for run in runs:
        named += [f"{run[0]} to {run[-1]}"] if len(run) >= _RUN else run
    return named
