"""Many formulas: plain ones are read by one regular expression over a whole block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .formula import MAX_TEXT, parse_formula
from .meaning import ABBREVIATION, ADDUCT_OR_DECIMAL, ROMAN
from .numerals import MAX_AMOUNT, MIN_AMOUNT, FormulaError
from .text import Memo

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

PARSE_BLOCK = 8192  # formulas parsed together
MAX_KEPT = 100_000  # tokens and brackets remembered between calls, a few MB


TOKEN = re.compile(r"[A-Z][a-z]?[0-9.]*|\n|.")  # of plain formulas joined by newlines
TERM = re.compile(r"([A-Z][a-z]?)([0-9.]*)")
BRACKET = re.compile(r"\((?:[A-Z][a-z]?[0-9.]*)+\)[0-9.]*")  # with no other inside
PLAIN_AMOUNT = re.compile(r"(?:0|[1-9][0-9]*)?(?:\.[0-9]+)?")
ODD = ("IV", "OAc")  # see MISREAD: of its rules, these and a stop concern what else is plain
END, UNUSUAL = complex(0), complex(-1)  # the latter sends a formula to parse_formula


def plain_amount(text: str) -> float:
    """An amount that both readers read alike; ValueError for any other."""
    if PLAIN_AMOUNT.fullmatch(text):
        return float(text or 1)
    raise ValueError(text)


@dataclass
class Compositions:
    """Compositions of one number of elements n: texts (rows,), numbers and amounts (n, rows)."""

    texts: Ints
    numbers: Ints
    amounts: Floats

    def common_divisor(self) -> Floats:
        """The greatest common divisor of whole amounts; 1 for others, and of a lone element."""
        whole = (self.amounts == np.floor(self.amounts)).all(axis=0) & (len(self.numbers) > 1)
        divisor = np.ones(len(self.texts))
        divisor[whole] = np.gcd.reduce(self.amounts[:, whole].astype(np.int64), axis=0)
        return divisor

    def take(self, which: npt.NDArray[Any]) -> Compositions:
        """Some of them, in the order asked."""
        return Compositions(self.texts[which], self.numbers[:, which], self.amounts[:, which])


def join(parts: list[Compositions]) -> Compositions:
    """Parts of one number of elements as one, in the order of the texts."""
    if len(parts) == 1:
        return parts[0]
    whole = Compositions(
        np.concatenate([part.texts for part in parts]),
        np.concatenate([part.numbers for part in parts], axis=1),
        np.concatenate([part.amounts for part in parts], axis=1),
    )
    return whole.take(np.argsort(whole.texts))


class Parser:
    """Formulas to compositions: plain ones by one regular expression over a whole block."""

    def __init__(self, known: dict[str, int]) -> None:
        self.known = known
        self.plain = {symbol: number for symbol, number in known.items() if symbol not in "DT"}
        self.tokens, self.brackets = Memo(self._token), Memo(self._bracket)

    def _token(self, token: str) -> complex:
        """A token such as "Fe2" as atomic number + amount j: one pass makes one array of both."""
        symbol = token.rstrip("0123456789.")
        number = self.plain.get(symbol)
        if number is None:
            return END if symbol == "\n" else UNUSUAL
        try:
            amount = plain_amount(token[len(symbol) :])
        except ValueError:
            return UNUSUAL
        return complex(number, amount) if MIN_AMOUNT <= amount <= MAX_AMOUNT else UNUSUAL

    def _bracket(self, bracket: str) -> str:
        """A bracket such as "(PO4)2" without it: "P2.0O8.0"; whatever is odd stays odd."""
        inside, _, factor = bracket[1:].rpartition(")")
        terms = TERM.findall(inside)
        if len(terms) == 1 or ROMAN.search("-" + bracket) or ABBREVIATION.search(bracket):
            return "?"
        try:
            times = plain_amount(factor)
            return "".join(f"{symbol}{plain_amount(a) * times}" for symbol, a in terms)
        except ValueError:
            return "?"

    def parse(self, texts: Sequence[str]) -> tuple[list[Compositions], dict[int, str]]:
        """Compositions grouped by number of elements, and the reason by rejected text."""
        found: dict[int, list[Compositions]] = {}
        rejected: dict[int, str] = {}
        for start in range(0, len(texts), PARSE_BLOCK):
            block = texts[start : start + PARSE_BLOCK]
            unusual = np.ones(len(block), bool)
            if len(block) > 16:  # below that, one at a time is quicker
                for group in self._plain(block):
                    unusual[group.texts] = False
                    group.texts += start
                    found.setdefault(len(group.numbers), []).append(group)
            for row in np.flatnonzero(unusual).tolist():
                try:
                    terms = parse_formula(block[row], self.known)
                except FormulaError as error:
                    rejected[start + row] = str(error)
                    continue
                number, amount = zip(*terms, strict=True)
                one = Compositions(
                    np.array([start + row]), np.array([number]).T, np.array([amount]).T
                )
                found.setdefault(len(terms), []).append(one)
        return [join(parts) for parts in found.values()], rejected

    def _plain(self, texts: Sequence[str]) -> Iterator[Compositions]:
        """The compositions of the plain texts: symbols, amounts, brackets; no symbol twice."""
        if len(self.tokens) + len(self.brackets) > MAX_KEPT:
            self.tokens, self.brackets = Memo(self._token), Memo(self._bracket)
        # A text that would upset the joined one is sent to parse_formula by a token of its own.
        safe = [t if len(t) <= MAX_TEXT and "\n" not in t else "?" for t in texts]
        joined = "\n".join(safe)
        for odd in ODD:
            if odd in joined:
                joined = joined.replace(odd, "?")
        if "." in joined:
            joined = ADDUCT_OR_DECIMAL.sub(r"?\g<0>", joined)
        if "(" in joined:
            brackets = self.brackets
            joined = BRACKET.sub(lambda found: brackets[found[0]], joined)
        found = TOKEN.findall(joined)
        codes = np.fromiter(map(self.tokens.__getitem__, found), np.complex128, len(found))
        numbers, amounts = codes.real.astype(np.intp), codes.imag
        ends = np.append(np.flatnonzero(numbers == 0), len(codes))
        starts = np.append(0, ends[:-1] + 1)
        sizes = ends - starts
        sizes[np.searchsorted(ends, np.flatnonzero(numbers < 0))] = 0
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = np.flatnonzero(sizes == size)
            at = starts[rows] + np.arange(size)[:, None]
            ordered = np.sort(numbers[at], axis=0)
            once = (ordered[1:] != ordered[:-1]).all(axis=0)
            yield Compositions(rows[once], numbers[at[:, once]], amounts[at[:, once]])
