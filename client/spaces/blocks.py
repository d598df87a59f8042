"""From what a space says to the blocks that are enumerated; see ``functions/spaces``."""

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from matminer_compute.errors import SpaceError

from .elements import elements
from .forms import AnyForm, Ratios, Substitute, Template
from .formulas import given, read
from .pattern import amounts_of, letters_of

#: Amounts have a common denominator of at most this, and a block so many rows of them.
_FINEST, _ROWS = 10_000, 1 << 15
_ATOMS = 60

Block = dict[str, Any]


def blocks_of(form: AnyForm, folder: Path, where: str) -> list[Block]:
    """The blocks of a space.

    Raises:
        SpaceError: it cannot be enumerated; names the key.
    """
    if isinstance(form, Ratios):
        return _of_ratios(form, where)
    if isinstance(form, Substitute):
        return _of_substitution(form, folder, where)
    variables = {} if isinstance(form, Template) else form.variables
    unsaid = letters_of(form.formula) - variables.keys()
    if unsaid:
        letter = min(unsaid)
        if isinstance(form, Template):
            raise SpaceError(
                f'{where}: formula: nothing says what {letter} is; write kind = "series".'
            )
        raise SpaceError(
            f"{where}: variables: nothing says what {letter} in the formula is; write "
            f"{letter} = {{from = 0, to = 1, step = 0.05}} in [variables]."
        )
    if math.prod(map(len, variables.values())) > _ROWS:
        raise SpaceError(f"{where}: variables: more than {_ROWS:,} steps; write longer ones.")
    rows = []
    for values in itertools.product(*variables.values()):
        at = dict(zip(variables, values, strict=True))
        try:
            rows.append(_checked(amounts_of(form.formula, at), at))
        except ValueError as error:
            raise SpaceError(f"{where}: formula: {error} ({form.formula!r}).") from None
    return [_product(rows, form.sites, where)]


def _product(
    rows: Sequence[Mapping[str, Fraction]], sites: Mapping[str, list[str]], where: str
) -> Block:
    """Every choice for the sites that occur, times the rows of amounts."""
    names = rows[0].keys()
    unused = sites.keys() - names
    if unused:
        raise SpaceError(
            f"{where}: sites.{min(unused)}: the formula has no such site; leave it out."
        )
    used = [name for name in names if name in sites]
    fixed = [name for name in names if name not in sites]
    wrong = [name for name in fixed if name not in elements()]
    if wrong:
        raise SpaceError(
            f"{where}: formula: {wrong[0]} is neither an element nor a site; write "
            f'{wrong[0]} = ["Ca", "Sr"] in [sites].'
        )
    return {
        "sites": [list(dict.fromkeys(sites[name])) for name in used],
        "fixed": [fixed] * len(rows),
        "rows": [_whole([row[name] for name in (*used, *fixed)]) for row in rows],
    }


def _of_ratios(form: Ratios, where: str) -> list[Block]:
    symbols = list(dict.fromkeys([*form.elements, *form.required]))
    required = list(dict.fromkeys(form.required))
    least, most = max(form.min_elements, len(required), 1), min(form.max_elements, len(symbols))
    if least > most:
        raise SpaceError(
            f"{where}: max_elements: no composition has {least} or more elements and at most "
            f"{most}; write max_elements = {least}, and elements enough."
        )
    if form.max_atoms > _ATOMS or math.comb(form.max_atoms, most) > 1 << 22:
        raise SpaceError(
            f"{where}: max_atoms: {form.max_atoms} atoms of up to {most} elements have too many "
            "ratios; write max_atoms = 16, or fewer elements."
        )
    return [
        {"of": of, "elements": symbols, "required": required}
        for of in range(least, min(most, form.max_atoms) + 1)
    ]


def _of_substitution(form: Substitute, folder: Path, where: str) -> list[Block]:
    grouped: dict[tuple[str, ...], list[Mapping[str, Fraction]]] = {}
    for formula, amounts in read(given(form.formulas, folder, f"{where}: formulas")):
        if amounts is None:
            raise SpaceError(
                f"{where}: formulas: {formula!r} cannot be read; write symbols and numbers only."
            )
        replaced = tuple(symbol for symbol in form.replace if symbol in amounts)
        if replaced:
            grouped.setdefault(replaced, []).append(amounts)
    if not grouped:
        raise SpaceError(f"{where}: replace: no formula holds any of these elements.")
    return [_substituted(replaced, rows, form.replace) for replaced, rows in grouped.items()]


def _substituted(
    replaced: tuple[str, ...],
    rows: list[Mapping[str, Fraction]],
    replace: Mapping[str, list[str]],
) -> Block:
    fixed = [[symbol for symbol in row if symbol not in replaced] for row in rows]
    width = max(map(len, fixed))
    whole = [
        _whole([row[symbol] for symbol in (*replaced, *others)])
        for row, others in zip(rows, fixed, strict=True)
    ]
    return {
        "sites": [list(dict.fromkeys(replace[symbol])) for symbol in replaced],
        "fixed": [others + [replaced[0]] * (width - len(others)) for others in fixed],
        "rows": [row + [0] * (1 + len(replaced) + width - len(row)) for row in whole],
    }


def _checked(amounts: dict[str, Fraction], at: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Amounts that a composition can have, with these values of the letters."""
    where = " and ".join(f"{letter} = {float(value):g}" for letter, value in at.items())
    for name, amount in amounts.items():
        if amount < 0:
            raise ValueError(f"the amount of {name} is negative at {where}")
    if not any(amounts.values()):
        raise ValueError("all amounts are zero" + (f" at {where}" if where else ""))
    return amounts


def _whole(amounts: Sequence[Fraction]) -> list[int]:
    """A divisor, and the whole numbers that it makes these amounts of.

    Raises:
        SpaceError: they are finer than anybody means.
    """
    divisor = math.lcm(*(amount.denominator for amount in amounts))
    if divisor > _FINEST or max(amounts) > _FINEST:
        worst = max(amounts, key=lambda amount: (amount.denominator, amount))
        raise SpaceError(f"{float(worst)!r} is no amount for a space: write at most 4 decimals.")
    return [divisor, *(int(amount * divisor) for amount in amounts)]
