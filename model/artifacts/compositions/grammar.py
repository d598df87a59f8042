"""One formula: the grammar, from tidy text to symbols and amounts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .meaning import no_element, why_not
from .numerals import FACTOR, MAX_AMOUNT, NUMBER, FormulaError

Terms = list[tuple[str, float]]


STOP = r"\.(?=\s*[A-Z(\[{])"  # "NaCl.H2O": no decimal begins here
TIMES = (  # "CuSO4 x 5H2O": an x that stands free, or before a number of waters
    rf"(?:(?<=\s)[xX](?=\s+{FACTOR}\s*[A-Z(\[{{])|(?<=\s)x(?={FACTOR}\s*[A-Z(\[{{])"
    rf"|(?<=[0-9)\]}}])x(?=\s*{FACTOR}\s*[HD]2O))"
)
PIECE = re.compile(
    r"(?:(?P<symbol>[A-WYZ][a-z]*|X[a-z]+)|(?P<close>[)\]}]))"
    rf"(?:(?P<gap>\s*)(?P<amount>{NUMBER}))?"
    rf"|(?:(?P<dot>[·*]|{STOP}|{TIMES})\s*|^\s*(?=[0-9.]))(?P<factor>{FACTOR})?"
    r"|(?P<open>[(\[{])|\s+|@(?=\s*C[1-9][0-9])|(?P<other>.)",
    re.DOTALL,
)
PAIRS = {"(": ")", "[": "]", "{": "}"}


def merge(terms: Iterable[tuple[str, float]], factor: float) -> Terms:
    """Terms times a factor, one term a symbol, in order of first appearance."""
    amounts: dict[str, float] = {}
    for symbol, amount in terms:
        amounts[symbol] = amounts.get(symbol, 0.0) + amount * factor
    return list(amounts.items())


class Reader:
    """A formula being read: the terms of the innermost open bracket, and what is around it.

    An adduct ("·5H2O") is a bracket too, open from its dot to the next dot or the end; so is a
    first part with a factor in front ("2CaO·SiO2").
    """

    def __init__(self) -> None:
        self.terms: Terms = []
        self.outer: list[tuple[str, int, float, Terms]] = []  # sign, place, factor, terms before

    def open(self, sign: str, place: int, factor: float = 1.0) -> None:
        """A bracket opens, or an adduct with its factor in front."""
        self.outer.append((sign, place, factor, self.terms))
        self.terms = []

    def close(self, factor: float = 1.0) -> None:
        """The innermost bracket or adduct closes, with the factor behind it."""
        sign, place, given, before = self.outer.pop()
        if not self.terms:
            raise FormulaError(f"nothing follows {sign!r} at position {place}")
        self.terms = before + merge(self.terms, given * factor)

    def close_sign(self, sign: str, place: int, factor: float) -> None:
        """A closing bracket is read."""
        if not self.outer or PAIRS.get(self.outer[-1][0]) != sign:
            raise FormulaError(f"{sign!r} at position {place} closes no bracket")
        self.close(factor)

    def end_part(self) -> None:
        """The end of the formula, or of what stands before a dot: no bracket may be open."""
        if self.outer and self.outer[-1][0] not in PAIRS:
            self.close()
        if self.outer:
            sign, place = self.outer[-1][:2]
            raise FormulaError(f"{sign!r} at position {place} is not closed")

    def open_part(self, dot: str, place: int, factor: float) -> None:
        """A dot is read, with the factor behind it."""
        self.end_part()
        if not self.terms:
            raise FormulaError(f"{dot!r} at position {place} follows nothing")
        self.open(dot, place, factor)


def parse_terms(text: str, known: dict[str, int]) -> Terms:
    """Read one tidy formula: brackets, decimals, adducts and factors in front, spaces.

    Amounts are multiplied and added in pymatgen's order: brackets from the inside out, an adduct
    as a bracket of its own.

    Args:
        text: the formula.
        known: atomic number by element symbol.

    Raises:
        FormulaError: names the symbol or the place (counted from 1).
    """
    reader = Reader()
    for piece in PIECE.finditer(text):
        place = piece.start() + 1
        if symbol := piece["symbol"]:
            if symbol not in known:
                raise FormulaError(f"{symbol!r} at position {place} {no_element(symbol, known)}")
            reader.terms.append((symbol, amount_of(piece)))
        elif sign := piece["open"]:
            reader.open(sign, place)
        elif sign := piece["close"]:
            reader.close_sign(sign, place, amount_of(piece))
        elif dot := piece["dot"]:
            reader.open_part(dot, place, factor_of(piece))
        elif piece["factor"]:
            reader.open(piece["factor"], piece.start("factor") + 1, factor_of(piece))
        elif other := piece["other"]:
            raise FormulaError(f"{other!r} at position {place} {why_not(text, piece.start())}")
    reader.end_part()
    return merge(reader.terms, 1.0)


def amount_of(piece: re.Match[str]) -> float:
    """The amount behind an element or bracket: 1 where none is written."""
    text = piece["amount"]
    if text is None:
        return 1.0
    if piece["gap"] and re.match(r"[A-Z(\[{]", piece.string[piece.end() :]):
        raise FormulaError(
            f"the amount {text[:20]} at position {piece.start('amount') + 1} stands between two"
            " elements: close the space before it, or write an adduct with ·"
        )
    return number(text, piece.start("amount") + 1)


def factor_of(piece: re.Match[str]) -> float:
    """The factor in front of a part, perhaps a fraction or a mixed number: 1 where none is."""
    text, place = piece["factor"], piece.start("factor") + 1
    if text is None:
        return 1.0
    above, _, below = text.partition("/")
    if not below:
        return number(text, place)
    *whole, over = [number(part, place) for part in above.split()]
    return sum(whole) + over / number(below.strip(), place)


def number(text: str, place: int) -> float:
    """A number as written: never zero or infinite, and without a 0 that may be the letter O."""
    value = float(text)
    where = f"the amount {text[:20]} at position {place}"
    if text[0] == "0" and text[1:2] not in {".", "e", "E"}:
        wrong = "begins with 0" if len(text) > 1 else "is zero"
        raise FormulaError(f"{where} {wrong}: did you mean the letter O?")
    if not 0.0 < value < float("inf"):
        raise FormulaError(f"{where} is {f'over {MAX_AMOUNT:g}' if value else 'zero'}")
    return value
