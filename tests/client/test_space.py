"""Spaces: every candidate there should be, once, and none besides."""

import gzip
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from matminer_compute.client import Space, SpaceError
from matminer_compute.client.spaces.elements import elements
from matminer_compute.client.spaces.pattern import amounts_of
from matminer_compute.functions.spaces.candidates import Candidates

SYMBOLS = ["Na", "Mg", "Ti", "Fe", "Cu", "H", "C", "S", "O", "F"]
own_pace = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
small_states = st.lists(st.integers(-4, 7), min_size=1, max_size=3, unique=True)
some_symbols = st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4, unique=True)


def reduced(amounts):
    """A composition as a set: symbols with whole amounts that have no common divisor."""
    divisor = math.lcm(*(Fraction(a).denominator for a in amounts.values()))
    whole = {s: int(a * divisor) for s, a in amounts.items() if a}
    common = math.gcd(*whole.values())
    return frozenset((s, a // common) for s, a in whole.items())


def read(formula):
    """The same of a text, by pymatgen."""
    amounts = Composition(formula).get_el_amt_dict()
    return reduced({s: Fraction(str(a)) for s, a in amounts.items()})


def charges(states, amount, mixed):
    """What the atoms of an element can bring, by trying everything."""
    if not mixed:
        return {state * amount for state in states}
    return {sum(some) for some in itertools.combinations_with_replacement(states, amount)}


def can_be_neutral(composition, states, mixed, ordered):
    """As the definition has it: some assignment of states sums up to nothing."""
    terms = sorted(composition)
    for signs in itertools.product((-1, 1), repeat=len(terms)) if ordered else [None]:
        kept = [
            [s for s in states[symbol] if signs is None or s * signs[k] >= 0]
            for k, (symbol, _) in enumerate(terms)
        ]
        if ordered and len(terms) > 1:
            x = [elements()[symbol]["electronegativity"] for symbol, _ in terms]
            pairs = [(a, b) for a in range(len(x)) for b in range(len(x)) if signs[a] > signs[b]]
            # An element without charge is neither cation nor anion, so either sign will do for it.
            if any(x[a] >= x[b] for a, b in pairs):
                continue
        brought = [
            charges(some, amount, mixed) if some else set()
            for some, (_, amount) in zip(kept, terms, strict=True)
        ]
        if any(sum(one) == 0 for one in itertools.product(*brought)):
            return True
    return False


@own_pace
@given(
    symbols=some_symbols,
    atoms=st.integers(1, 7),
    amount=st.none() | st.integers(1, 5),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    states=st.none() | st.lists(small_states, min_size=10, max_size=10),
    mixed=st.booleans(),
    ordered=st.booleans(),
    data=st.data(),
)
def test_ratios_are_those_that_trying_everything_finds(
    symbols, atoms, amount, sizes, states, mixed, ordered, data
):
    least, most = min(sizes), max(sizes)
    required = data.draw(st.lists(st.sampled_from(symbols), max_size=2, unique=True))
    assume(max(least, len(required)) <= min(most, len(symbols)))
    own = None if states is None else dict(zip(SYMBOLS, states, strict=True))
    neutral = own and {
        "own": {symbol: own[symbol] for symbol in symbols},
        "mixed": mixed,
        "electronegativity": ordered,
    }
    space = Space.ratios(
        symbols,
        max_atoms=atoms,
        max_amount=amount,
        min_elements=least,
        max_elements=most,
        required=required,
        neutral=neutral,
    )
    expected = set()
    for amounts in itertools.product(range(min(atoms, amount or atoms) + 1), repeat=len(symbols)):
        held = {s: a for s, a in zip(symbols, amounts, strict=True) if a}
        if not (
            least <= len(held) <= most and sum(amounts) <= atoms and held.keys() >= {*required}
        ):
            continue
        if math.gcd(*amounts) == 1 and (
            not own or can_be_neutral(held.items(), own, mixed, ordered)
        ):
            expected.add(reduced(held))
    found = list(space)
    assert len(found) == space.count()
    assert {read(formula) for formula in found} == expected
    assert len(found) == len(expected)


@own_pace
@given(
    amounts=st.lists(
        st.sampled_from(["", "2", "3", "0.5", "{x}", "{1-x}", "{2x}"]), min_size=1, max_size=3
    ),
    sites=st.lists(some_symbols, min_size=3, max_size=3),
    fixed=st.sampled_from(["", "O", "O3", "(SO4)2"]),
    merge=st.booleans(),
    states=st.none() | st.lists(small_states, min_size=10, max_size=10),
    mixed=st.booleans(),
    limit=st.none() | st.integers(2, 9),
    parts=st.integers(1, 7),
)
def test_templates_and_series_are_those_that_trying_everything_finds(
    amounts, sites, fixed, merge, states, mixed, limit, parts
):
    names = ["A", "B", "X"][: len(amounts)]
    formula = "".join(n + a for n, a in zip(names, amounts, strict=True)) + fixed
    chosen = dict(zip(names, sites, strict=False))
    xs = [Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(1)]
    own = None if states is None else dict(zip(SYMBOLS, states, strict=True))
    options = {"merge": merge, "max_atoms": limit, "sites": chosen}
    if own:
        options["neutral"] = {"own": own, "mixed": mixed}
    assume(all(any(amounts_of(formula, {"x": x}).values()) for x in xs))
    space = Space.series(formula, variables={"x": [float(x) for x in xs]}, **options)

    expected = set()
    for x, symbols in itertools.product(xs, itertools.product(*chosen.values())):
        held, clash = {}, False
        for name, amount in amounts_of(formula, {"x": x}).items():
            if amount:
                symbol = dict(zip(names, symbols, strict=True)).get(name, name)
                clash |= symbol in held
                held[symbol] = held.get(symbol, 0) + amount
        if clash and not merge:
            continue
        whole = all(amount.denominator == 1 for amount in held.values())
        written = dict(reduced(held)) if whole else held
        if limit and sum(written.values()) > limit:
            continue
        if not own or can_be_neutral(reduced(held), own, mixed, False):
            expected.add(reduced(held))
    found = list(space)
    assert len(found) == space.count() == len(expected)
    assert {read(text) for text in found} == expected
    # Cut by choices, as a space is that is too large for every worker to look at all of it.
    cut = Candidates(space.as_json() | {"by": "choice", "parts": parts})
    by_choice = [t for _, rows in cut.parts(list(range(parts))) for t in cut.texts(rows)]
    assert {read(text) for text in by_choice} == expected


@own_pace
@given(
    formulas=st.lists(
        st.sampled_from(["NaCl", "Na2SO4", "Fe2O3", "NaFeO2", "Cu(OH)2"]), min_size=1
    ),
    replace=st.dictionaries(st.sampled_from(["Na", "Fe", "O"]), some_symbols, min_size=1),
)
def test_substitutions_are_those_that_trying_everything_finds(formulas, replace):
    expected = set()
    for formula in formulas:
        amounts = Composition(formula).get_el_amt_dict()
        there = [symbol for symbol in replace if symbol in amounts]
        for others in itertools.product(*(replace[symbol] for symbol in there)) if there else ():
            change = dict(zip(there, others, strict=True))
            symbols = [change.get(symbol, symbol) for symbol in amounts]
            if len(set(symbols)) == len(symbols):
                values = (Fraction(int(a)) for a in amounts.values())
                expected.add(reduced(dict(zip(symbols, values, strict=True))))
    assume(any(symbol in Composition(f) for f in formulas for symbol in replace))
    space = Space.substitute(formulas, replace=replace)
    found = list(space)
    assert {read(formula) for formula in found} == expected
    assert len(found) == len(expected) == space.count()


OXIDES = {"max_atoms": 14, "min_elements": 3, "max_elements": 4, "required": ["O"]}
METALS = ["Li", "Na", "Mg", "Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Zr", "La"]


@pytest.fixture(
    params=[
        lambda: Space.ratios([*METALS, "O"], neutral=True, **OXIDES),
        lambda: Space.template(
            "A2BB'X5X'",
            sites={"A": METALS, "B": METALS, "B'": METALS, "X": ["O", "S", "Se", "Te"],
                   "X'": ["F", "Cl", "Br", "I", "N", "P", "As", "H"]},
        ),
        lambda: Space.series(
            "A{1-x}B{x}CX3",
            variables={"x": {"from": 0, "to": 1, "step": 0.02}},
            A=METALS, B=METALS, C=["Ti", "Zr", "Hf"], X=["O", "S"],
        ),
    ],
    ids=["ratios", "template", "series"],
)  # fmt: skip
def large(request):
    """Spaces of several parts."""
    return request.param()


def test_parts_together_are_the_whole_and_none_is_much_larger_than_another(large):
    candidates = Candidates(json.loads(json.dumps(large.as_json())))
    assert large.parts > 2
    parts = []
    for part in range(large.parts):
        rows = [rows for at, rows in candidates.parts([part]) if at == part]
        parts.append([text for some in rows for text in candidates.texts(some)])
    alone = [text for part in parts for text in part]
    assert alone == list(large)
    assert len(alone) == large.count() == len(set(alone))
    some = alone[:: len(alone) // 1000]
    assert len({read(text) for text in some}) == len(some)
    assert large.exact
    sizes = [len(part) for part in parts]
    assert max(sizes) < 1.3 * np.mean(sizes)


def test_a_space_that_is_not_looked_at_whole_says_whether_duplicates_may_remain():
    many = list(elements())[:110]
    apart = Space.template("A2BCX4", A=many[:40], B=many[40:80], C=many[40:80], X=many[80:])
    mingled = Space.template("A2BCX4", A=many[:40], B=many[40:80], C=many[50:90], X=many[80:])
    for space, exact in ((apart, True), (mingled, False)):
        assert space.as_json()["by"] == "choice"
        assert space.exact is exact
        candidates = Candidates(space.as_json())
        rows = candidates.parts(list(range(0, space.parts, 8)))
        found = [text for _, some in rows for text in candidates.texts(some)]
        assert (len(set(found)) == len(found)) is exact


def test_known_compositions_are_left_out_however_they_are_written():
    options = {"max_atoms": 8, "neutral": {"mixed": True}, "required": ["O"]}
    everything = list(Space.ratios(["Li", "Fe", "O"], **options))
    known = ["Fe4O6", "O3Fe2", "Fe(FeO2)2", "NaCl", "Li0.5Fe0.5O", "FeO-x"]
    space = Space.ratios(["Li", "Fe", "O"], known=known, **options)
    assert {*everything} - {*space} == {"Fe2O3", "Fe3O4", "LiFeO2"}
    assert space.count() == len(everything) - 3
    assert space.unread == ["FeO-x"]
    assert "Na" not in space.as_json()["known"]
    assert list(Space.ratios(["Li", "Fe", "O"], known=everything, **options)) == []


def ratios_less(folder, known):
    """The ratios of lithium and oxygen that a file does not hold."""
    path = folder / "space.toml"
    path.write_text(f'kind = "ratios"\nelements = ["Li", "O"]\nmax_atoms = 3\nknown = "{known}"\n')
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("semicolons.CSV", "id;Formula\n1;Li2O\n"),
        ("tabs.tsv", "id\tcomposition\n1\tLi2O\n"),
        ("lines.txt", "Li2O\n"),
    ],
)
def test_known_compositions_come_from_files_as_people_save_them(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert "Li2O" not in set(Space.load(ratios_less(tmp_path, name)))


def test_a_known_file_that_is_cut_off_is_said_to_be(tmp_path):
    (tmp_path / "known.txt.gz").write_bytes(gzip.compress(b"Li2O\n" * 1000)[:-9])
    with pytest.raises(SpaceError, match=r"known.txt.gz is cut off or damaged"):
        Space.load(ratios_less(tmp_path, "known.txt.gz"))


def test_a_known_formula_of_other_amounts_is_no_candidate_left_out():
    made = Space.series("La{1-x}Sr{x}MnO3", variables={"x": [0, 0.5, 0.55]}, known=["LaSrMn2O6"])
    assert sorted(made) == ["LaMnO3", "Sr0.55La0.45MnO3"]


FILES = {
    "template": """
        kind = "template"
        formula = "A2BX4"
        sites = {A = ["K", "Rb"], B = "Ni", X = ["F", "Cl"]}
    """,
    "ratios": """
        kind = "ratios"
        elements = ["Li", "Mn"]
        required = ["O"]
        max_atoms = 6
        max_elements = 3
        known = "known.csv"
        neutral = {own = {Mn = [2, 3, 4]}, mixed = ["Mn"], electronegativity = true}
    """,
    "substitute": """
        kind = "substitute"
        formulas = "known.txt.gz"
        [replace]
        Mn = ["Fe", "Cr"]
    """,
    "series": """
        kind = "series"
        formula = "La{1-x}Sr{x}MnO{3-x/2}"
        [variables]
        x = {from = 0, to = 0.2, step = 0.1}
    """,
}
HELD = {
    "template": ["K2NiCl4", "K2NiF4", "Rb2NiCl4", "Rb2NiF4"],
    "ratios": ["Li2MnO2", "Li2MnO3", "LiMnO2", "Mn2O3", "MnO", "MnO2"],
    "substitute": ["Cr2O3", "Fe2O3", "Li2CrO3", "Li2FeO3"],
    "series": ["LaMnO3", "Sr0.1La0.9MnO2.95", "Sr0.2La0.8MnO2.9"],
}


@pytest.fixture
def folder(tmp_path):
    """Where each kind of space lies, with the files that they name."""
    for kind, text in FILES.items():
        (tmp_path / f"{kind}.toml").write_text(text)
    (tmp_path / "known.csv").write_text("id,Formula\n1,Li2O\n2,LiMn2O3\n")
    (tmp_path / "known.txt.gz").write_bytes(gzip.compress(b"Mn2O3\n\nLi2MnO3\nLi2O\n"))
    return tmp_path


@pytest.mark.parametrize("kind", FILES)
def test_a_file_holds_a_space(folder, kind):
    space = Space.load(folder / f"{kind}.toml")
    assert sorted(space) == HELD[kind]
    assert space.count() == len(HELD[kind])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind = 'template'", r"formula: it is missing; write formula = "),
        ("formula = 'AB'", r"kind: it is missing; write kind = "),
        ("kind = 'tmplate'", r"kind: there is no kind 'tmplate'; write kind = "),
        ("kind = ", r"is not TOML"),
        (
            "kind='template'\nformula='AB'\nsites={A=['Xx'], B='O'}",
            r"A: 'Xx' is not an element",
        ),
        ("kind='template'\nformula='AO'\nsites={A='Na', B='O'}", r"sites\.B: .*no such site"),
        ("kind='template'\nformula='AO'\nsites={}", r"formula: A is neither an element nor a site"),
        ("kind='template'\nformula='NaO{x}'\nsites={}", r"nothing says what x is; write kind ="),
        ("kind='template'\nformula='Na)'\nsites={}", r"formula: its brackets do not match"),
        ("kind='template'\nformula='2Na'\nsites={}", r"formula: '2' at position 1 follows no"),
        ("kind='template'\nformula='Na%'\nsites={}", r"formula: '%' at position 3 has no place"),
        ("kind='template'\nformula='NaO'\nsites={a=['O']}", r"sites\.a: 'a' is no name of a site"),
        (
            "kind='series'\nformula='NaO{y}'\nvariables={x=[1]}",
            r"variables: .* what y .* write y =",
        ),
        (
            "kind='series'\nformula='NaO{x-1}'\nvariables={x=[0]}",
            r"amount of O is negative at x = 0",
        ),
        ("kind='series'\nformula='NaO{x**2}'\nvariables={x=[0]}", r"\{x\*\*2\} is no amount"),
        (
            "kind='series'\nformula='NaO{x}'\nvariables={x={from=0}}",
            r"x: it needs from, to and step",
        ),
        ("kind='series'\nformula='NaO{x}'\nvariables={x=[0.12345678]}", r"at most 4 decimals"),
        ("kind='ratios'\nelements=['Na']\nmax_atoms=0", r"max_atoms: .*; write max_atoms = 16"),
        ("kind='ratios'\nelements=['Na','O']\nmax_atoms=99", r"max_atoms: 99 atoms .* too many"),
        ("kind='ratios'\nelements=['Na']\nmax_atoms=9", r"max_elements: no composition has 2"),
        ("kind='ratios'\nelements=['Na','O']\nmax_atom=9", r"max_atom"),
        (
            "kind='ratios'\nelements=['He','O']\nmax_atoms=9\nneutral=true",
            r"neutral: He has no common",
        ),
        (
            "kind='ratios'\nelements=['Na','O']\nmax_atoms=9\nneutral='icsd'",
            r"no table of states 'icsd'",
        ),
        (
            "kind='ratios'\nelements=['Na','O']\nmax_atoms=9\nknown='k.csv'",
            r"known: .*k\.csv cannot be",
        ),
        (
            "kind='substitute'\nformulas=['NaCl']\nreplace={K=['O']}",
            r"replace: no formula holds any",
        ),
        (
            "kind='substitute'\nformulas=['NaCl-']\nreplace={Na=['K']}",
            r"formulas: 'NaCl-' cannot be",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_that_names_the_key(tmp_path, text, sentence):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(SpaceError, match=sentence) as error:
        Space.load(path)
    said = str(error.value)
    assert "space.toml" in said or "decimals" in said
    assert "\n" not in said
    assert said.endswith(".")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(SpaceError, match=r"nowhere\.toml cannot be read .*check the path"):
        Space.load(tmp_path / "nowhere.toml")


def test_a_space_that_no_task_could_carry_is_refused():
    formulas = [f"Na{n}Cl{m}O{k}" for n in range(1, 41) for m in range(1, 41) for k in range(1, 26)]
    with pytest.raises(SpaceError, match=r"travels with each task.*name fewer formulas"):
        Space.substitute(formulas, replace={"Na": ["K"]})


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=20) | st.text("NaClO2(){}[]x-+*/. ", max_size=20))
def test_any_text_is_a_formula_or_is_refused_in_words(text):
    try:
        amounts = amounts_of(text, {"x": Fraction(1, 2)})
    except ValueError as error:
        amounts, why = {}, str(error)
    else:
        why = ""
    assert bool(amounts) != bool(why)
    assert all(isinstance(amount, Fraction) for amount in amounts.values())
