"""Cutting a list into tasks: nothing lost, nothing too heavy, nothing out of order."""

import json

from globus_compute_sdk.serialize import ComputeSerializer, JSONData
from hypothesis import given
from hypothesis import strategies as st

from matminer_compute.client.shards import cut, not_text, wire_bytes

rows = st.lists(st.one_of(st.text(max_size=60), st.none(), st.integers()), max_size=60)


@given(rows, st.integers(1, 10), st.integers(400, 2_000))
def test_every_text_travels_once_in_order_within_the_limits(formulas, most_rows, most_bytes):
    shards = list(cut(formulas, most_rows, most_bytes))
    sent = [
        (row, text)
        for shard in shards
        for row, text in zip(shard.rows, shard.formulas, strict=True)
    ]
    assert sent == [(row, f) for row, f in enumerate(formulas) if isinstance(f, str)]
    for shard in shards:
        assert 1 <= len(shard) <= most_rows
        assert len(shard) == 1 or wire_bytes(shard.formulas) <= most_bytes


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_bytes_are_counted_as_they_travel(value):
    """The SDK puts its JSON into a request as text, where it is escaped once more."""
    payload = ComputeSerializer(strategy_data=JSONData()).serialize(value)
    request = json.dumps({"payload": payload})
    header = len(json.dumps({"payload": JSONData.identifier}))
    assert len(request) == header + wire_bytes(value) - len('""')


@given(rows)
def test_what_is_not_text_is_rejected_here(formulas):
    assert set(not_text(formulas)) == {
        row for row, f in enumerate(formulas) if not isinstance(f, str)
    }


def test_a_text_that_can_only_be_rejected_travels_in_part():
    (shard,) = cut(["x" * 10_000_000], 10, 10_000)
    assert len(shard.formulas[0]) == 1_001


@given(st.lists(st.text(max_size=5), min_size=2, max_size=30))
def test_halves_hold_what_the_whole_held(formulas):
    (whole,) = cut(formulas, 100, 100_000)
    left, right = whole.halves()
    assert len(left) > 0
    assert len(right) > 0
    assert left.formulas + right.formulas == whole.formulas
    assert left.rows + right.rows == whole.rows
