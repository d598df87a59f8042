"""Chains of functions that travel as one text."""

import inspect
import sys
import traceback

import pytest
from globus_compute_sdk.serialize import PureSourceTextInspect

from matminer_compute.functions import predict_composition
from matminer_compute.registration import chain
from matminer_compute.registration.chain import free_names

FACTOR = 3


def double(x):
    return 2 * x


def add_doubled(x, y=1):
    """Add, after doubling."""
    return double(x) + y


def nested(x):
    return add_doubled(double(x))


def fails(x):
    numbers = [x]
    return numbers[double(x)]  # this line


def needs_a_global(x):
    return FACTOR * x


def needs_nothing_that_exists(x):
    return never_defined(x)  # noqa: F821


def made_here():
    secret = 3

    def closure(x):
        return secret * x

    return closure


def travel(function):
    """Serialize and deserialize as the SDK and a worker do."""
    strategy = PureSourceTextInspect()
    return strategy.deserialize(strategy.serialize(function))


@pytest.mark.parametrize("entry", [double, add_doubled, nested])
def test_a_chain_computes_what_its_entry_does(entry):
    assert travel(chain(entry))(5) == entry(5)


def test_arguments_pass_through():
    assert travel(chain(add_doubled))(x=1, y=10) == 12


def test_the_text_that_travels_needs_nothing_else():
    for entry in (nested, predict_composition):
        assert free_names(inspect.getsource(chain(entry))) == set()


def test_the_steps_are_compiled_once_a_process():
    first, second = travel(chain(nested)), travel(chain(nested))
    first(1)
    made = [name for name in sys.modules if name.startswith("nested_")]
    second(1)
    assert [name for name in sys.modules if name.startswith("nested_")] == made
    assert len(made) == 1


def test_the_same_source_gives_the_same_text():
    assert inspect.getsource(chain(nested)) == inspect.getsource(chain(nested))


def test_a_remote_traceback_shows_the_line_that_failed():
    with pytest.raises(IndexError) as caught:
        travel(chain(fails))(1)
    assert "return numbers[double(x)]  # this line" in "".join(
        traceback.format_exception(caught.value)
    )


def test_a_person_can_read_what_was_registered():
    text = inspect.getsource(chain(add_doubled))
    assert inspect.getsource(double) in text
    assert inspect.getsource(add_doubled) in text


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (needs_a_global, "cannot travel"),
        (needs_nothing_that_exists, "never_defined"),
        (made_here(), "cannot travel"),
        (len, "cannot travel"),
    ],
)
def test_what_a_worker_could_not_run_is_refused_before_it_is_sent(entry, complaint):
    with pytest.raises(TypeError, match=complaint):
        chain(entry)
