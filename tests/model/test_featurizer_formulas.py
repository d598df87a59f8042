"""What the featurizer artifact reads as a formula, and what it says to the rest."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from matminer_compute.model.featurizer import build_featurizer

SYMBOLS = [Element.from_Z(z).symbol for z in range(1, 119)]
PLENTY = ["NaCl"] * 20  # so many formulas that they are read together


@functools.cache
def load():
    folder = Path(tempfile.mkdtemp(prefix="featurizer-"))
    return build_featurizer("magpie", ("Stoichiometry", "ElementProperty"), folder).loaded


def read(formulas):
    """Read formulas to [(atomic number, amount), ...], or to a reason."""
    groups, found = load().parser.parse(formulas)
    for group in groups:
        for text, numbers, amounts in zip(
            group.texts.tolist(), group.numbers.T.tolist(), group.amounts.T.tolist(), strict=True
        ):
            assert text not in found
            found[text] = list(zip(numbers, amounts, strict=True))
    return [found[row] for row in range(len(formulas))]


def read_both_ways(formula):
    """Read a formula among many and alone: the same."""
    alone = read([formula])[0]
    assert read([*PLENTY, formula])[-1] == alone
    return alone


def pymatgen_reads(formula):
    composition = Composition(formula).element_composition
    return [(element.Z, amount) for element, amount in composition.items()]


AMOUNT = st.one_of(
    st.just(""),
    st.integers(1, 99).map(str),
    st.floats(1e-4, 1e4).map(str),
    st.sampled_from([".5", "2.", "0.10", "007", "1e-3", "2e3", "1e-8", "9.9e-9", "33.333333333"]),
)
SPACE = st.sampled_from(["", "", "", " ", "\t", "@"])
ELEMENT = st.tuples(st.sampled_from([*SYMBOLS, "D", "T", *"HCNO" * 9]), SPACE, AMOUNT).map("".join)


def in_brackets(parts):
    pairs = st.sampled_from(["()", "()", "[]", "{}"])
    inside = st.lists(parts, min_size=1, max_size=4).map("".join)
    return st.tuples(pairs, inside, AMOUNT.filter(lambda amount: "e-" not in amount)).map(
        lambda drawn: f"{drawn[0][0]}{drawn[1]}{drawn[0][1]}{drawn[2]}"
    )


FORMULA = st.lists(st.recursive(ELEMENT, in_brackets, max_leaves=8), min_size=1, max_size=5).map(
    "".join
)


@given(FORMULA)
@example("Na2.0000000001Na")
@example("H0.1D0.2T0.3HDT")
@example("((((Fe2)2)2)2)2")
@example("H5e-9OD5e-9")
@example("Fe(O10000000000000)0.001")
@example("Fe(O0.000000001)9000000000")
@settings(max_examples=400, deadline=None)
def test_reads_what_pymatgen_reads(formula):
    try:
        expected = pymatgen_reads(formula)
    except ValueError:  # an amount that pymatgen wrote as 1e+16 and could not read again
        return
    ours = read_both_ways(formula)
    if not expected:
        assert ours == "no amount reaches 1e-08"
    elif max(amount for _, amount in expected) > 1e12:
        assert ours == "an amount is over 1e+12"
    else:
        assert ours == expected


@pytest.mark.parametrize(
    ("formula", "same"),
    [
        ("Fe₂O₃", "Fe2O3"),
        ("  NaCl\n", "NaCl"),
        ("Na 2 S O 4", "Na2SO4"),
        ("CuSO4·5H2O", "CuSO4(H2O)5"),
        ("CuSO4*5H2O", "CuSO4(H2O)5"),
        ("CuSO4 • 5 H2O", "CuSO4(H2O)5"),
        ("CuSO₄⋅5H₂O", "CuSO4(H2O)5"),
        ("CaSO4·0.5H2O", "CaSO4(H2O)0.5"),
        ("MgCl2∙KCl·6H2O", "MgCl2KCl(H2O)6"),
        ("[Co(NH3)6]Cl3", "Co(NH3)6Cl3"),
        ("Y3N@C80", "Y3NC80"),
        ("D2O", "H2O"),
        ("Li0.5CoO2", "Li.5CoO2."),
        ("(Ba0.6K0.4)Fe2As2", "Ba0.6K0.4Fe2As2"),
    ],
)
def test_ways_of_writing(formula, same):
    assert read_both_ways(formula) == pymatgen_reads(same)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("", "the formula is empty"),
        (" \n", "the formula is empty"),
        ("Xx2O3", "'Xx' at position 1 is not an element"),
        ("NaXx2", "'Xx' at position 3 is not an element"),
        ("NACl2", "'A' at position 2 is not an element"),
        ("Nacl", "'Nacl' at position 1 is not an element"),
        ("R2O3", "'R' at position 1 is not an element"),
        ("fe2O3", "'f' at position 1 is not an element: a symbol begins with a capital letter"),
        ("Fe0O3", "the amount 0 at position 3 is zero"),
        ("Fe0.00O3", "the amount 0.00 at position 3 is zero"),
        ("Fe(OH)0", "the amount 0 at position 7 is zero"),
        ("Fe-2O3", "'-' at position 3 is not part of a formula: amounts must be positive"),
        ("Na+", "'+' at position 3 is not part of a formula: charges are not part of a compos"),
        ("Fe2O3)", "')' at position 6 closes no bracket"),
        ("Ca(OH2", "'(' at position 3 is not closed"),
        ("Ca(OH]2", "']' at position 6 closes no bracket"),
        ("Ca((OH)2", "'(' at position 3 is not closed"),
        ("Ca(O·H)2", "'(' at position 3 is not closed"),
        ("Ca()2", "nothing follows '(' at position 3"),
        ("CuSO4·", "nothing follows '·' at position 6"),
        ("·5H2O", "'·' at position 1 follows nothing"),
        ("CuSO4··5H2O", "nothing follows '·' at position 6"),
        ("2NaCl", "'2' at position 1 is an amount that follows no element"),
        ("Fe2 3", "'3' at position 5 is an amount that follows no element"),
        ("Fe2.5.1", "'.' at position 6 is not part of a formula: write an adduct with"),
        ("Fe1/3O", "'/' at position 4 is not part of a formula: write a fraction as a decimal"),
        ("Fe,O", "',' at position 3 is not part of a formula"),
        ("Fe\nO?", "'?' at position 5 is not part of a formula"),
        ("H1e999", "the amount 1e999 at position 2 is over 1e+12"),
        ("H" + "9" * 400, "the amount 99999999999999999999 at position 2 is over 1e+12"),
        ("H1e13", "an amount is over 1e+12"),
        ("(H1e9)1e9", "an amount is over 1e+12"),
        ("Fe1e-9", "no amount reaches 1e-08"),
        ("(" * 499 + "Fe" + ")" * 498, "'(' at position 1 is not closed"),
        ("H" * 1001, "a formula has at most 1000 characters; this one has more"),
        ("Hnan", "'Hnan' at position 1 is not an element"),
        ("\ud800", "'\\ud800' at position 1 is not part of a formula"),
    ],
)
def test_reasons(formula, reason):
    assert read_both_ways(formula).startswith(reason)


def test_deep_nesting_is_read():
    assert read_both_ways("(" * 499 + "Fe" + ")" * 499) == [(26, 1.0)]
    assert read_both_ways("(" * 30 + "H" + ")2" * 30) == [(1, 2.0**30)]


def test_what_is_not_text_is_rejected():
    given_rows = [
        None,
        3,
        b"NaCl",
        float("nan"),
        ["NaCl"],
        {},
        np.float64(1),
        "NaCl",
        np.str_("KCl"),
    ]
    features, rows, index, rejected = load().featurize(given_rows)
    assert (len(features), rows, index) == (2, [7, 8], [0, 1])
    assert rejected[0] == "a formula must be text, not NoneType"
    assert rejected[2] == "a formula must be text, not bytes"
    assert list(rejected) == list(range(7))


PIECES = st.sampled_from(
    [*"OHD()[]{}·*20-+ \n@₂²٣２eé/\x00\ud800", "Fe", "Xx", ".5", "1e", "1e9", "1e-300"]
)
GARBAGE = st.one_of(
    st.text(max_size=40),
    st.lists(PIECES, max_size=25).map("".join),
    st.sampled_from([None, 1, 2.5, b"Fe", (), "NaCl", "Fe2O3"]),
)


@given(st.lists(GARBAGE, max_size=60))
@settings(max_examples=300, deadline=None)
def test_garbage_never_raises_and_every_row_is_accepted_or_rejected_once(rows_given):
    features, rows, index, rejected = load().featurize(rows_given)
    assert sorted([*rows, *rejected]) == list(range(len(rows_given)))
    assert rows == sorted(rows)
    assert list(rejected) == sorted(rejected)
    assert len(index) == len(rows)
    assert sorted(set(index)) == list(range(len(features)))
    assert all(isinstance(why, str) and why for why in rejected.values())
    assert np.isfinite(features).all()


def test_more_distinct_amounts_than_are_remembered():
    many = [f"Fe{k / 7:.9f}O{k / 3:.9f}" for k in range(1, 70_001)]
    read_them = read(many)
    assert read_them[-1] == [(26, 10_000.0), (8, 23333.333333333)]
    assert read_them[::7000] == [pymatgen_reads(formula) for formula in many[::7000]]
