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
        lines = self._lines(formulas)
        starts, sizes = np.empty((2, len(formulas)), np.intp)
        numbers, amounts = np.empty(len(lines), np.intp), np.empty(len(lines))
        self.read_plain(lines, self.symbols, LIMITS, starts, sizes, numbers, amounts)
        read: dict[str, list[tuple[int, float]] | str] = {}
        more: list[tuple[int, float]] = []
        rejected = {}
        for row in (sizes == 0).nonzero()[0].tolist():
            formula = formulas[row]
            if not isinstance(formula, str):
                rejected[row] = not_text(formula)
                continue
            if formula not in read:
                read[formula] = self.carefully(formula)
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
        for size in np.bincount(sizes).nonzero()[0].tolist():
            if size:
                rows = (sizes == size).nonzero()[0]
                at = starts[rows] + np.arange(size)[:, None]
                groups.append(Compositions(rows, numbers[at], amounts[at]))
        return groups, rejected

    def carefully(self, text: str) -> list[tuple[int, float]] | str:
        """The terms of one formula, or why there are none."""
        try:
            return parse_formula(text, self.known)
        except FormulaError as error:
            return str(error)

    @staticmethod
    def _lines(formulas: Sequence[object]) -> npt.NDArray[np.uint8]:
        """The formulas as ``read_plain`` takes them; what is no plain text is no plain formula."""
        try:
            lines = "\n".join(cast("Sequence[str]", formulas))
        except TypeError:
            lines = "\n".join(text if isinstance(text, str) else "" for text in formulas)
        if lines.count("\n") >= len(formulas):  # a formula holds some
            texts = (text if isinstance(text, str) else "" for text in formulas)
            lines = "\n".join(text.replace("\n", "?") for text in texts)
        return np.frombuffer(f"{lines}\n\n\n".encode("ascii", "replace"), np.uint8)
