"""Numbers as a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matminer_compute.client.numerals import significant


@given(
    st.floats(min_value=-1e300, max_value=1e300),
    st.integers(min_value=2, max_value=9),
)
def test_a_number_is_shown_with_its_digits_whatever_its_size(value, digits):
    shown = significant(value, digits)
    assert float(shown) == pytest.approx(value, rel=0.6 * 10 ** (1 - digits), abs=0)
    assert len(shown) <= digits + 9


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-2.14793, "-2.1479"),
        (160.234, "160.23"),
        (0.0, "0.0000"),
        (2.1e-7, "2.1000e-07"),
        (123456.7, "123457"),
        (1e300, "1.0000e+300"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_look_like_this(value, shown):
    assert significant(value) == shown
