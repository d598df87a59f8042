"""One formula, read from beginning to end."""

from __future__ import annotations

from .grammar import Terms, parse_terms
from .meaning import CURIOUS, check_meaning
from .numerals import MAX_AMOUNT, MIN_AMOUNT, FormulaError
from .text import tidy

MAX_TEXT = 1000  # characters


def parse_formula(text: str, known: dict[str, int]) -> list[tuple[int, float]]:
    """Atomic numbers and amounts of one formula, in order of first appearance.

    D and T count as H, as in matminer. Equal to pymatgen's
    ``Composition(text).element_composition`` wherever pymatgen reads the text too and it cannot
    mean anything else (`check_meaning`).

    Raises:
        FormulaError: as `parse_terms`; also for empty texts, long ones, amounts out of bounds. One
            so small that pymatgen would drop its element would change what the formula is.
    """
    if len(text) > MAX_TEXT:
        raise FormulaError(f"a formula has at most {MAX_TEXT} characters; this one has more")
    terms = parse_foreign(text, known) if CURIOUS.search(text) else parse_terms(text, known)
    if not terms:
        raise FormulaError("the formula is empty")
    amounts: dict[int, float] = {}  # H, D and T were apart until here, as in pymatgen
    for symbol, amount in terms:
        if amount > MAX_AMOUNT:
            raise FormulaError(f"an amount is over {MAX_AMOUNT:g}")
        if amount < MIN_AMOUNT:
            raise FormulaError(
                f"the amount {amount:g} of {symbol} is too small to count (under {MIN_AMOUNT:g}): "
                f"leave {symbol} out"
            )
        amounts[known[symbol]] = amounts.get(known[symbol], 0.0) + amount
    return list(amounts.items())


def parse_foreign(text: str, known: dict[str, int]) -> Terms:
    """The terms of a text that is more than symbols and whole amounts.

    Raises:
        FormulaError: as `parse_terms` and `check_meaning`; with what was read, if places differ.
    """
    tidied = tidy(text)
    try:
        check_meaning(tidied)
        return parse_terms(tidied, known)
    except FormulaError as error:
        if len(tidied) == len(text):
            raise
        raise FormulaError(f"{error} (read as {tidied[:60]!r})") from None


def not_text(formula: object) -> str:
    """The reason to reject what is not a string."""
    return f"a formula must be text, not {type(formula).__name__}"
