"""What the featurizer artifact reads as a formula, and what it says to the rest."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from matminer_compute.model.featurizer import build_featurizer

SYMBOLS = [Element.from_Z(z).symbol for z in range(1, 119)]


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
    """Read a formula in one pass with others and by the careful reader: the same."""
    carefully = load().parser.carefully(formula)
    assert read(["NaCl", formula, "KCl"])[1] == carefully
    return carefully


def pymatgen_reads(formula):
    composition = Composition(formula).element_composition
    return [(element.Z, amount) for element, amount in composition.items()]


AMOUNT = st.one_of(
    st.just(""),
    st.integers(1, 99).map(str),
    st.floats(1e-4, 1e4).map(str),
    st.sampled_from(
        [".5", "2.25", "0.10", "1E-03", "1e-3", "2e3", "1e-8", "9.9e-9", "33.333333333"]
    ),
)
SPACE = st.sampled_from(["", "", "", " "])
ELEMENT = st.tuples(st.sampled_from([*SYMBOLS, "D", "T", *"HCNO" * 9]), SPACE, AMOUNT).map("".join)


MAY_MEAN_SOMETHING_ELSE = (
    "may begin an adduct or decimals",
    "reads as an oxidation number",
    "reads as a phase label",
    "stands between two elements",
    "is an abbreviation",
)


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
def test_reads_what_pymatgen_reads_unless_it_may_mean_something_else(formula):
    try:
        expected = pymatgen_reads(formula)
    except ValueError:  # an amount that pymatgen wrote as 1e+16 and could not read again
        return
    ours = read_both_ways(formula)
    if isinstance(ours, str) and any(reason in ours for reason in MAY_MEAN_SOMETHING_ELSE):
        return
    if isinstance(ours, str) and "too small to count (under 1e-08)" in ours:
        assert len(expected) < len(set(re.findall("[A-Z][a-z]?", formula)))
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
        ("CuSO4 x 5H2O", "CuSO4(H2O)5"),
        ("CuSO4 X 5 H2O", "CuSO4(H2O)5"),
        ("CuSO4x5H2O", "CuSO4(H2O)5"),
        ("CuSO4 × 5H2O", "CuSO4(H2O)5"),
        ("CuSO4・5H2O", "CuSO4(H2O)5"),
        ("CuSO4･5H2O", "CuSO4(H2O)5"),
        ("CuSO4‧5H2O", "CuSO4(H2O)5"),
        ("CuSO4\u03875H2O", "CuSO4(H2O)5"),
        ("ＣｕＳＯ４・５Ｈ２Ｏ", "CuSO4(H2O)5"),
        ("CuSO$_4\\cdot$5H$_2$O", "CuSO4(H2O)5"),
        ("\\ce{CuSO4*5H2O}", "CuSO4(H2O)5"),
        ("CuSO<sub>4</sub>&middot;5H<sub>2</sub>O", "CuSO4(H2O)5"),
        ("NaCl.H2O", "NaClH2O"),
        ("3Ca3(PO4)2.CaF2", "Ca9(PO4)6CaF2"),
        ("2CaO·SiO2", "(CaO)2SiO2"),
        ("3 Al2O3 · 2 SiO2", "(Al2O3)3(SiO2)2"),
        ("2(Fe2O3)", "(Fe2O3)2"),
        ("2(NH4)2SO4", "((NH4)2SO4)2"),
        ("0.5CaO·0.5MgO", "(CaO)0.5(MgO)0.5"),
        ("CaSO4·½H2O", "CaSO4(H2O)0.5"),
        ("CaSO4·1/2H2O", "CaSO4(H2O)0.5"),
        ("CaSO4·1⁄2 H2O", "CaSO4(H2O)0.5"),
        ("CaSO4·¼H2O", "CaSO4(H2O)0.25"),
        ("CdSO4·2⅔H2O", f"CdSO4(H2O){2 + 2 / 3}"),
        ("CdSO4·2 2/3H2O", f"CdSO4(H2O){2 + 2 / 3}"),
        ("3/4CaO·½MgO", "(CaO)0.75(MgO)0.5"),
        ("Fe9E-05Ni", "Fe0.00009Ni"),
        ("Fe9e-5Ni1E+2", "Fe0.00009Ni100"),
        ("Fe2Es", "Fe2Es"),
        ("Fe_2O_3", "Fe2O3"),
        ("Fe$_2$O$_3$", "Fe2O3"),
        ("Fe$_{2}$O$_{3}$", "Fe2O3"),
        ("$\\mathrm{Fe_2O_3}$", "Fe2O3"),
        ("$\\mathrm{Fe}_2\\mathrm{O}_{3}$", "Fe2O3"),
        ('Fe<sub class="n">2</sub>O<sub>3</sub>', "Fe2O3"),
        ("Fe<SUB>2</SUB>O<Sub>3</Sub>", "Fe2O3"),
        (r"Fe\textsubscript{2}O\textsubscript{3}", "Fe2O3"),
        ("Fe~2~O~3~", "Fe2O3"),
        ("Li₀.₅CoO₂", "Li0.5CoO2"),
        ("Ｆｅ２Ｏ３", "Fe2O3"),
        ("Ｃａ（ＯＨ）２", "Ca(OH)2"),
        ("𝐅𝐞2𝖮3", "Fe2O3"),
        ("\ufeffFe\u200b2\u00a0O\u20093\u00ad", "Fe2O3"),
        ("\u212aCl", "KCl"),
        ("MoO2.5(OH)0.5", "MoO2.5(OH)0.5"),
        ("Na0.5H2O", "Na0.5H2O"),
        ("CuSO4.50H2O", "CuSO4.50H2O"),
        ("Na2CO3·1.5H2O2", "Na2CO3(H2O2)1.5"),
        ("1.5H2O·NaCl", "(H2O)1.5NaCl"),
        ("Li1.2Ni0.4Mn0.4O2", "Li1.2Ni0.4Mn0.4O2"),
        ("Fe0.98Co0.02", "Fe0.98Co0.02"),
        ("(VO)2P2O7", "(VO)2P2O7"),
        ("Fe(CN)6", "Fe(CN)6"),
        ("K3(C60)", "K3C60"),
        ("Fe2O3.", "Fe2O3"),
        ("D2O", "H2O"),
        ("Li0.5CoO2", "Li.5CoO2."),
        ("Li.5CoO2", "Li0.5CoO2"),
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
        ("Fe2 3", "'3' at position 5 is an amount that follows no element"),
        ("Fe2.5.1", "'.' at position 6 is not part of a formula: write an adduct with"),
        ("Fe1/3O", "'/' at position 4 is not part of a formula: write a fraction as a decimal"),
        ("Fe,O", "',' at position 3 is not part of a formula"),
        ("Fe\nO?", "'\\n' at position 3 breaks the line: write one formula a row"),
        ("H1e999", "the amount 1e999 at position 2 is over 1e+12"),
        ("H" + "9" * 400, "the amount 99999999999999999999 at position 2 is over 1e+12"),
        ("H1e13", "an amount is over 1e+12"),
        ("(H1e9)1e9", "an amount is over 1e+12"),
        ("Fe1e-9", "the amount 1e-09 of Fe is too small to count (under 1e-08): leave Fe out"),
        ("Na1e-9Cl", "the amount 1e-09 of Na is too small to count"),
        ("(NaCl)0.00000000999KBr", "the amount 9.99e-09 of Na is too small to count"),
        ("(" * 499 + "Fe" + ")" * 498, "'(' at position 1 is not closed"),
        ("H" * 1001, "a formula has at most 1000 characters; this one has more"),
        ("Hnan", "'Hnan' at position 1 is not an element"),
        ("\ud800", "'\\ud800' at position 1 is not part of a formula"),
    ],
)
def test_reasons(formula, reason):
    assert read_both_ways(formula).startswith(reason)


def stop(place, adduct, decimals):
    reason = f"the stop at position {place} may begin an adduct or decimals"
    return f"{reason}: write {adduct} or {decimals}"


LETTER = "did you mean the letter O?"
VARIABLE = "holds a variable: write a number"
CHARGES = "charges are not part of a composition"
OXIDATION = "reads as an oxidation number: leave it out"
PHASE = "reads as a phase label: leave it out"


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("CuSO4.5H2O", stop(6, "CuSO4·5H2O", "CuSO4.50H2O")),
        ("Zn(NO3)2.6H2O", stop(9, "Zn(NO3)2·6H2O", "Zn(NO3)2.60H2O")),
        ("NaCl .2H2O", stop(6, "NaCl ·2H2O", "NaCl .200H2O")),
        ("Na2CO3.10H2O", stop(7, "Na2CO3·10H2O", "Na2CO3.100H2O")),
        ("Na3PO4.12 H2O", stop(7, "Na3PO4·12 H2O", "Na3PO4.120 H2O")),
        ("K2SO4.Al2(SO4)3.24H2O", "the stop at position 16 may begin an adduct"),
        ("CuSO4.5D2O", "the stop at position 6 may begin an adduct"),
        ("CaCl2.8NH3", "the stop at position 6 may begin an adduct"),
        ("LiI.4CH3OH", "the stop at position 4 may begin an adduct"),
        ("Mg(BF4)2.6C2H5OH", "the stop at position 9 may begin an adduct"),
        ("NaI.3C3H7NO", "the stop at position 4 may begin an adduct"),
        ("Ca(OH)2.2H2O2", "the stop at position 8 may begin an adduct"),
        ("CuSO4.5(H2O)", "the stop at position 6 may begin an adduct"),
        ("(CuSO4.5H2O)2", "the stop at position 7 may begin an adduct"),
        ("CaCl2.2H2O.3NH3", "the stop at position 6 may begin an adduct"),
        ("CaO.6Al2O3", stop(4, "CaO·6Al2O3", "CaO.60Al2O3")),
        ("3Al2O3.2SiO2", "the stop at position 7 may begin an adduct"),
        ("KCl.2MgCl2", "the stop at position 4 may begin an adduct"),
        ("CuSO4. 5H2O", "'5' at position 8 is an amount that follows no element: an adduct is"),
        ("CuSO4..5H2O", "'.' at position 7 is not part of a formula: write an adduct with ·"),
        ("CuSO4₅H₂O", "'5' at position 7 is an amount that follows no element: an adduct is"),
        ("CuSO₄5H₂O", "'5' at position 7 is an amount that follows no element: an adduct is"),
        ("CuSO$_4$5H$_2$O", "'5' at position 7 is an amount that follows no element"),
        ("CuSO4 5H2O", "'5' at position 7 is an amount that follows no element: an adduct is"),
        ("NaCl 2H2O", "the amount 2 at position 6 stands between two elements"),
        ("CaO 2SiO2", "the amount 2 at position 5 stands between two elements"),
        ("SiC 4H", "the amount 4 at position 5 stands between two elements"),
        ("4H SiC", "'S' at position 4 follows a number in front of a formula"),
        ("0.5(Fe2O3)0.5(TiO2)", "'.5(' at position 12 follows a number in front"),
        ("CaSO4½H2O", "'1' at position 7 is an amount that follows no element"),
        ("Ti02", f"the amount 02 at position 3 begins with 0: {LETTER}"),
        ("Si02", f"the amount 02 at position 3 begins with 0: {LETTER}"),
        ("Li02CoO2", f"the amount 02 at position 3 begins with 0: {LETTER}"),
        ("(NO3)02", f"the amount 02 at position 6 begins with 0: {LETTER}"),
        ("Ca(NO3)02", f"the amount 02 at position 8 begins with 0: {LETTER}"),
        ("Fe00.5", f"the amount 00.5 at position 3 begins with 0: {LETTER}"),
        ("02CaO", f"the amount 02 at position 1 begins with 0: {LETTER}"),
        ("C0", f"the amount 0 at position 2 is zero: {LETTER}"),
        ("Ca(0H)2", f"'0' at position 4 is no amount here: {LETTER}"),
        ("Fe(III)2O3", f"'(III)' at position 3 {OXIDATION}"),
        ("Fe(II)O", f"'(II)' at position 3 {OXIDATION}"),
        ("Mn(IV)O2", f"'(IV)' at position 3 {OXIDATION}"),
        ("Fe (VI) O4", f"'(VI)' at position 4 {OXIDATION}"),
        ("Cu[I]2O", f"'[I]' at position 3 {OXIDATION}"),
        ("V(V)2O5", f"'(V)' at position 2 {OXIDATION}"),
        ("Fe(Ⅲ)2O3", f"'(III)' at position 3 {OXIDATION}"),
        ("FeIII2O3", f"'III' at position 3 {OXIDATION}"),
        ("MnIVO2", f"'IV' at position 3 {OXIDATION}"),
        ("Fe(iii)O", "'(iii)' at position 3 is a state, a phase or an oxidation number"),
        ("TiO2(B)", f"'(B)' at position 5 {PHASE}"),
        ("ZnS (W)", f"'(W)' at position 5 {PHASE}"),
        ("SiO2 (C)", f"'(C)' at position 6 {PHASE}"),
        ("SiO2 [C]·H2O", f"'[C]' at position 6 {PHASE}"),
        ("NaCl(B1)", f"'(B1)' at position 5 {PHASE}"),
        ("TiO2 B", f"'B' at position 6 {PHASE}"),
        ("CsCl B2", f"'B2' at position 6 {PHASE}"),
        ("NaCoO2 P2", f"'P2' at position 8 {PHASE}"),
        ("LiMnO2 O3", f"'O3' at position 8 {PHASE}"),
        ("Ni FCC", f"'FCC' at position 4 {PHASE}"),
        ("Ti HCP", f"'HCP' at position 4 {PHASE}"),
        ("CuO NP", f"'NP' at position 5 {PHASE}"),
        ("CsPbBr3 NCs", f"'NCs' at position 9 {PHASE}"),
        ("TiO2 II", f"'II' at position 6 {OXIDATION}"),
        ("Si IV", f"'IV' at position 4 {OXIDATION}"),
        ("2Al+Fe2O3", "'+' at position 4 is not part of a formula: leave charges out, and write"),
        ("CuSO4+5H2O", "'+' at position 6 is not part of a formula: leave charges out, and write"),
        ("TiO2(rutile)", "'(rutile)' at position 5 is a state, a phase or an oxidation number"),
        ("NaCl(aq)", "'(aq)' at position 5 is a state, a phase or an oxidation number"),
        ("α-Fe2O3", "'α' at position 1 is a phase label: leave it out"),
        ("h-BN", "'h' at position 1 is a phase label: leave it out"),
        ("YBa2Cu3O7-x", f"'-' at position 10 {VARIABLE}"),
        ("La1-xSrxMnO3", f"'-' at position 4 {VARIABLE}"),
        ("O7−δ", f"'-' at position 3 {VARIABLE}"),
        ("O7 + 2δ", f"'+' at position 4 {VARIABLE}"),
        ("MgH₂₋ₓ", f"'-' at position 5 {VARIABLE}"),
        ("\\mathrm{TiO_{2-x}}", f"'-' at position 5 {VARIABLE} (read as 'TiO2-x')"),
        ("(1-x)PbTiO3", f"'1' at position 2 {VARIABLE}"),
        ("LixCoO2", "'Lix' at position 1 is not an element: if 'x' is a variable, write a number"),
        ("CuSO4·xH2O", "'x' at position 7 is a variable: write a number"),
        ("CuSO4 x H2O", "'x' at position 7 is a variable: write a number"),
        ("(C2H4)n", "'n' at position 7 is a variable: write a number"),
        ("Ln2O3", "'Ln' at position 1 is not an element: write those that it stands for"),
        ("Zn(OAc)2", "'OAc' at position 4 is an abbreviation: write its atoms"),
        ("NaOAc", "'OAc' at position 3 is an abbreviation: write its atoms"),
        ("CrCl3(THF)3", "'THF' at position 7 is an abbreviation: write its atoms"),
        ("Li0,5CoO2", "',' at position 4 is not part of a formula: write a decimal with a point"),
        ("Fe2O3, TiO2", "',' at position 6 is not part of a formula: write one formula a row"),
        ("Fe2O3; TiO2", "';' at position 6 is not part of a formula: write one formula a row"),
        ("Fe2O3/TiO2", "'/' at position 6 is not part of a formula: write one formula a row"),
        ("Fe2O3\tTiO2", "'\\t' at position 6 breaks the line: write one formula a row"),
        ("SO4 2-", f"'2' at position 5 belongs to a charge: {CHARGES}"),
        ("SO4−2", f"'-' at position 4 is not part of a formula: {CHARGES}"),
        ("[Fe(CN)6]4–", f"'-' at position 11 is not part of a formula: {CHARGES}"),
        ("Fe^3+", "'^' at position 3 is not part of a formula: charges and isotopes"),
        ("Fe³⁺", "'³' at position 3 is not part of a formula: charges and isotopes"),
        ("Ca<sup>2+</sup>", "'^' at position 3 is not part of a formula: charges and isotopes"),
        ("^{13}C", "'^' at position 1 is not part of a formula: charges and isotopes"),
        ("13C", "'13' at position 1 counts nothing: isotopes are not part of a composition"),
        ("O6.95(2)", "'2' at position 7 is an uncertainty or a charge: leave it out"),
        ("Si@C", "'@' at position 3 is not part of a formula: a composite has no composition"),
        ("СO2", "'С' at position 1 is not a Latin letter but cyrillic capital letter es"),
        ("Nacl", "'Nacl' at position 1 is not an element: did you mean NaCl?"),
    ],
)
def test_what_may_mean_something_else_is_refused_with_what_to_write(formula, reason):
    assert read_both_ways(formula).startswith(reason)


FOREIGN = st.lists(
    st.one_of(
        ELEMENT,
        st.sampled_from(["H2O", "NH3", "(NO3)2", "SO4", "O", "Fe2", "Cl", "CH3OH", "THF", "OAc"]),
        st.sampled_from([".5", ".", "5", "·", "*", "02", "0", "½", "1/2", " ", "x", " x ", "E-05"]),
        st.sampled_from(["(I)", "(IV)", "(III)", "IV", "(B)", " (W)", "(B2)", "(", ")", "[", "]"]),
        st.sampled_from(["_2", "$_2$", "<sub>2</sub>", "₂", "²", "+", "−", "-x", ",5", "\n", "\0"]),
    ),
    max_size=7,
).map("".join)


NEARLY_PLAIN = st.lists(  # what a pass over characters could take for plain
    st.one_of(
        st.sampled_from([*"HCNOSDTIVPFK", "Ac", "Pr", "Ts", "Co", "Cs", "Cl", "Hg", "Ho", "Fe"]),
        st.sampled_from(["2", "12", "0", "05", ".5", ".05", ".7", "0.36", "1.", "1e3", ".5.5"]),
        st.sampled_from(["(", ")", ")2", "H2O", "CO2", "SO2", "CCl4", "NH3", "CH3OH", "(VI)"]),
    ),
    max_size=8,
).map("".join)


@given(st.lists(st.one_of(FOREIGN, NEARLY_PLAIN), max_size=60))
@example(["(V20.7C24I10)Hg"])  # an adduct with the H of Hg
@settings(max_examples=300, deadline=None)
def test_many_are_read_as_one_by_one(formulas):
    assert read(formulas) == [load().parser.carefully(formula) for formula in formulas]


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


def test_amounts_of_many_digits():
    many = [f"Fe{k / 7:.9f}O{k / 3:.9f}" for k in range(1, 7_001)]
    read_them = read(many)
    assert read_them[-1] == [(26, 1000.0), (8, 2333.333333333)]
    assert read_them[::700] == [pymatgen_reads(formula) for formula in many[::700]]
