"""Statistics that add up: in any order, in any parts, through JSON, here and on workers."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matminer_compute.client.elements import SYMBOLS
from matminer_compute.client.reasons import KINDS, OTHER, kind
from matminer_compute.client.tally import MAX_BINS, Tally
from matminer_compute.model.artifacts.compositions.formula import parse_formula
from matminer_compute.model.artifacts.compositions.numerals import FormulaError

KNOWN = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)} | {"D": 1, "T": 1}

# Sums of these are exact in any order, so that what adds up can be compared to the last bit.
values = st.integers(-(2**40), 2**40).map(lambda n: n / 2**20) | st.just(math.nan)
formulas = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["", "2", "0.5", "11"])),
    min_size=1,
    max_size=5,
).map(lambda terms: "".join(symbol + amount for symbol, amount in terms))
rows = st.tuples(formulas, values, st.booleans())


def tally_of(some):
    texts, numbers, far = zip(*some, strict=True) if some else ((), (), ())
    tally = Tally()
    tally.add(
        texts,
        np.array(numbers, dtype=float),
        {row: f"'{texts[row]}' is not an element" for row in range(len(some))
         if math.isnan(numbers[row])},
        {row: "far" for row in range(len(some)) if far[row] and not math.isnan(numbers[row])},
    )  # fmt: skip
    return tally


def merged(*tallies):
    whole = Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole


@given(st.lists(rows, max_size=60), st.data())
def test_parts_add_up_to_the_whole_however_they_are_cut(some, data):
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, len(some))] * 2)))
    a, b, c = some[:first], some[first:second], some[second:]
    at_once = tally_of(some)
    assert merged(merged(tally_of(a), tally_of(b)), tally_of(c)) == at_once
    assert merged(tally_of(c), merged(tally_of(b), tally_of(a))) == at_once
    assert at_once.rows == len(some)
    assert sum(at_once.histogram.counts.values()) + at_once.rejected.total() == len(some)


# Of any size, as long as one over another is still a number.
wild_values = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100) | st.just(0.0)


@given(
    st.lists(wild_values, min_size=1, max_size=3000),
    st.lists(st.floats(-10, 10), max_size=3000),
)
def test_a_histogram_of_many_values_is_small_and_the_same_in_parts(wild, tame):
    numbers = np.array(wild + tame)
    at_once, parts = Tally(), Tally()
    at_once.add(["H"] * len(numbers), numbers, {}, {})
    for part in np.array_split(numbers, 7):
        parts.add(["H"] * len(part), part, {}, {})
    histogram = at_once.histogram
    assert histogram == parts.histogram
    assert len(histogram.counts) <= MAX_BINS
    assert math.frexp(histogram.width)[0] == 0.5  # a power of two
    assert Counter(np.floor(numbers / histogram.width).astype(int).tolist()) == histogram.counts


def test_a_wide_histogram_has_as_many_bins_as_it_may():
    numbers = np.random.default_rng(3).normal(-1.5, 1.1, 100_000)
    tally = Tally()
    tally.add(["H"] * len(numbers), numbers, {}, {})
    assert MAX_BINS / 2 < len(tally.histogram.counts) <= MAX_BINS


@given(st.lists(rows, max_size=30), st.lists(st.floats(-1e9, 1e9), max_size=30))
def test_json_brings_back_the_very_same(some, numbers):
    tally = tally_of(some)
    tally.add(["NaCl"] * len(numbers), numbers, {}, {})
    data = tally.as_json()
    again = Tally.from_json(json.loads(json.dumps(data)))
    assert again == tally
    assert again.as_json() == data


def test_the_json_is_what_a_worker_sends():
    tally = Tally()
    tally.add(
        ["Fe2O3", "FeO", "rust", "No"],
        [-1.5, -0.75, math.nan, 2.0],
        {"2": "'r' at position 1 is not an element: a symbol begins with a capital letter"},
        {"3": "no training formula holds No"},
    )
    data = tally.as_json()
    width = data["histogram"]["width"]
    assert data == {
        "rows": 4,
        "rejected": {"a symbol of no element": 1},
        "outside": 1,
        "histogram": {
            "width": width,
            "counts": {str(math.floor(v / width)): 1 for v in (-1.5, -0.75, 2.0)},
        },
        "elements": {"O": [2, -2.25], "Fe": [2, -2.25], "No": [1, 2.0]},
    }


def test_a_coarser_histogram_from_a_worker_is_merged_exactly():
    fine = Tally()
    fine.add(["H"] * 100, np.arange(100) / 64, {}, {})
    coarse = {"rows": 3, "rejected": {"'Xq' is not an element": 2}, "outside": 0,
              "histogram": {"width": 0.5, "counts": {"-1": 1}}, "elements": {}}  # fmt: skip
    fine.merge(Tally.from_json(coarse))
    assert fine.histogram.width == 0.5
    assert fine.histogram.counts == {-1: 1, 0: 32, 1: 32, 2: 32, 3: 4}
    assert fine.rejected == {"a symbol of no element": 2}


@pytest.mark.parametrize(
    "formula",
    ["Fe2O3", "CuSO4·5H2O", "CH3COO", "(NH4)2SO4", "Ca(OH)2", "D2O", "Fe<sub>2</sub>O<sub>3</sub>",
     "CuSO4 x 5H2O", "$\\mathrm{Fe_2O_3}$", "ＮａＣｌ", "Fe₂O₃", "NaN", " CO\n", "2CaO·SiO2"],
)  # fmt: skip
def test_elements_are_those_the_featurizer_reads(formula):
    tally = Tally()
    tally.add([formula, "LiF"], [2.0, 1.0], {}, {})
    read = {SYMBOLS[number - 1] for number, _ in parse_formula(formula, KNOWN)}
    assert tally.elements == dict.fromkeys(read, (1, 2.0)) | {"Li": (1, 1.0), "F": (1, 1.0)}


def test_what_has_no_finite_value_is_counted_and_nowhere_else():
    tally = Tally()
    tally.add(["NaCl", None, "KCl"], [math.inf, math.nan, 1.0], {1: "a formula must be text"}, {})
    assert (tally.rows, tally.rejected.total()) == (3, 1)
    assert sum(tally.histogram.counts.values()) == 1
    assert set(tally.elements) == {"K", "Cl"}


DIRTY = st.text(st.sampled_from("FeOCuSHxδ0123456789.·()[]{}-+±/,;:%@=#□^αβ' \"\\\tI"), max_size=12)


@given(DIRTY)
def test_every_reason_the_featurizer_gives_is_of_a_known_kind(text):
    assert kind(reason_of(text)) != OTHER, reason_of(text)


def reason_of(text):
    """Why the featurizer rejects a text, or a reason like any other where it does not."""
    try:
        parse_formula(text, KNOWN)
    except FormulaError as error:
        return str(error)
    return "the formula is empty"


@given(st.text())
def test_kinds_are_few_and_a_kind_is_its_own(text):
    kinds = {*KINDS.values(), OTHER}
    assert len(kinds) <= 50
    assert kind(text) in kinds
    assert all(kind(known) == known for known in kinds)


def test_rows_that_a_file_holds_wrongly_are_kinds_of_their_own():
    for cells in (1, 4):
        said = f"its row has {cells} cells where the header has 3"
        assert kind(said) == "a row with too few or too many cells"
    assert kind("its line is no JSON object") == "a line that is no JSON object"
