"""Chemical formulas to matminer composition features, computed for whole lists at once.

This file is an MLflow *model from code*: it is stored and served as the text you read, beside a
table of element data (.npz, written by ``model/tables.py``) and a folder of compiled loops
(``kernels``). It needs numpy, numba, pandas and mlflow.

The features are those of matminer 0.10.1 (Ward et al., Comput. Mater. Sci. 152, 60, 2018), in the
same order and with the same bits, for any of the featurizers

    Stoichiometry()   ElementProperty.from_preset(preset)
    ValenceOrbital(props=["frac"])   IonProperty(fast=True)

A configuration with any other matminer composition featurizer is computed by matminer itself.

Where the speed comes from: compositions of one number of elements n are arrays (n, rows), and one
compiled pass over them writes all features. Where the identity comes from: every sum runs in the
order of matminer's own, and every power goes through the C library's ``pow``, as Python's ``**``
does. Tests compare bit for bit.
"""

from __future__ import annotations

import html
import importlib
import importlib.util
import itertools
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.pyfunc.model import PythonModel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Terms = list[tuple[str, float]]

VECTORISED = ("Stoichiometry", "ElementProperty", "ValenceOrbital", "IonProperty")
NORMS = np.array([2.0, 3.0, 5.0, 7.0, 10.0])  # Stoichiometry's p, after the 0-norm
COMPENSATED = sum([1.0, 1e100, 1.0, -1e100]) == 2.0  # from Python 3.12 on

MAX_TEXT = 1000  # characters
MIN_AMOUNT, MAX_AMOUNT = 1e-8, 1e12  # pymatgen drops an element below the first
NEUTRAL = 1e-8  # the charge that numpy.isclose(charge, 0) still takes for zero
MAX_LISTED = 4096  # oxidation-state combinations of one composition that are simply listed
MAX_COMBINATIONS = 2.0**40  # ... that are decided at all (0.2 s; matminer would need months)
PARSE_BLOCK = 8192  # formulas parsed together
MAX_KEPT = 100_000  # tokens and brackets remembered between calls, a few MB
WORK_BLOCK = 1 << 15  # floats of one work array, so that it stays in the processor's cache

# ---- One formula: from foreign text to the characters of the grammar -----------------------


class FormulaError(ValueError):
    """A text that is not a composition; the message says why in words a chemist understands."""


class Memo(dict[str, Any]):
    """What a function made of each text so far."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, text: str) -> Any:
        value = self[text] = self.make(text)
        return value


DOTS = "·•∙⋅∗⁎⦁・ㆍ‧˙●◦∘⋆⚫⸱⸳ᐧ×✕✖⨯⨉"  # of adducts; the first stands for all
DASHES = "‐‑‒–—―−⁃"
MARK = "\0"  # where markup was: it keeps a subscript apart from a number that follows it
MARKUP = re.compile(
    r"</?(?:sub|inf)\b[^<>]*>|\$|\\[,;:! ()]"
    r"|\\(?:mathrm|mathsf|mathbf|mathit|textrm|text|rm|ce|ch|left|right)(?![a-z])"
    r"|\\[dt]?frac\{(?P<over>[0-9]+)\}\{(?P<under>[0-9]+)\}"
    r"|_\{(?P<braced>[^{}]*)\}|_(?=[0-9.])|~(?P<tilded>[0-9.]+)~"
    r"|(?P<subscript>[₀-₉]+(?:\.[₀-₉]+)*)|(?P<sup></?sup\b[^<>]*>)|\\(?P<command>[a-z]+)"
)
COMMANDS = {"cdot": "·", "cdotp": "·", "bullet": "·", "times": "·", "ast": "·", "delta": "δ"}
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def one_character(character: str) -> str:
    """What a character stands for in the grammar, where it stands for anything.

    Full-width, mathematical and other forms of ASCII become ASCII, ½ becomes " 1/2", and what
    cannot be seen vanishes. Superscripts stay: they are charges or isotopes, never amounts.
    """
    if character.isascii() or "₀" <= character <= "₉":
        return character
    if character in DOTS:
        return DOTS[0]
    if character in DASHES:
        return "-"
    if character in "⁄∕":
        return "/"
    if unicodedata.category(character) == "Cf" or character in "\ufe0e\ufe0f":
        return ""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    form = unicodedata.normalize("NFKC", character)
    if kind == "<fraction>":
        form = " " + form
    if kind in {"<super>", "<circle>", "<square>"} or form == character:
        return character
    return "".join(map(one_character, form))


CHARACTERS = Memo(one_character)  # at most one entry for each character there is


def without_markup(found: re.Match[str]) -> str:
    """What a piece of HTML, LaTeX or Markdown leaves in the text."""
    if found["sup"]:
        return "^"
    if command := found["command"]:
        return COMMANDS.get(command, "\\" + command)
    if found["over"]:
        return f" {found['over']}/{found['under']}"
    inside = found["braced"] or found["tilded"] or found["subscript"] or ""
    return MARK + inside.translate(SUBSCRIPTS) + MARK


def tidy(text: str) -> str:
    """A formula without markup, in the characters of the grammar."""
    if MARK in text:
        return text
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = "".join(map(CHARACTERS.__getitem__, text))
    text = MARKUP.sub(without_markup, text)
    if MARK in text:
        text = re.sub(f"(?<=[0-9]){MARK}+(?=\\.?[0-9])", " ", text).replace(MARK, "")
        text = re.sub(r"^\s*\{([^{}]*)\}\s*$", r"\1", text)  # \ce{...}
    return text


# ---- One formula: the grammar --------------------------------------------------------------

NUMBER = r"(?:[0-9]+(?:\.[0-9]+|\.(?!\s*[A-Z(\[{]))?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
FACTOR = rf"(?:(?:[0-9]+\s+)?[0-9]+\s*/\s*[0-9]+|{NUMBER})"  # 2½ is 2 1/2 by now
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


# ---- One formula: what is refused, and what to write instead -------------------------------

VARIABLE = r"(?:(?![φ])[a-zα-ω](?![a-z])|delta)"
WHY_NOT = [  # why a character has no place in a formula, by what the text is from there on
    (rf"[0-9.]*\s*[-+±∓]+\s*\(?[0-9.]*\s*{VARIABLE}", "holds a variable: write a number"),
    (r"[0-9.]+\s*[-+]", "belongs to a charge: charges are not part of a composition"),
    (r"(?<=[(\[{])[0-9]+[)\]}]", "is an uncertainty or a charge: leave it out"),
    (r"0(?![0-9.])", "is no amount here: did you mean the letter O?"),
    (
        r"[0-9]",
        "is an amount that follows no element: an adduct is written with · (CuSO4·5H2O), and"
        " isotopes are not part of a composition",
    ),
    (
        r"-\s*[0-9.]+\s*[A-Z(\[{]",
        "is not part of a formula: amounts must be positive, and an adduct is written with ·",
    ),
    (r"[-+]\s*[a-z]", "is not part of a formula: leave names and labels out"),
    (r"-\s*[A-Z(\[{]", "is not part of a formula: write the elements with amounts, no dashes"),
    (r"[-+±]", "is not part of a formula: charges are not part of a composition"),
    (r"[\^⁰¹²³⁴-⁹⁺⁻]", "is not part of a formula: charges and isotopes are left out"),
    (
        r"[,;|&]|/\s*[A-Z(\[{]",
        "is not part of a formula: write one formula a row, and every element with its amount",
    ),
    (r"/", "is not part of a formula: write a fraction as a decimal"),
    (r"\.", "is not part of a formula: write an adduct with · or *"),
    (r":", "is not part of a formula: write an adduct with ·, a dopant as an amount"),
    (r"@", "is not part of a formula: a composite has no composition; write the amounts"),
    (r"%", "is not part of a formula: amounts are numbers of atoms"),
    (r"[=#>→⇌]", "is not part of a formula: neither reactions nor SMILES are read"),
    (r"[□☐]", "is not part of a formula: leave vacancies out"),
    (r"^\s*(?:[α-ω]|[a-w]-|(?:alpha|beta|gamma|delta)\b)", "is a phase label: leave it out"),
    (VARIABLE, "is a variable: write a number"),
    (r"[a-z]", "is not an element: a symbol begins with a capital letter"),
]
CURIOUS = re.compile(r"[^A-Za-z0-9]|I[IV]|OAc|^[0-9]")  # only such texts can be foreign or misread
PLACEHOLDERS = {"A", "M", "R", "X", "L", "Q", "Ln", "RE", "REE", "TM", "Me", "Et", "Ph", "Bu"}
ANIONS = {"H", "C", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I"}
WHY_NOT_READ = [(re.compile(pattern), reason) for pattern, reason in WHY_NOT]

COUNT = r"(?:[1-9]|[12][0-9]|3[0-6])"  # how many molecules an adduct may have
MOLECULE = (  # what a chemist adds with a dot: water, ammonia, acids, gases, organic molecules
    r"(?:[HDT]2[O0]2?|HDO|OH2|HOH|N[HD]3|N2H4|NH2OH|[HD](?:F|Cl|Br|I)|HNO3|H2SO4|H3PO4|H2S|[CS]O2"
    r"|CCl4|CS2|(?=[A-Z0-9()]*?H)[HNO(]*[0-9]*C(?:[0-9CHDNOFIPS()]|Cl|Br)*)"
)
END_OF_PART = r"(?=[ \t]*(?:[·*.)\]}]|x\s|\n|\Z))"
ADDUCT_OR_DECIMAL = re.compile(  # CuSO4.5H2O, NaCl.2H2O
    rf"\.(?P<count>{COUNT})[ \t]*(?=[HDTNCSO(])"
    rf"(?:{MOLECULE}|\({MOLECULE}\)[0-9]*){END_OF_PART}"
)
AMOUNT_BEFORE = re.compile(r"[A-Za-z)\]}](?:[1-9][0-9]*|\s*)\Z")  # neither Na0.5 nor ·1.5
PART_OR_DECIMAL = re.compile(  # CaO.6Al2O3, KCl.2MgCl2: the element before the stop ends the part
    r"(?P<last>[A-Z][a-z]?)(?:[0-9]*[)\]}])?[ \t]*(?:[2-9]|[1-9][0-9]+)?[ \t]*"
    rf"\.(?P<count>{COUNT})[ \t]*(?=[A-Z])(?:[A-Z][a-z]?[0-9]*|[()])*?(?P=last)[0-9]*"
    rf"(?:\)[0-9]*)?{END_OF_PART}"
)
ROMAN = re.compile(
    r"(?<=\S)\s*(?P<it>[(\[{]\s*(?:I{1,3}|IV|VI{0,3})\s*[)\]}])|(?<=[A-Za-z])(?P<bare>II+|IV)(?![a-z])"
)
ABBREVIATION = re.compile(r"O(?:Ac(?![0-9])|(?:Pr|Ts)(?=[)\]}]))")
MISREAD = [  # what the grammar would read, and a chemist means otherwise
    (
        re.compile(r"(?P<it>,)(?=[0-9])"),
        "is not part of a formula: write a decimal with a point, and one formula a row",
    ),
    (
        re.compile(r"\S\s*(?P<it>[\t\n\r\v\f\x85\u2028\u2029])\s*\S"),
        "breaks the line: write one formula a row",
    ),
    (ROMAN, "reads as an oxidation number: leave it out, or write elements without brackets"),
    (
        re.compile(
            r"(?<=\S)(?P<it>\s*[(\[{]\s*(?:[A-Z][a-z]?|[BDFP][0-9]+|C[1-5]?[0-9])\s*[)\]}])"
            r"(?=\s*(?:$|[·*]))|^\s*[A-Z][a-z]?[^\s]*[A-Z][^\s]*(?P<bare>\s+[A-Z][a-z]?)\s*$"
        ),
        "reads as a phase label: leave it out, or write the element without brackets and spaces",
    ),
    (
        re.compile(r"(?P<it>[(\[{]\s*(?![xyznδ]\s*[)\]}])[a-zα-ω][^()\[\]{}]*[)\]}])"),
        "is a state, a phase or an oxidation number: leave it out",
    ),
    (
        re.compile(
            rf"^\s*{FACTOR}\s*(?:[^\s·*]+(?P<it>\s+[A-Z(\[{{])|\S*[)\]}}][0-9]*(?P<bare>\.[0-9]+[(\[{{]))"
        ),
        "follows a number in front of a formula: write · between its parts",
    ),
    (
        re.compile(r"^\s*(?P<it>[0-9]+)\s*[A-Z][a-z]?\s*$"),
        "counts nothing: isotopes are not part of a composition",
    ),
    (ABBREVIATION, "is an abbreviation: write its atoms (acetate as CH3COO)"),
]


def check_meaning(text: str) -> None:
    """Refuse what could be read, but is likely to mean something else.

    Raises:
        FormulaError: names the place, and what to write instead.
    """
    stops = (ADDUCT_OR_DECIMAL, PART_OR_DECIMAL) if "." in text else ()
    for dot in itertools.chain.from_iterable(pattern.finditer(text) for pattern in stops):
        stop, end = dot.start("count") - 1, dot.end("count")
        if AMOUNT_BEFORE.search(text[:stop]):
            zeros = "00" if dot["count"] in {"1", "2", "3"} else "0"  # too many for an adduct
            raise FormulaError(
                f"the stop at position {stop + 1} may begin an adduct or decimals: write"
                f" {text[:stop]}·{text[stop + 1 :]}"
                f" or {text[:end]}{zeros}{text[end:]}"
            )
    for pattern, reason in MISREAD:
        if found := pattern.search(text):
            group = next((name for name, part in found.groupdict().items() if part), 0)
            it = found[group].strip() or found[group]
            place = found.start(group) + found[group].index(it) + 1
            raise FormulaError(f"{it!r} at position {place} {reason}")


def why_not(text: str, at: int) -> str:
    """Why the character at a place of a text cannot be read, as the end of a sentence."""
    for pattern, reason in WHY_NOT_READ:
        if pattern.match(text, at):
            return reason
    if text[at].isalpha():
        name = unicodedata.name(text[at], "a letter of another script").lower()
        return f"is not a Latin letter but {name}"
    return "is not part of a formula"


def no_element(symbol: str, known: dict[str, int]) -> str:
    """What a capital letter with those behind it is, if not an element."""
    if symbol[:-1] in known and symbol[-1] in "xyznmd":
        return f"is not an element: if {symbol[-1]!r} is a variable, write a number"
    if symbol in PLACEHOLDERS:
        return "is not an element: write those that it stands for"
    for cut in range(1, len(symbol)):
        if symbol[:cut] in known and (anion := symbol[cut:].title()) in ANIONS:
            return f"is not an element: did you mean {symbol[:cut]}{anion}?"
    return "is not an element"


def parse_formula(text: str, known: dict[str, int]) -> list[tuple[int, float]]:
    """Atomic numbers and amounts of one formula, in order of first appearance.

    D and T count as H, as in matminer. Equal to pymatgen's
    ``Composition(text).element_composition`` wherever pymatgen reads the text too and it cannot
    mean anything else (`check_meaning`).

    Raises:
        FormulaError: as `parse_terms`; also for empty texts, long ones, amounts out of bounds.
    """
    if len(text) > MAX_TEXT:
        raise FormulaError(f"a formula has at most {MAX_TEXT} characters; this one has more")
    terms = parse_foreign(text, known) if CURIOUS.search(text) else parse_terms(text, known)
    if not terms:
        raise FormulaError("the formula is empty")
    kept = [(known[symbol], amount) for symbol, amount in terms if amount >= MIN_AMOUNT]
    if not kept:
        raise FormulaError(f"no amount reaches {MIN_AMOUNT:g}")
    if max(amount for _, amount in kept) > MAX_AMOUNT:
        raise FormulaError(f"an amount is over {MAX_AMOUNT:g}")
    amounts: dict[int, float] = {}  # H, D and T were apart until here, as in pymatgen
    for number, amount in kept:
        amounts[number] = amounts.get(number, 0.0) + amount
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


# ---- Many formulas -------------------------------------------------------------------------

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


# ---- The domain: what a model was trained on -------------------------------------------------

FEW = 5  # formulas that hold an element; with fewer, the model knows it hardly
LONE = 8.0  # the largest amount of a lone element that means nothing: S8 is a molecule, H20 a slip


class Domain:
    """What the training formulas hold, from the JSON of ``model/domain.py``.

    Attributes:
        held: (119,), how many training formulas hold each element.
        fraction, amount: by number of elements, the largest share of one element and the largest
            amount (whole amounts without a common divisor).
    """

    def __init__(self, path: str, symbols: Sequence[str]) -> None:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        self.symbols = symbols
        self.held = np.array([about["by_element"].get(symbol, 0) for symbol in symbols])
        sizes = {int(size): bounds for size, bounds in about["by_size"].items()}
        sizes.setdefault(1, {"fraction": 1.0, "amount": 1.0})
        self.largest = max(sizes)
        nearest = [max(k for k in sizes if k <= max(1, size)) for size in range(self.largest + 1)]
        self.fraction = [sizes[size]["fraction"] for size in nearest]
        self.amount = [sizes[size]["amount"] for size in nearest]
        self.limit = [self.amount[0], max(self.amount[1], LONE), *self.amount[2:]]

    def outside(self, group: Compositions) -> dict[int, str]:
        """Why each composition of a group that is outside is so, by its text."""
        size = len(group.numbers)
        if size > self.largest:
            why = f"it has {size} elements, no training formula more than {self.largest}"
            return dict.fromkeys(group.texts.tolist(), why)
        most = group.amounts.max(axis=0)
        doubtful = (self.held[group.numbers].min(axis=0) < FEW) | (most > self.limit[size])
        if size > 1:
            doubtful |= most > (self.fraction[size] + 1e-9) * group.amounts.sum(axis=0)
        if not doubtful.any():
            return {}
        some = group.take(np.flatnonzero(doubtful))
        reasons = map(self._reason, some.numbers.T, some.amounts.T, some.common_divisor())
        found = zip(some.texts.tolist(), reasons, strict=True)
        return {text: reason for text, reason in found if reason}

    def _reason(self, numbers: Ints, amounts: Floats, divisor: float) -> str | None:
        """Why a composition is outside, None if it is not after all."""
        rare = numbers[np.argmin(self.held[numbers])]
        if not (held := self.held[rare]):
            return f"no training formula holds {self.symbols[rare]}"
        size, at = len(numbers), int(np.argmax(amounts))
        symbol, most = self.symbols[numbers[at]], amounts[at]
        share = most / amounts.sum()
        if most / divisor > self.limit[size]:
            trained = f"the trained (at most {self.amount[size]:g})"
            why = f"an amount of {most:g} for {symbol} is far beyond {trained}"
            return why + self._slip(numbers, most)
        if size > 1 and share > self.fraction[size] + 1e-9:
            why = (
                f"{most:g} {symbol} are {share:.1%} of the atoms; in 99.5% of the training formulas"
                f" of {size} elements none has more than {self.fraction[size]:.1%}"
            )
            return why + self._slip(numbers, most)
        if held < FEW:
            formulas = (
                "one training formula holds" if held == 1 else f"{held} training formulas hold"
            )
            return f"only {formulas} {self.symbols[rare]}"
        return None

    @staticmethod
    def _slip(numbers: Ints, most: float) -> str:
        """What an amount so large may have been meant as."""
        if most >= 10 and {1, 8} <= set(numbers.tolist()):
            return ": is the · of an adduct missing?"
        return ": did you mean the letter O?" if "0" in f"{most:.0f}" else ""


# ---- Source files that travel beside this one ------------------------------------------------


def import_beside(folder: str, name: str) -> Any:
    """A module out of a folder of source files: a package whose name carries their digest.

    Two versions of the files live side by side in one process, one version is imported once.
    """
    digest = sha256()
    for path in sorted(Path(folder).glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    package = f"matminer_compute_{Path(folder).name}_{digest.hexdigest()[:32]}"
    if package not in sys.modules:
        spec = importlib.util.spec_from_file_location(package, f"{folder}/__init__.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(f"{package}.{name}")


# ---- Distinct compositions -------------------------------------------------------------------


def place_distinct(
    kernels: Any, groups: list[Compositions], place: Ints
) -> list[tuple[Compositions, Ints]]:
    """The distinct compositions of all groups, each with its row among all, by first appearance.

    The row is entered in place for every text of the groups.
    """
    placed, first = [], np.zeros(len(place), bool)
    for group in groups:
        rows = len(group.texts)
        if rows == 1:
            first[group.texts] = True
            placed.append((group, np.zeros(1, np.intp)))
            continue
        slots = np.full(2 << rows.bit_length(), -1)
        places, firsts = np.empty((2, rows), np.intp)
        bits = group.amounts.view(np.uint64)
        count = kernels.distinct(group.numbers, bits, slots, places, firsts)
        first[group.texts[firsts[:count]]] = True
        placed.append((group if count == rows else group.take(firsts[:count]), places))
    row = np.cumsum(first) - 1
    found = []
    for group, (unique, places) in zip(groups, placed, strict=True):
        rows_of_unique = row[unique.texts]
        place[group.texts] = rows_of_unique[places]
        found.append((unique, rows_of_unique))
    return found


# ---- Compositions that are arrays --------------------------------------------------------------


def arrange(numbers: Ints, amounts: Floats, most: int) -> tuple[list[Compositions], dict[int, str]]:
    """Compositions (rows, width) grouped by number of elements, and the reason by rejected row.

    An element that comes twice counts once, with the sum of its amounts, where it came first.

    Args:
        numbers: atomic numbers, up to ``most``.
        amounts: zero where a composition has fewer elements than others.
        most: the largest atomic number.
    """
    amounts = amounts.copy()
    places = -1 - np.arange(numbers.shape[1])  # an absent element is like no other
    ordered = np.sort(np.where(amounts > 0, numbers, places), axis=1)
    for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)).tolist():
        first: dict[int, int] = {}
        for place in np.flatnonzero(amounts[row] > 0).tolist():
            where = first.setdefault(int(numbers[row, place]), place)
            if where != place:
                amounts[row, where] += amounts[row, place]
                amounts[row, place] = 0.0
    there = amounts >= MIN_AMOUNT
    faults: dict[str, npt.NDArray[np.bool_]] = {
        "an amount is negative or not a number": ~(amounts >= 0),
        f"an amount is over {MAX_AMOUNT:g}": amounts > MAX_AMOUNT,
        f"an atomic number is not between 1 and {most}": there & ((numbers < 1) | (numbers > most)),
        f"no amount reaches {MIN_AMOUNT:g}": there.sum(axis=1)[:, None] == 0,
    }
    rejected: dict[int, str] = {}
    for reason, fault in faults.items():
        for row in np.flatnonzero(fault.any(axis=1)).tolist():
            rejected.setdefault(row, reason)
    sizes = there.sum(axis=1)
    sizes[list(rejected)] = 0
    groups = []
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size)
        kept = np.argsort(~there[rows], axis=1, kind="stable")[:, :size]
        at = rows[:, None]
        groups.append(Compositions(rows, numbers[at, kept].T, amounts[at, kept].T))
    return groups, rejected


# ---- Element data ----------------------------------------------------------------------------


@dataclass
class Tables:
    """Element data by atomic number (row 0 unused), from the .npz of ``model/tables.py``.

    Attributes:
        missing: (119,), elements for which the preset has no data at all.
        properties: (119, n_properties), the preset's, in its own units.
        stats: the preset's statistics, in order.
        valence: (119, 5), electrons in s, p, d, f and in all.
        states: (119, most), oxidation states, padded; n_states of them count.
        ionic_character: (119, 119), of each pair (Pauling: 1 - exp(-(X_a - X_b)^2 / 4)).
    """

    labels: list[str]
    symbols: list[str]
    missing: npt.NDArray[np.bool_]
    properties: Floats
    stats: list[str]
    valence: Floats
    states: Floats
    n_states: Ints
    ionic_character: Floats

    def columns(self, names: Sequence[str]) -> dict[str, int]:
        """The first column of each featurizer."""
        width = {"Stoichiometry": 6, "ValenceOrbital": 4, "IonProperty": 3}
        width["ElementProperty"] = self.properties.shape[1] * len(self.stats)
        starts = itertools.accumulate((width[name] for name in names), initial=0)
        return dict(zip(names, starts, strict=False))


# ---- What is left to NumPy, because matminer leaves it to BLAS ---------------------------------


def weighted_deviation(differences: Floats, amounts: Floats) -> Floats:
    """The weighted standard deviation of (rows, properties, n): (rows, properties)."""
    rows, properties, n = differences.shape
    if n == 1:
        return np.zeros((rows, properties))
    scale = amounts.sum(axis=1)
    beta = scale / (np.float_power(scale, 2) - (amounts * amounts).sum(axis=1))
    # vecdot, not a sum: matminer's np.dot goes to BLAS, whose kernel for this processor may
    # fuse multiply and add; vecdot calls the same kernel, on contiguous rows.
    squares = np.vecdot(differences * differences, amounts[:, None, :])
    deviation: Floats = np.sqrt(beta[:, None] * squares)
    return deviation


def neutral_possible(tables: Tables, numbers: Ints, amounts: Floats) -> bool:
    """Whether a composition (n,) that the compiled search left has neutral oxidation states."""
    if tables.n_states[numbers].prod(dtype=np.float64) <= MAX_LISTED:  # rounding decides
        return as_matminer(tables, numbers, amounts)
    return meet_in_the_middle(tables, numbers, amounts) <= NEUTRAL


def state_lists(tables: Tables, numbers: Ints) -> list[list[float]]:
    """The oxidation states of each element of one composition."""
    return [tables.states[z, : tables.n_states[z]].tolist() for z in numbers.tolist()]


def as_matminer(tables: Tables, numbers: Ints, amounts: Floats) -> bool:
    """One composition exactly as matminer does it, by BLAS dot products."""
    combinations = list(itertools.product(*state_lists(tables, numbers)))
    if not combinations:
        return False
    charges = np.vecdot(np.array(combinations), np.ascontiguousarray(amounts))
    return bool((np.abs(charges) <= NEUTRAL).any())


def meet_in_the_middle(tables: Tables, numbers: Ints, amounts: Floats) -> float:
    """The smallest |charge| of one composition with very many combinations.

    The charges of two halves are listed and matched by bisection: the square root of the work.
    """
    halves = [np.zeros(1), np.zeros(1)]
    states = state_lists(tables, numbers)
    shares = [np.array(some) * amount for some, amount in zip(states, amounts, strict=True)]
    for share in sorted(shares, key=len, reverse=True):
        smaller = int(len(halves[0]) > len(halves[1]))
        halves[smaller] = np.unique(halves[smaller][:, None] + share)
    one, other = halves
    after = np.searchsorted(one, -other)
    charges = [np.abs(one[np.clip(after - k, 0, len(one) - 1)] + other).min() for k in (0, 1)]
    return float(min(charges))


# ---- The model -----------------------------------------------------------------------------


class CompositionFeaturizer(PythonModel):
    """Formulas to features. See `featurize`; `predict` is the same behind MLflow's interface.

    A formula is rejected, with a reason, if it is no text, empty, over 1,000 characters, has an
    unknown symbol, an unbalanced bracket, a zero, negative or absurd (over 1e12) amount, or
    anything else that is no part of a formula; if the preset has no data at all for an element
    (with matminer 0.10.1, which imputes, none lacks); and if its oxidation states have more than
    1e12 combinations (it takes dozens of elements), which neither this nor matminer can search.
    Everything else gets the values of matminer, NaN where matminer's are NaN.

    Attributes:
        labels: matminer's feature labels, in order (after `load_context`).
        notes: what an operator of this machine should know.
    """

    labels: list[str]
    notes: list[str]

    def load_context(self, context: Any) -> None:
        """Read the tables (or build matminer's featurizers, if the configuration needs them).

        Args:
            context: model_config {"featurizers": [class names], "element_property_preset": name},
                artifacts {"tables": path of the .npz, "kernels": folder of the compiled loops,
                "domain": of the JSON if trained}.

        Raises:
            ValueError: the tables were made for another configuration.
        """
        self.names = list(context.model_config["featurizers"])
        self.preset = str(context.model_config.get("element_property_preset", "magpie"))
        self.tables: Tables | None = None
        self.matminer: Any = None
        self.kernels = import_beside(context.artifacts["kernels"], "for_compositions")
        self.notes = self.kernels.notes
        if set(self.names) <= set(VECTORISED):
            self._load_tables(context.artifacts["tables"])
        else:
            self.matminer, self.symbols = load_matminer(self.names, self.preset)
            self.labels = self.matminer.feature_labels()
        known = {symbol: number for number, symbol in enumerate(self.symbols) if number}
        self.parser = Parser(known | {"D": 1, "T": 1})  # as pymatgen
        trained_on = context.artifacts.get("domain")  # known to training alone
        self.domain = Domain(trained_on, self.symbols) if trained_on else None

    def featurize(
        self, formulas: Sequence[object]
    ) -> tuple[Floats, list[int], list[int], dict[int, str]]:
        """Features of a list of formulas. It never raises for what is in the list.

        Args:
            formulas: the texts; what is not text is rejected.

        Returns:
            features: float64, C-contiguous, (n_unique_compositions, n_features), the distinct
                compositions in order of first appearance.
            rows: the index into formulas of each accepted row, ascending.
            index: for each accepted row, its row in features.
            rejected: for every other row, the reason.
        """
        return self.examine(formulas)[:4]

    def examine(
        self, formulas: Sequence[object]
    ) -> tuple[Floats, list[int], list[int], dict[int, str], dict[int, str]]:
        """As `featurize`, and for each accepted row that is outside the domain, why."""
        rows = [row for row, formula in enumerate(formulas) if isinstance(formula, str)]
        given = cast("list[str]", [formulas[row] for row in rows])
        number = {text: k for k, text in enumerate(dict.fromkeys(given))}
        text_of_row = np.fromiter(map(number.__getitem__, given), np.intp, len(given))

        groups, why = self.parser.parse(list(number))
        outside: dict[int, str] = {}  # by text
        if self.domain is not None:
            for group in groups:
                outside |= self.domain.outside(group)
        place = np.full(len(number), -1, np.intp)  # of each distinct text in features
        placed = place_distinct(self.kernels, groups, place)
        features = np.empty((sum(len(where) for _, where in placed), len(self.labels)))
        refused: dict[int, str] = {}  # by row of features
        for group, where in placed:
            fill = self._by_matminer if self.tables is None else self._by_tables
            refused |= fill(group, where, features)
        if refused:
            features = self._drop(refused, features, place, why)

        index = place[text_of_row]
        accepted = index >= 0
        kept = np.array(rows, np.intp)[accepted].tolist()
        rejected: dict[int, str] = {}
        if len(kept) < len(formulas):
            text_of = dict(zip(rows, text_of_row.tolist(), strict=True))
            for row in sorted(set(range(len(formulas))).difference(kept)):
                text = text_of.get(row)
                rejected[row] = not_text(formulas[row]) if text is None else why[text]
        if outside:
            texts = zip(rows, text_of_row.tolist(), accepted.tolist(), strict=True)
            outside = {row: outside[text] for row, text, fit in texts if fit and text in outside}
        return features, kept, index[accepted].tolist(), rejected, outside

    def featurize_compositions(
        self, numbers: npt.ArrayLike, amounts: npt.ArrayLike
    ) -> tuple[Floats, dict[int, str]]:
        """Features of compositions that are arrays: no text is made or read.

        They are those of `featurize` for a formula with these elements and amounts in this order.

        Args:
            numbers: (rows, width), atomic numbers. One that comes twice in a row counts once.
            amounts: (rows, width), zero where a composition has fewer elements than others.

        Returns:
            features: float64, C-contiguous, (rows, n_features), NaN where a row is rejected.
            rejected: for each such row, the reason.

        Raises:
            ValueError: the two are not matrices of one shape.
        """
        numbers, amounts = np.asarray(numbers, np.intp), np.asarray(amounts, np.float64)
        if numbers.shape != amounts.shape or numbers.ndim != 2:
            what = f"{numbers.shape} and {amounts.shape}"
            raise ValueError(f"numbers and amounts must both be (rows, width), not {what}")
        groups, rejected = arrange(numbers, amounts, len(self.symbols) - 1)
        features = np.empty((len(numbers), len(self.labels)))
        for group in groups:
            fill = self._by_matminer if self.tables is None else self._by_tables
            rejected |= fill(group, group.texts, features)
        features[list(rejected)] = np.nan
        return features, rejected

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """MLflow's face of `featurize`.

        Args:
            context: not used.
            model_input: a DataFrame with a column "formula", or a list or Series of formulas.
            params: not used.

        Returns:
            One row an input (with its index), one column a feature, NaN where it was rejected.
        """
        index = model_input.index if isinstance(model_input, pd.DataFrame | pd.Series) else None
        formulas = model_input["formula"] if isinstance(model_input, pd.DataFrame) else model_input
        features, rows, places, _ = self.featurize(list(formulas))
        result = np.full((len(formulas), len(self.labels)), np.nan)
        result[rows] = features[places]
        return pd.DataFrame(result, index, self.labels)

    def _load_tables(self, path: str) -> None:
        """Read the tables, and lay out what the compiled loops take of them."""
        tables = self.tables = read_tables(path, self.names, self.preset)
        self.symbols, self.labels = tables.symbols, tables.labels
        self.column = tables.columns(self.names)
        self.laid_out = (
            COMPENSATED,
            np.array([self.column.get(name, -1) for name in VECTORISED]),
            NORMS,
            tables.properties,
            np.array([self.kernels.STATS.index(stat) for stat in tables.stats], np.intp),
            tables.valence,
            tables.states,
            tables.n_states,
            tables.ionic_character,
        )

    def _by_tables(self, group: Compositions, rows: Ints, features: Floats) -> dict[int, str]:
        """Fill the rows of features for a group; the reason for each that cannot be had."""
        assert self.tables is not None
        refused = unfit(self.tables, self.names, self.preset, group.numbers)
        reasons = {int(rows[column]): reason for column, reason in refused.items()}
        if refused:
            kept = np.delete(np.arange(len(rows)), list(refused))
            group, rows = group.take(kept), rows[kept]
        undecided = np.empty(len(rows), np.intp)
        count = self.kernels.featurize(
            group.numbers, group.amounts, rows, *self.laid_out, features, undecided
        )
        for k in undecided[:count].tolist():
            possible = neutral_possible(self.tables, group.numbers[:, k], group.amounts[:, k])
            features[rows[k], self.column["IonProperty"]] = possible
        if "std_dev" in self.tables.stats and "ElementProperty" in self.names:
            self._add_deviations(self.tables, group, rows, features)
        return reasons

    def _add_deviations(
        self, tables: Tables, group: Compositions, rows: Ints, features: Floats
    ) -> None:
        """Fill the columns of the standard deviation; those of the mean are filled."""
        first, width = self.column["ElementProperty"], len(tables.stats)
        of = first + width * np.arange(tables.properties.shape[1])
        means, deviations = of + tables.stats.index("mean"), of + tables.stats.index("std_dev")
        step = max(16, WORK_BLOCK // (len(of) * len(group.numbers)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            at = rows[part, None]
            values = tables.properties.T[:, group.numbers.T[part]]  # (n_properties, rows, n)
            differences = values.swapaxes(0, 1) - features[at, means][:, :, None]
            amounts = np.ascontiguousarray(group.amounts.T[part])
            with np.errstate(all="ignore"):  # as matminer: a tiny amount may give 0 / 0 = NaN
                features[at, deviations] = weighted_deviation(
                    np.ascontiguousarray(differences), amounts
                )

    def _by_matminer(self, group: Compositions, rows: Ints, features: Floats) -> dict[int, str]:
        """The same by matminer, one composition at a time."""
        from pymatgen.core.composition import Composition

        refused = {}
        for row, numbers, amounts in zip(
            rows.tolist(), group.numbers.T.tolist(), group.amounts.T.tolist(), strict=True
        ):
            names = [self.symbols[z] for z in numbers]
            composition = Composition(dict(zip(names, amounts, strict=True)))
            try:
                features[row] = self.matminer.featurize(composition)
            except Exception as error:  # noqa: BLE001 matminer's featurizers raise anything
                refused[row] = f"matminer cannot featurize it: {error}"
        return refused

    @staticmethod
    def _drop(
        refused: dict[int, str], features: Floats, place: Ints, why: dict[int, str]
    ) -> Floats:
        """Features without the refused rows; the reasons and places of the texts follow."""
        keep = np.ones(len(features) + 1, bool)  # one more for the place -1
        keep[[*refused, -1]] = False
        for text, row in enumerate(place.tolist()):
            if row in refused:
                why[text] = refused[row]
        place[:] = np.where(keep, np.cumsum(keep) - 1, -1)[place]
        return features[keep[:-1]]


def unfit(tables: Tables, names: list[str], preset: str, numbers: Ints) -> dict[int, str]:
    """The columns of numbers (n, rows) that cannot be featurized, and why."""
    reasons = {}
    if tables.missing.any():
        missing = tables.missing[numbers]
        for column in np.flatnonzero(missing.any(axis=0)).tolist():
            symbol = tables.symbols[numbers[:, column][missing[:, column]][0]]
            reasons[column] = f"the preset {preset!r} has no data for {symbol}"
    if "IonProperty" in names and len(numbers) > 12:
        combinations = tables.n_states[numbers].prod(axis=0, dtype=np.float64)
        for column in np.flatnonzero(combinations > MAX_COMBINATIONS).tolist():
            reasons[column] = (
                f"{len(numbers)} elements have too many combinations of oxidation states to find"
                " whether a neutral compound is possible"
            )
    return reasons


def read_tables(path: str, names: list[str], preset: str) -> Tables:
    """Tables from the .npz of ``model/tables.py``, made for these featurizers and this preset."""
    with np.load(path, allow_pickle=False) as arrays:
        made_for = (arrays["featurizers"].tolist(), str(arrays["preset"]))
        if made_for != (names, preset):
            raise ValueError(f"the tables are for {made_for}, not for {(names, preset)}")
        x = arrays["electronegativity"]
        missing = np.isnan(arrays["properties"]).all(axis=1) & ("ElementProperty" in names)
        missing[0] = False  # there is no element 0
        return Tables(
            labels=arrays["labels"].tolist(),
            symbols=arrays["symbols"].tolist(),
            missing=missing,
            properties=arrays["properties"],
            stats=arrays["stats"].tolist(),
            valence=arrays["valence"],
            states=arrays["oxidation_states"],
            n_states=arrays["n_oxidation_states"],
            # Not when published: exp may differ in the last bit between two machines.
            ionic_character=1.0 - np.exp(-0.25 * np.float_power(x[:, None] - x, 2)),
        )


def load_matminer(names: list[str], preset: str) -> tuple[Any, list[str]]:
    """Matminer's own featurizer for any configuration, and the symbols by atomic number."""
    from matminer.featurizers import composition
    from matminer.featurizers.base import MultipleFeaturizer
    from pymatgen.core.periodic_table import Element

    makers = {
        "ElementProperty": lambda cls: cls.from_preset(preset),
        "ValenceOrbital": lambda cls: cls(props=["frac"]),
        "IonProperty": lambda cls: cls(fast=True),
    }
    unknown = [name for name in names if not hasattr(composition, name)]
    if unknown:
        raise ValueError(f"no matminer composition featurizer is called {', '.join(unknown)}")
    featurizers = [
        makers.get(name, lambda cls: cls())(getattr(composition, name)) for name in names
    ]
    symbols = ["", *(Element.from_Z(number).symbol for number in range(1, 119))]
    return MultipleFeaturizer(featurizers), symbols


mlflow.models.set_model(CompositionFeaturizer())
