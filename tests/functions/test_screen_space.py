"""Spaces screened where they are enumerated, beside the same formulas sent and predicted."""

import json
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from matminer_compute.client import Space
from matminer_compute.client.spaces.elements import elements
from matminer_compute.functions import predict_composition, screen_space
from matminer_compute.functions.spaces.formula import texts
from matminer_compute.functions.spaces.kept import MOST, Kept
from matminer_compute.functions.spaces.rows import Rows
from matminer_compute.functions.spaces.tally import Tally
from matminer_compute.functions.worker import models

SPACES = {
    "ratios": Space.ratios(
        ["Li", "Na", "Fe", "Mn", "P", "O"], max_atoms=12, max_elements=4, neutral="all"
    ),
    "template": Space.template(
        "A2BX4", A=["Ca", "Sr", "Ba", "Pb"], B=["Ti", "Zr", "Fe"], X=["O", "S", "F", "Cl"]
    ),
    "substitute": Space.substitute(
        ["LiFePO4", "NaCl", "Fe2(SO4)3"], replace={"Fe": ["Mn", "Co", "Ni"], "Cl": ["Br", "I"]}
    ),
    "series": Space.series(
        "A{1-x}B{x}MnO{3-d}",
        variables={"x": {"from": 0, "to": 1, "step": 0.05}, "d": [0, 0.25, 0.5]},
        A=["La", "Nd"],
        B=["Sr", "Ca"],
    ),
    "outside": Space.template("A999X", A=["U", "Fe"], X=["O", "Te", "Ac"]),
}


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


def everything(space, **keep):
    parts = list(range(space.parts))
    return screen_space(space.as_json(), parts, keep=keep or {"all": True})


def test_every_candidate_is_predicted_as_its_formula_is_to_the_last_bit(worker, space):
    answer = everything(space)
    assert answer["formulas"] == list(space)
    predicted = predict_composition(answer["formulas"])
    assert predicted["rejected"] == {}
    assert answer["values"] == predicted["values"]
    assert answer["std"] == predicted["std"]
    assert answer["outside"] == predicted["outside"]
    for key in ("property", "unit", "model", "featurizer"):
        assert answer[key] == predicted[key]


def test_the_answer_is_plain_json_and_counts_everything(worker, space):
    answer = everything(space, top=3)
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    whole = everything(space)
    tally = answer["tally"]
    assert tally == whole["tally"]
    assert tally["rows"] == len(whole["values"]) == space.count()
    assert tally["rejected"] == {}
    assert tally["outside"] == len(whole["outside"])
    width, counts = tally["histogram"]["width"], tally["histogram"]["counts"]
    assert math.log2(width).is_integer()
    assert len(counts) <= 512
    assert counts == Counter(str(math.floor(value / width)) for value in whole["values"])
    held = defaultdict(list)
    for formula, value in zip(whole["formulas"], whole["values"], strict=True):
        for symbol in Composition(formula).get_el_amt_dict():
            held[symbol].append(value)
    assert tally["elements"] == {
        symbol: [len(values), pytest.approx(sum(values))] for symbol, values in held.items()
    }


@pytest.mark.parametrize("order", ["lowest", "highest"])
def test_a_top_is_the_first_of_all_in_order_and_does_not_depend_on_the_parts(worker, order):
    space = SPACES["ratios"]
    whole = everything(space)
    sign = 1 if order == "lowest" else -1
    ranked = sorted(zip(whole["values"], whole["formulas"], strict=True),
                    key=lambda row: (sign * row[0], row[1]))  # fmt: skip
    for n in (1, 7, 100, 39_000):
        answer = everything(space, top=n, order=order)
        assert list(zip(answer["values"], answer["formulas"], strict=True)) == ranked[:n]


def test_a_range_is_what_lies_in_it(worker):
    space = SPACES["ratios"]
    whole = everything(space)
    middle = float(np.median(whole["values"]))
    for keep, fits in (("below", float.__lt__), ("above", float.__gt__)):
        answer = everything(space, **{keep: middle})
        rows = zip(whole["formulas"], whole["values"], strict=True)
        expected = [(formula, value) for formula, value in rows if fits(value, middle)]
        assert list(zip(answer["formulas"], answer["values"], strict=True)) == expected
        assert answer["tally"] == whole["tally"]


def test_parts_asked_for_one_by_one_give_what_they_give_together(worker):
    space = Space.ratios(
        ["Li", "Na", "K", "Mg", "Fe", "Mn", "P", "O"], max_atoms=12, max_elements=5
    )
    assert space.parts > 2
    together = screen_space(space.as_json(), [0, 1, 2], keep={"below": -2.0})
    alone = [screen_space(space.as_json(), [part], keep={"below": -2.0}) for part in range(3)]
    assert together["formulas"] == [f for answer in alone for f in answer["formulas"]]
    assert together["values"] == [v for answer in alone for v in answer["values"]]
    assert together["tally"]["rows"] == sum(answer["tally"]["rows"] for answer in alone)


def test_more_than_an_answer_carries_is_refused_and_one_part_never_is(worker):
    space = Space.ratios(
        ["Li", "Na", "K", "Mg", "Fe", "Mn", "P", "O"], max_atoms=12, max_elements=5
    )
    with pytest.raises(RuntimeError, match=r"\[too-many-kept\] .*fewer parts"):
        screen_space(space.as_json(), [0, 1, 2], keep={"all": True})
    answer = screen_space(space.as_json(), [1], keep={"all": True})
    assert len(answer["formulas"]) == answer["tally"]["rows"] <= MOST
    assert len(json.dumps(answer)) < 10 * 2**20


def test_no_parts_give_an_empty_answer(worker):
    answer = screen_space(SPACES["series"].as_json(), [], keep={"top": 5})
    assert answer["formulas"] == answer["values"] == []
    assert answer["tally"]["rows"] == 0
    assert answer["unit"] == "eV/atom"


@pytest.mark.parametrize(
    ("space", "parts", "keep", "sentence"),
    [
        ({}, [0], {"top": 1}, r"\[bad-space\] .*Space\.as_json"),
        (["A2BX4"], [0], {"top": 1}, r"\[bad-space\]"),
        (None, [1], {"top": 1}, r"\[bad-part\] .*parts 0 to 0, not 1"),
        (None, [-1], {"top": 1}, r"\[bad-part\]"),
        (None, ["0"], {"top": 1}, r"\[bad-part\]"),
        (None, [0], {"top": 0}, r"\[bad-keep\].*at most 40,000"),
        (None, [0], {"top": True}, r"\[bad-keep\]"),
        (None, [0], {"top": 3, "order": "best"}, r"\[bad-keep\]"),
        (None, [0], {"top": 3, "below": 1.0}, r"\[bad-keep\]"),
        (None, [0], {"below": float("nan")}, r"\[bad-keep\]"),
        (None, [0], {"best": 3}, r"\[bad-keep\]"),
        (None, [0], {}, r"\[bad-keep\]"),
        (None, [0], "all", r"\[bad-keep\]"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(worker, space, parts, keep, sentence):
    whole = SPACES["template"].as_json() if space is None else space
    with pytest.raises(ValueError, match=sentence):
        screen_space(whole, parts, keep=keep)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), divisor=st.sampled_from([1, 2, 4, 8, 10, 20, 1000]))
def test_any_candidate_is_written_so_that_it_is_read_as_what_it_is(worker, data, divisor):
    """Also where decimals could be an adduct's count: Cu1.5H2O."""
    symbols = list(elements())[:100]
    rows = data.draw(
        st.lists(
            st.dictionaries(
                st.integers(0, 99), st.integers(1, 3 * divisor), min_size=1, max_size=5
            ),
            min_size=1,
            max_size=40,
        )
    )
    places, amounts = np.full((len(rows), 5), -1), np.zeros((len(rows), 5), int)
    for row, terms in enumerate(rows):
        places[row, : len(terms)] = sorted(terms)
        amounts[row, : len(terms)] = [terms[place] for place in sorted(terms)]
    written = texts(symbols, places, amounts, np.full(len(rows), divisor))
    parser = models.load("Matminer Featurizer", "Production").model.parser
    for row, (text, terms) in enumerate(zip(written, rows, strict=True)):
        groups, rejected = parser.parse([text])
        if "IV" in text or "II" in text:
            continue  # no candidate: V comes before I, and I once
        assert rejected == {}, text
        (group,) = groups
        assert group.amounts[:, 0].tolist() == (amounts[row, : len(terms)] / divisor).tolist()
        numbers = [elements()[symbols[place]]["number"] for place in sorted(terms)]
        assert group.numbers[:, 0].tolist() == numbers


#: A quotient of the smallest floats of all would be zero.
VALUES = st.floats(-1e6, 1e6, allow_subnormal=False)


@settings(deadline=None)
@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=50), min_size=1, max_size=5),
)
def test_a_histogram_counts_every_value_in_few_bins_of_a_power_of_two(batches):
    tally = Tally()
    for values in batches:
        tally.add(np.zeros((len(values), 1), int), np.array(values), {}, 0)
    histogram = tally.as_json(["O"])["histogram"]
    width = histogram["width"]
    assert math.frexp(width)[0] == 0.5
    places = [int(place) for place in histogram["counts"]]
    assert max(places) - min(places) < 512
    every = [value for values in batches for value in values]
    assert sum(histogram["counts"].values()) == len(every)
    for place, count in histogram["counts"].items():
        assert count == sum(math.floor(value / width) == int(place) for value in every)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([-1.5, 0.0, 0.25, 2.0]), max_size=30), min_size=1, max_size=6
    ),
    st.integers(1, 20),
    st.sampled_from(["lowest", "highest"]),
)
def test_of_equal_values_the_formula_decides_however_they_come(batches, top, order):
    def name(rows):
        return [f"X{place}" for place in rows.places[:, 0].tolist()]

    kept, every = Kept({"top": top, "order": order}, name), []
    for values in batches:
        places = np.arange(len(every), len(every) + len(values))[:, None]
        kept.add(
            Rows(places, np.ones_like(places), np.ones(len(values), int)),
            np.column_stack([values, np.zeros(len(values))]),
        )
        every += zip(values, (f"X{place}" for place in places[:, 0]), strict=True)
    _, numbers, names = kept.answer()
    sign = 1 if order == "lowest" else -1
    ranked = sorted(every, key=lambda row: (sign * row[0], row[1]))[:top]
    assert list(zip(numbers[:, 0].tolist(), names, strict=True)) == ranked
