"""Many formulas: plain ones are read in one compiled pass, all others one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .formula import MAX_TEXT, not_text, parse_formula
from .numerals import MAX_AMOUNT, MIN_AMOUNT, FormulaError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

FEW = 4  # formulas that are read one by one, which is quicker
LIMITS = np.array([MAX_TEXT, MIN_AMOUNT, MAX_AMOUNT])


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


class Parser:
    """Formulas to compositions."""

    def __init__(self, known: dict[str, int], read_plain: Callable[..., None]) -> None:
        self.known = known
        self.read_plain = read_plain
        self.symbols = np.zeros((26, 27), np.intp)  # by first letter, and second one if there is
        for symbol, number in known.items():
            if symbol not in "DT":
                self.symbols[ord(symbol[0]) - ord("A"), ord(symbol[1:] or "`") - ord("`")] = number

    def parse(self, formulas: Sequence[object]) -> tuple[list[Compositions], dict[int, str]]:
        """Compositions grouped by number of elements, and the reason for each rejected row."""
        ends, numbers, amounts = self._plain(formulas)
        sizes = np.diff(ends, prepend=0)
        starts = ends - sizes
        read: dict[object, list[tuple[int, float]] | str] = {}
        more, rejected = [], {}
        for row in np.flatnonzero(sizes == 0).tolist():
            formula = formulas[row]
            if not isinstance(formula, str):
                rejected[row] = not_text(formula)
                continue
            if formula not in read:
                read[formula] = self._carefully(formula)
            terms = read[formula]
            if isinstance(terms, str):
                rejected[row] = terms
                continue
            starts[row], sizes[row] = len(numbers) + len(more), len(terms)
            more += terms
        if more:
            others = np.array(more)
            numbers = np.append(numbers, others[:, 0].astype(np.intp))
            amounts = np.append(amounts, others[:, 1])
        groups = []
        for size in np.flatnonzero(np.bincount(sizes)).tolist():
            if size:
                rows = np.flatnonzero(sizes == size)
                at = starts[rows] + np.arange(size)[:, None]
                groups.append(Compositions(rows, numbers[at], amounts[at]))
        return groups, rejected

    def _carefully(self, text: str) -> list[tuple[int, float]] | str:
        """The terms of one formula, or why there are none."""
        try:
            return parse_formula(text, self.known)
        except FormulaError as error:
            return str(error)

    def _plain(self, formulas: Sequence[object]) -> tuple[Ints, Ints, Floats]:
        """The terms of plain formulas, and where those of each end: of any other it has none."""
        ends = np.zeros(len(formulas), np.intp)
        if len(formulas) <= FEW:
            return ends, np.empty(0, np.intp), np.empty(0)
        try:
            lines = "\n".join(cast("Sequence[str]", formulas))
        except TypeError:
            formulas = [formula if isinstance(formula, str) else "" for formula in formulas]
            lines = "\n".join(formulas)
        if lines.count("\n") >= len(formulas):  # a line must be a formula, and ? is never plain
            lines = "\n".join(str(formula).replace("\n", "?") for formula in formulas)
        text = np.frombuffer(f"{lines}\n\n\n".encode("ascii", "replace"), np.uint8)
        numbers, amounts = np.empty(len(text), np.intp), np.empty(len(text))
        self.read_plain(text, self.symbols, LIMITS, ends, numbers, amounts)
        return ends, numbers[: ends[-1]].copy(), amounts[: ends[-1]].copy()
