"""A space from a file to the best of its candidates, over the embedded endpoint's processes."""

import json

import pytest

from matminer_compute.client import BundleError, PayloadTooLarge, Space
from matminer_compute.client.calls import Calls
from matminer_compute.client.driver import Driver
from matminer_compute.functions import predict_composition, screen_space
from matminer_compute.registration import Bundle, register

SPACE = """
kind = "ratios"
elements = ["Li", "Na", "Mg", "Fe", "Mn", "Ti", "P", "S"]
required = ["O"]
max_atoms = 13
max_elements = 5
neutral = {states = "all", electronegativity = true}
"""


@pytest.fixture
def space(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    return Space.load(tmp_path / "space.toml")


@pytest.fixture
def calls(endpoint):
    return Calls(endpoint, {"screen_space": endpoint.register_function(screen_space)}, None)


def screened(calls, space, parts, **keep):
    driver, said = Driver(), []
    step = calls.call("screen_space", [space.as_json(), parts], {"keep": keep})
    driver.start(step, lambda result, error: said.append((result, error)))
    while not said:
        driver.turn()
    [(result, error)] = said
    if error is not None:
        raise error
    return result


def test_tasks_over_parts_find_what_predicting_every_formula_finds(
    calls, space, registry, monkeypatch, tmp_path
):
    assert space.parts > 2
    answers = [screened(calls, space, [part], top=20) for part in range(space.parts)]
    assert sum(answer["tally"]["rows"] for answer in answers) == space.count()
    best = sorted(
        (value, formula)
        for answer in answers
        for value, formula in zip(answer["values"], answer["formulas"], strict=True)
    )[:20]
    formulas = list(space)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    predicted = predict_composition(formulas)
    assert best == sorted(zip(predicted["values"], formulas, strict=True))[:20]
    assert answers[0]["model"] == predicted["model"]


def test_an_answer_that_would_be_too_large_is_met_as_one_so_that_fewer_parts_are_asked(
    calls, space
):
    with pytest.raises(PayloadTooLarge, match="ask for fewer parts at once"):
        screened(calls, space, list(range(space.parts)), all=True)
    one = screened(calls, space, [0], all=True)
    assert 0 < len(one["formulas"]) == one["tally"]["rows"]


def test_a_bundle_made_before_there_were_spaces_still_loads_and_says_what_it_lacks(
    endpoint, tmp_path
):
    register(endpoint, tmp_path / "bundle.json")
    old = json.loads((tmp_path / "bundle.json").read_text())
    del old["functions"]["screen_space"]
    (tmp_path / "bundle.json").write_text(json.dumps(old))
    bundle = Bundle.load(tmp_path / "bundle.json")
    assert bundle.function_id("predict_composition")
    with pytest.raises(BundleError, match="no function 'screen_space'; register again"):
        bundle.function_id("screen_space")
