"""Chemical formulas to matminer composition features, computed for whole lists at once.

This file is an MLflow *model from code*: it is stored and served as the text you read, beside a
table of element data (.npz, written by ``model/tables.py``). It needs numpy, pandas and mlflow.

The features are those of matminer 0.10.1 (Ward et al., Comput. Mater. Sci. 152, 60, 2018), in the
same order and with the same bits, for any of the featurizers

    Stoichiometry()   ElementProperty.from_preset(preset)
    ValenceOrbital(props=["frac"])   IonProperty(fast=True)

A configuration with any other matminer composition featurizer is computed by matminer itself.

Where the speed comes from: compositions are grouped by their number of elements n, and each
statistic is a few operations on arrays (n, rows, properties). Where the identity comes from:
every sum runs in the order of matminer's own sum (`numpy_sum`, `python_sum`, `fold`), and every
power goes through the C library's ``pow``, as Python's ``**`` does. Tests compare bit for bit.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Terms = list[tuple[str, float]]

VECTORISED = ("Stoichiometry", "ElementProperty", "ValenceOrbital", "IonProperty")
NORMS = (2, 3, 5, 7, 10)  # the p of Stoichiometry's p-norms, after the 0-norm

MAX_TEXT = 1000  # characters
MIN_AMOUNT, MAX_AMOUNT = 1e-8, 1e12  # pymatgen drops an element below the first
NEUTRAL = 1e-8  # the charge that numpy.isclose(charge, 0) still takes for zero
MAX_LISTED = 4096  # oxidation-state combinations of one composition that are simply listed
MAX_COMBINATIONS = 2.0**40  # ... that are decided at all (0.2 s; matminer would need months)
PARSE_BLOCK = 8192  # formulas parsed together
MAX_KEPT = 100_000  # tokens and brackets remembered between calls, a few MB
WORK_BLOCK = 1 << 15  # floats of one work array, so that it stays in the processor's cache

# ---- One formula ---------------------------------------------------------------------------


class FormulaError(ValueError):
    """A text that is not a composition; the message says why in words a chemist understands."""


SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
PIECE = re.compile(
    r"(?:(?P<symbol>[A-Z][a-z]*)|(?P<close>[)\]}])|(?P<dot>[·•⋅∙*]))"
    r"[\s@]*(?P<amount>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e-?[0-9]+)?)?"
    r"|(?P<open>[(\[{])|[\s@]+|(?P<other>.)",
    re.DOTALL,
)
PAIRS = {"(": ")", "[": "]", "{": "}", "·": "·"}
HINTS = {
    "-": "amounts must be positive, and charges are not part of a composition",
    "+": "charges are not part of a composition",
    "/": "write a fraction as a decimal",
    ".": "write an adduct with · or *",
}


def merge(terms: Iterable[tuple[str, float]], factor: float) -> Terms:
    """Terms times a factor, one term a symbol, in order of first appearance."""
    amounts: dict[str, float] = {}
    for symbol, amount in terms:
        amounts[symbol] = amounts.get(symbol, 0.0) + amount * factor
    return list(amounts.items())


def parse_terms(text: str, known: dict[str, int]) -> Terms:
    """Read one formula: brackets, fractions, adducts (CuSO4·5H2O), subscripts, spaces.

    Amounts are multiplied and added in pymatgen's order: brackets from the inside out, an adduct
    as a bracket of its own.

    Args:
        text: the formula.
        known: atomic number by element symbol.
    Raises:
        FormulaError: names the symbol or the place (counted from 1).
    """
    terms: Terms = []
    outer: list[tuple[str, int, float, Terms]] = []  # open brackets: sign, place, factor, before

    def close(sign: str, factor: float) -> None:
        nonlocal terms
        _, place, multiplier, before = outer.pop()
        if not terms:
            raise FormulaError(f"nothing follows {sign!r} at position {place}")
        terms = before + merge(terms, multiplier * factor)

    for piece in PIECE.finditer(text.translate(SUBSCRIPTS)):
        place = piece.start() + 1
        amount = amount_of(piece)
        if symbol := piece["symbol"]:
            if symbol not in known:
                raise FormulaError(f"{symbol!r} at position {place} is not an element")
            terms.append((symbol, amount))
        elif sign := piece["open"]:
            outer.append((sign, place, 1.0, terms))
            terms = []
        elif sign := piece["close"]:
            if not outer or PAIRS[outer[-1][0]] != sign:
                raise FormulaError(f"{sign!r} at position {place} closes no bracket")
            close(outer[-1][0], amount)
        elif piece["dot"]:
            if outer and outer[-1][0] == "·":
                close("·", 1.0)
            if outer:
                raise FormulaError(f"{outer[-1][0]!r} at position {outer[-1][1]} is not closed")
            if not terms:
                raise FormulaError(f"{piece['dot']!r} at position {place} follows nothing")
            outer.append(("·", place, amount, terms))
            terms = []
        elif other := piece["other"]:
            raise FormulaError(f"{other!r} at position {place} {why_not(other)}")
    if outer and outer[-1][0] == "·":
        close("·", 1.0)
    if outer:
        raise FormulaError(f"{outer[-1][0]!r} at position {outer[-1][1]} is not closed")
    return merge(terms, 1.0)


def amount_of(piece: re.Match[str]) -> float:
    """The amount behind an element or bracket: 1 where none is written, never zero or infinite."""
    if piece["amount"] is None:
        return 1.0
    amount = float(piece["amount"])
    if not 0.0 < amount <= MAX_AMOUNT:
        where = f"the amount {piece['amount'][:20]} at position {piece.start('amount') + 1}"
        raise FormulaError(f"{where} is {'zero' if amount == 0 else f'over {MAX_AMOUNT:g}'}")
    return amount


def why_not(character: str) -> str:
    """Why a character has no place in a formula, as the end of a sentence."""
    if character in "0123456789":
        return "is an amount that follows no element"
    if character in HINTS:
        return f"is not part of a formula: {HINTS[character]}"
    if character.islower():
        return "is not an element: a symbol begins with a capital letter"
    return "is not part of a formula"


def parse_formula(text: str, known: dict[str, int]) -> list[tuple[int, float]]:
    """Atomic numbers and amounts of one formula, in order of first appearance.

    D and T count as H, as in matminer. Equal to pymatgen's
    ``Composition(text).element_composition`` wherever pymatgen reads the text too.

    Raises:
        FormulaError: as `parse_terms`; also for empty texts, long ones, amounts out of bounds.
    """
    if len(text) > MAX_TEXT:
        raise FormulaError(f"a formula has at most {MAX_TEXT} characters, this one {len(text)}")
    terms = parse_terms(text, known)
    if not terms:
        raise FormulaError("the formula is empty")
    kept = [(known[symbol], amount) for symbol, amount in terms if amount >= MIN_AMOUNT]
    if not kept:
        raise FormulaError(f"no amount reaches {MIN_AMOUNT:g}")
    if max(amount for _, amount in kept) > MAX_AMOUNT:
        raise FormulaError(f"an amount is over {MAX_AMOUNT:g}")
    # H, D and T stay apart until here because pymatgen adds them up last, with sum().
    numbers = dict.fromkeys(number for number, _ in kept)
    return [(number, sum(a for n, a in kept if n == number)) for number in numbers]


# ---- Many formulas -------------------------------------------------------------------------

TOKEN = re.compile(r"[A-Z][a-z]?[0-9.]*|\n|.")  # of plain formulas joined by newlines
BRACKET = re.compile(r"\((?:[A-Z][a-z]?[0-9.]*)+\)[0-9.]*")  # with no other inside
END, UNUSUAL = complex(0, 0), complex(-1, 0)


class Tokens(dict[str, complex]):
    """What a token such as "Fe2" stands for, worked out once: (atomic number) + (amount) j.

    Complex, so that one pass makes one array of both. UNUSUAL sends a formula to `parse_formula`.
    """

    def __init__(self, known: dict[str, int]) -> None:
        super().__init__({"\n": END})
        self.known = {symbol: number for symbol, number in known.items() if symbol not in "DT"}

    def __missing__(self, token: str) -> complex:
        symbol = token[:2] if token[1:2].islower() else token[:1]
        number = self.known.get(symbol)
        text = token[len(symbol) :]
        value = UNUSUAL
        if number is not None and text.count(".") <= 1 and text != ".":
            amount = float(text) if text else 1.0
            if MIN_AMOUNT <= amount <= MAX_AMOUNT:
                value = complex(number, amount)
        self[token] = value
        return value


class Brackets(dict[str, str]):
    """What a bracket such as "(PO4)2" is without it, "P2.0O8.0", worked out once."""

    def __init__(self, known: dict[str, int]) -> None:
        super().__init__()
        self.known = known

    def __missing__(self, bracket: str) -> str:
        try:
            value = "".join(f"{symbol}{n}" for symbol, n in parse_terms(bracket, self.known))
        except FormulaError:
            value = "?"  # parse_formula will find the reason again, at its place in the formula
        self[bracket] = value
        return value


@dataclass
class Compositions:
    """Compositions of one number of elements n: texts (rows,), numbers and amounts (n, rows)."""

    texts: Ints
    numbers: Ints
    amounts: Floats

    def take(self, which: npt.NDArray[Any]) -> Compositions:
        """Some of them, in the order asked."""
        return Compositions(self.texts[which], self.numbers[:, which], self.amounts[:, which])


def join(parts: list[Compositions]) -> Compositions:
    """Parts of one number of elements as one, in the order of the texts."""
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
        self.tokens = Tokens(known)
        self.brackets = Brackets(known)

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
            self.tokens, self.brackets = Tokens(self.known), Brackets(self.known)
        # A text that would upset the joined one is sent to parse_formula by a token of its own.
        safe = [t if len(t) <= MAX_TEXT and "\n" not in t else "?" for t in texts]
        joined = "\n".join(safe)
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


def distinct(group: Compositions) -> tuple[Compositions, Ints]:
    """The distinct compositions of a group in order, and the place of every row among them."""
    packed = np.concatenate([group.numbers.astype(np.float64), group.amounts]).T.tobytes()
    width = 16 * len(group.numbers)
    seen: dict[bytes, int] = {}
    keys = (packed[at : at + width] for at in range(0, len(packed), width))
    places = np.array([seen.setdefault(key, len(seen)) for key in keys], np.intp)
    first = np.flatnonzero(np.diff(np.maximum.accumulate(places), prepend=-1))
    return group.take(first), places


def place_distinct(groups: list[Compositions], place: Ints) -> list[tuple[Compositions, Ints]]:
    """The distinct compositions of all groups, each with its row among all, by first appearance.

    The row is entered in place for every text of the groups.
    """
    parts = [distinct(group) for group in groups]
    first = np.concatenate([unique.texts for unique, _ in parts] or [np.array([], np.intp)])
    row = np.empty_like(first)
    row[np.argsort(first)] = np.arange(len(first))
    placed = []
    for group, (unique, places) in zip(groups, parts, strict=True):
        rows, row = row[: len(unique.texts)], row[len(unique.texts) :]
        place[group.texts] = rows[places]
        placed.append((unique, rows))
    return placed


# ---- Sums in matminer's order --------------------------------------------------------------


def fold(terms: Floats) -> Floats:
    """Sum over the first axis from left to right: a Python loop of ``+=``."""
    total: Floats = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def numpy_sum(terms: Floats) -> Floats:
    """Sum over the first axis in the order of numpy's sum of one contiguous row.

    Left to right below 8 terms, else eight running sums (numpy's pairwise summation, which would
    split again only above 128 terms: more than there are elements).
    """
    if len(terms) < 8:
        return fold(terms)
    whole = len(terms) - len(terms) % 8
    r = fold(terms[:whole].reshape(-1, 8, *terms.shape[1:]))
    paired = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    return fold(np.concatenate([paired[None], terms[whole:]]))


def python_sum(terms: Floats) -> Floats:
    """The built-in ``sum`` of each column; from Python 3.12 on it carries a compensation."""
    return np.fromiter(map(sum, terms.T.tolist()), np.float64, terms.shape[1])


# ---- Featurizers: numbers and amounts (n, rows) to features --------------------------------


@dataclass
class Tables:
    """Element data by atomic number (row 0 unused), from the .npz of ``model/tables.py``.

    Attributes:
        properties: (119, n_properties), the preset's, in its own units.
        stats: the preset's statistics, in order.
        valence: (119, 5), electrons in s, p, d, f and in all.
        states: (119, most), oxidation states, padded; n_states of them count.
        ionic_character: (119, 119), of each pair (Pauling: 1 - exp(-(X_a - X_b)^2 / 4)).
    """

    labels: list[str]
    properties: Floats
    stats: list[str]
    valence: Floats
    states: Floats
    n_states: Ints
    ionic_character: Floats


def stoichiometry(amounts: Floats, total: Floats, out: Floats) -> None:
    """p-norms of the atomic fractions, into out (rows, 6)."""
    fractions = amounts / total
    out[:, 0] = len(amounts)
    for column, p in enumerate(NORMS, start=1):
        # float_power is the C library's pow, as Python's ** is; numpy's power may use SIMD code.
        out[:, column] = np.float_power(fold(np.float_power(fractions, p)), 1.0 / p)


def element_property(
    tables: Tables, numbers: Ints, amounts: Floats, out: Floats
) -> None:
    """Statistics of element properties, into out (rows, n_properties * n_stats)."""
    values = tables.properties[numbers]  # (n, rows, properties)
    weights = amounts[:, :, None]
    scale = numpy_sum(amounts)[:, None]
    low, high = values.min(axis=0), values.max(axis=0)
    mean = numpy_sum(values * weights) / scale
    shaped = out.reshape(len(out), -1, len(tables.stats))
    for column, stat in enumerate(tables.stats):
        if stat == "minimum":
            result = low
        elif stat == "maximum":
            result = high
        elif stat == "range":
            result = high - low
        elif stat == "mean":
            result = mean
        elif stat == "avg_dev":
            result = numpy_sum(np.abs(values - mean) * weights) / scale
        elif stat == "std_dev":
            result = weighted_deviation(values - mean, amounts)
        else:
            result = mode(values, amounts)
        shaped[:, :, column] = result


def mode(values: Floats, amounts: Floats) -> Floats:
    """The least value among the elements with (nearly) the largest amount: (rows, properties)."""
    most = amounts.max(axis=0)
    frequent = np.abs(amounts - most) <= 1e-8 + 1e-5 * most  # numpy.isclose
    return np.where(frequent[:, :, None], values, np.inf).min(axis=0)


def weighted_deviation(differences: Floats, amounts: Floats) -> Floats:
    """matminer's weighted standard deviation of (n, rows, properties): (rows, properties)."""
    if len(amounts) == 1:
        return np.zeros(differences.shape[1:])
    scale = numpy_sum(amounts)
    beta = scale / (np.float_power(scale, 2) - numpy_sum(amounts * amounts))
    # vecdot, not a sum: matminer's np.dot goes to BLAS, whose kernel for this processor may
    # fuse multiply and add; vecdot calls the same kernel, on contiguous rows.
    squares = np.ascontiguousarray(np.moveaxis(differences * differences, 0, -1))
    weights = np.ascontiguousarray(amounts.T)[:, None, :]
    return np.sqrt(beta[:, None] * np.vecdot(squares, weights))


def valence_orbital(tables: Tables, numbers: Ints, amounts: Floats, out: Floats) -> None:
    """Fractions of the valence electrons in s, p, d and f, into out (rows, 4)."""
    scale = numpy_sum(amounts)[:, None]
    mean = numpy_sum(tables.valence[numbers] * amounts[:, :, None]) / scale
    out[:] = mean[:, :4] / mean[:, 4:]


def ion_property(
    tables: Tables, numbers: Ints, amounts: Floats, total: Floats, out: Floats
) -> None:
    """Whether a neutral compound is possible; largest and mean ionic character: out (rows, 3)."""
    if len(numbers) == 1:
        out[:] = (1.0, 0.0, 0.0)
        return
    fractions = amounts / total
    largest, mean = np.zeros(len(out)), np.zeros(len(out))
    for a, b in itertools.combinations(range(len(numbers)), 2):
        character = tables.ionic_character[numbers[a], numbers[b]]
        mean += fractions[a] * fractions[b] * character
        np.maximum(largest, character, out=largest)
    out[:, 0] = neutral_possible(tables, numbers, amounts)
    out[:, 1] = largest
    out[:, 2] = mean


# ---- Charge neutrality: does any choice of one oxidation state an element add up to zero? ----


def neutral_possible(tables: Tables, numbers: Ints, amounts: Floats) -> npt.NDArray[np.bool_]:
    """Whether each composition (n, rows) has a neutral choice of oxidation states: (rows,).

    The charge of a choice is summed here in whatever order is quick. Where rounding could tip
    the comparison (amounts near 1e8, charges near 1e-8), it is done again by matminer's np.dot.
    """
    possible = np.zeros(numbers.shape[1], bool)
    combinations = np.prod(tables.n_states[numbers], axis=0, dtype=np.float64)
    ends = tables.states[numbers][:, :, [0, -1]] * amounts[:, :, None]  # least and largest
    bounds = ends.sum(axis=0)
    noise = 1e-15 * len(numbers) * np.abs(ends).max(axis=2).sum(axis=0)
    slack = NEUTRAL + noise
    undecided = np.flatnonzero(
        (combinations > 0) & (bounds[:, 0] <= slack) & (bounds[:, 1] >= -slack)
    )
    listed = undecided[combinations[undecided] <= MAX_LISTED]
    block = np.cumsum(combinations[listed]) // (MAX_LISTED * 64)
    for rows in np.split(listed, np.flatnonzero(np.diff(block)) + 1):
        if len(rows):
            charge = least_charge(tables, numbers[:, rows], amounts[:, rows])
            possible[rows] = charge <= NEUTRAL - noise[rows]
            near = np.abs(charge - NEUTRAL) < noise[rows]
            for row in rows[near].tolist():
                possible[row] = as_matminer(tables, numbers[:, row], amounts[:, row])
    for row in undecided[combinations[undecided] > MAX_LISTED].tolist():
        possible[row] = meet_in_the_middle(tables, numbers[:, row], amounts[:, row]) <= NEUTRAL
    return possible


def least_charge(tables: Tables, numbers: Ints, amounts: Floats) -> Floats:
    """The smallest |charge| over all combinations, which are listed row after row: (rows,)."""
    owner = np.arange(numbers.shape[1])
    charge = np.zeros(len(owner))
    for number, amount in zip(numbers, amounts, strict=True):
        count = tables.n_states[number[owner]]
        first = np.cumsum(count) - count
        choice = np.arange(count.sum()) - np.repeat(first, count)
        charge = np.repeat(charge, count)
        owner = np.repeat(owner, count)
        charge += tables.states[number[owner], choice] * amount[owner]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    least: Floats = np.minimum.reduceat(np.abs(charge), starts)
    return least


def state_lists(tables: Tables, numbers: Ints) -> list[Floats]:
    """The oxidation states of each element of one composition."""
    return [tables.states[z, : tables.n_states[z]] for z in numbers.tolist()]


def as_matminer(tables: Tables, numbers: Ints, amounts: Floats) -> bool:
    """One composition exactly as matminer does it: BLAS dot products, numpy.isclose."""
    combinations = np.array(list(itertools.product(*state_lists(tables, numbers))))
    return bool(np.isclose(np.vecdot(combinations, np.ascontiguousarray(amounts)), 0).any())


def meet_in_the_middle(tables: Tables, numbers: Ints, amounts: Floats) -> float:
    """The smallest |charge| of one composition with very many combinations.

    The charges of two halves are listed and matched by bisection: the square root of the work.
    """
    halves = [np.zeros(1), np.zeros(1)]
    shares = [s * a for s, a in zip(state_lists(tables, numbers), amounts, strict=True)]
    for share in sorted(shares, key=len, reverse=True):
        smaller = int(len(halves[0]) > len(halves[1]))
        halves[smaller] = np.unique(halves[smaller][:, None] + share)
    one, other = halves
    after = np.searchsorted(one, -other)
    charges = [np.abs(one[np.clip(after - k, 0, len(one) - 1)] + other).min() for k in (0, 1)]
    return float(min(charges))


# ---- The model -----------------------------------------------------------------------------


class CompositionFeaturizer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Formulas to features. See `featurize`; `predict` is the same behind MLflow's interface.

    A formula is rejected, with a reason, if it is no text, empty, over 1,000 characters, has an
    unknown symbol, an unbalanced bracket, a zero, negative or absurd (over 1e12) amount, or
    anything else that is no part of a formula; if the preset has no data at all for an element
    (with matminer 0.10.1, which imputes, none lacks); and if its oxidation states have more than
    1e12 combinations (some 40 elements), which neither this nor matminer can search. Everything
    else gets the values of matminer, NaN where matminer's are NaN.

    Attributes:
        labels: matminer's feature labels, in order (after `load_context`).
    """

    labels: list[str]

    def load_context(self, context: Any) -> None:
        """Read the tables (or build matminer's featurizers, if the configuration needs them).

        Args:
            context: model_config {"featurizers": [class names], "element_property_preset": name},
                artifacts {"tables": path of the .npz}.
        Raises:
            ValueError: the tables were made for another configuration.
        """
        self.names = list(context.model_config["featurizers"])
        self.preset = str(context.model_config.get("element_property_preset", "magpie"))
        self.tables: Tables | None = None
        self.matminer: Any = None
        if set(self.names) <= set(VECTORISED):
            with np.load(context.artifacts["tables"], allow_pickle=False) as arrays:
                made_for = (arrays["featurizers"].tolist(), str(arrays["preset"]))
                if made_for != (self.names, self.preset):
                    raise ValueError(
                        f"the tables are for {made_for}, not for {(self.names, self.preset)}"
                    )
                symbols = arrays["symbols"].tolist()
                self.tables = read_tables(arrays)
            self.labels = self.tables.labels
        else:
            from pymatgen.core import Element

            symbols = ["", *(Element.from_Z(z).symbol for z in range(1, 119))]
            self.matminer = load_matminer(self.names, self.preset)
            self.labels = self.matminer.feature_labels()
        known = {symbol: number for number, symbol in enumerate(symbols) if number}
        self.parser = Parser(known | {"D": 1, "T": 1})
        self.symbols = symbols
        data = self.tables.properties if self.tables else np.empty((0, 1))
        self.missing = np.flatnonzero(np.isnan(data[1:]).all(axis=1) & (data.size > 0)) + 1

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
        rows = [row for row, formula in enumerate(formulas) if isinstance(formula, str)]
        given = [str(formulas[row]) for row in rows]
        number = {text: k for k, text in enumerate(dict.fromkeys(given))}
        groups, why = self.parser.parse(list(number))
        groups = [self._accept(group, why) for group in groups]
        place = np.full(len(number), -1, np.intp)  # of each distinct text in features
        features = self._compute(place_distinct(groups, place), why, place)

        text_of_row = np.fromiter(map(number.__getitem__, given), np.intp, len(given))
        index = place[text_of_row]
        accepted = index >= 0
        reasons = {
            rows[at]: why[text_of_row[at]] for at in np.flatnonzero(~accepted).tolist()
        }
        if len(rows) < len(formulas):
            for row, formula in enumerate(formulas):
                if not isinstance(formula, str):
                    reasons[row] = f"a formula must be text, not {type(formula).__name__}"
            reasons = dict(sorted(reasons.items()))
        kept = np.array(rows, np.intp)[accepted]
        return features, kept.tolist(), index[accepted].tolist(), reasons

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """MLflow's face of `featurize`.

        Args:
            model_input: a DataFrame with a column "formula", or a list or Series of formulas.
        Returns:
            One row an input (with its index), one column a feature, NaN where it was rejected.
        """
        index = model_input.index if isinstance(model_input, pd.DataFrame | pd.Series) else None
        if isinstance(model_input, pd.DataFrame):
            model_input = model_input["formula"]
        formulas = list(model_input)
        features, rows, places, _ = self.featurize(formulas)
        result = np.full((len(formulas), len(self.labels)), np.nan)
        result[rows] = features[places]
        return pd.DataFrame(result, columns=self.labels, index=index)

    def _accept(self, group: Compositions, why: dict[int, str]) -> Compositions:
        """The group without the compositions that cannot be featurized, whose reasons join why."""
        if self.tables is None:
            return group
        reasons: dict[int, str] = {}
        if self.missing.size:
            for column in np.flatnonzero(np.isin(group.numbers, self.missing).any(axis=0)):
                symbol = next(
                    self.symbols[z] for z in group.numbers[:, column] if z in self.missing
                )
                reasons[int(column)] = f"the preset {self.preset!r} has no data for {symbol}"
        if "IonProperty" in self.names and len(group.numbers) > 17:  # 5 states at most, mostly
            states = self.tables.n_states[group.numbers].astype(np.float64)
            for column in np.flatnonzero(states.prod(axis=0) > MAX_COMBINATIONS).tolist():
                reasons[column] = "too many combinations of oxidation states to be searched"
        if not reasons:
            return group
        keep = np.ones(len(group.texts), bool)
        for column, reason in reasons.items():
            keep[column] = False
            why[int(group.texts[column])] = reason
        return group.take(keep)

    def _compute(
        self, placed: list[tuple[Compositions, Ints]], why: dict[int, str], place: Ints
    ) -> Floats:
        """Features (n_unique, n_features) of distinct compositions and their rows in it."""
        count = sum(len(rows) for _, rows in placed)
        features = np.empty((count, len(self.labels)))
        if self.tables is None:
            return self._by_matminer(placed, features, why, place)
        width = max(1, self.tables.properties.shape[1])
        with np.errstate(all="ignore"):  # as matminer: 0/0 valence electrons give NaN
            for group, rows in placed:
                step = max(16, WORK_BLOCK // (width * len(group.numbers)))
                for start in range(0, len(rows), step):
                    part = slice(start, start + step)
                    numbers, amounts = group.numbers[:, part], group.amounts[:, part]
                    features[rows[part]] = compute(self.names, self.tables, numbers, amounts)
        return features

    def _by_matminer(
        self,
        placed: list[tuple[Compositions, Ints]],
        features: Floats,
        why: dict[int, str],
        place: Ints,
    ) -> Floats:
        """The same by matminer, one composition at a time; what it fails on is rejected."""
        from pymatgen.core import Composition

        failed = np.zeros(len(features), bool)
        for group, rows in placed:
            for column, row in enumerate(rows.tolist()):
                names = [self.symbols[z] for z in group.numbers[:, column]]
                amounts = group.amounts[:, column].tolist()
                try:
                    composition = Composition(dict(zip(names, amounts, strict=True)))
                    features[row] = self.matminer.featurize(composition)
                except Exception as error:  # matminer's featurizers raise whatever they like
                    failed[row] = True
                    for text in np.flatnonzero(place == row).tolist():
                        why[text] = f"matminer cannot featurize it: {error}"
        moved = np.append(np.where(failed, -1, np.cumsum(~failed) - 1), -1)
        place[:] = moved[place]
        return features[~failed]


def compute(names: list[str], tables: Tables, numbers: Ints, amounts: Floats) -> Floats:
    """Features of compositions of equally many elements: (n, rows) to (rows, n_features)."""
    total = python_sum(amounts)
    out = np.empty((len(total), len(tables.labels)))
    start = 0
    for name in names:
        if name == "Stoichiometry":
            stop = start + 1 + len(NORMS)
            stoichiometry(amounts, total, out[:, start:stop])
        elif name == "ElementProperty":
            stop = start + tables.properties.shape[1] * len(tables.stats)
            element_property(tables, numbers, amounts, out[:, start:stop])
        elif name == "ValenceOrbital":
            stop = start + 4
            valence_orbital(tables, numbers, amounts, out[:, start:stop])
        else:
            stop = start + 3
            ion_property(tables, numbers, amounts, total, out[:, start:stop])
        start = stop
    return out


def read_tables(arrays: Any) -> Tables:
    """Tables from the loaded .npz of ``model/tables.py``."""
    x = arrays["electronegativity"]
    # On the worker, not when published: exp may differ in the last bit between machines.
    character = 1.0 - np.exp(-0.25 * np.float_power(x[:, None] - x, 2))
    return Tables(
        labels=arrays["labels"].tolist(),
        properties=arrays["properties"],
        stats=arrays["stats"].tolist(),
        valence=arrays["valence"],
        states=arrays["oxidation_states"],
        n_states=arrays["n_oxidation_states"],
        ionic_character=character,
    )


def load_matminer(names: list[str], preset: str) -> Any:
    """matminer's own featurizer for a configuration with others than the VECTORISED ones."""
    from matminer.featurizers import composition
    from matminer.featurizers.base import MultipleFeaturizer

    makers = {
        "ElementProperty": lambda cls: cls.from_preset(preset),
        "ValenceOrbital": lambda cls: cls(props=["frac"]),
        "IonProperty": lambda cls: cls(fast=True),
    }
    unknown = [name for name in names if not hasattr(composition, name)]
    if unknown:
        raise ValueError(f"no matminer composition featurizer is called {', '.join(unknown)}")
    return MultipleFeaturizer(
        [makers.get(name, lambda cls: cls())(getattr(composition, name)) for name in names]
    )


mlflow.models.set_model(CompositionFeaturizer())
