"""Candidates as texts: the elements in their space's order, amounts as a chemist writes them."""

import re
from typing import Any

_TERM = re.compile(r"([A-Z][a-z]?)([0-9]*)")
#: What a molecule may begin with, of which .5 behind a whole number would be an adduct's count.
_MOLECULE = ("H", "C", "S", "N", "O")


def texts(symbols: list[str], places: Any, amounts: Any, divisors: Any) -> list[str]:
    """Formulas of candidates.

    Args:
        symbols: of the space's elements.
        places: (n, width), of each candidate's elements among them.
        amounts: (n, width), whole, 0 where absent.
        divisors: (n,), what the amounts are to be divided by.

    Returns:
        Texts that any reader of formulas takes for exactly these amounts.
    """
    if len(divisors) and divisors.max() > 1:
        rows = zip(places.tolist(), amounts.tolist(), divisors.tolist(), strict=True)
        return [_text([symbols[place] for place in row], of, by) for row, of, by in rows]
    written = [
        "" if amount == 1 else str(amount) for amount in range(int(amounts.max(initial=0)) + 1)
    ]
    columns = (
        [symbols[place] + written[of] if of else "" for place, of in zip(some, have, strict=True)]
        for some, have in zip(places.T.tolist(), amounts.T.tolist(), strict=True)
    )
    return list(map("".join, zip(*columns, strict=True)))


def read(text: str) -> list[tuple[str, int]]:
    """Symbols and whole amounts of a text that ``texts`` made with the divisor 1."""
    return [(symbol, int(amount or 1)) for symbol, amount in _TERM.findall(text)]


def _text(symbols: list[str], amounts: list[int], divisor: int) -> str:
    terms = [
        (symbol, amount / divisor)
        for symbol, amount in zip(symbols, amounts, strict=True)
        if amount
    ]
    following = [*(symbol for symbol, _ in terms[1:]), ""]
    return "".join(
        symbol + _number(amount, following[k].startswith(_MOLECULE))
        for k, (symbol, amount) in enumerate(terms)
    )


def _number(amount: float, molecule: bool) -> str:
    """An amount; where it could be a count of molecules (Cu1.5H2O) with three decimals."""
    if amount == int(amount):
        return "" if amount == 1.0 else str(int(amount))
    text = repr(amount)
    return text.ljust(text.index(".") + 4, "0") if molecule and amount > 1.0 else text
