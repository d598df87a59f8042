"""A space screened: candidates made on the workers are as good as a file of them."""

import numpy as np
import pytest
from screening import VALUE, beside, rows_of

from matminer_compute.client import BundleError, CompositionClient, EndpointUnavailable, Space
from matminer_compute.client.spaces import space as spaces


@pytest.fixture
def space(monkeypatch):
    """Some hundreds of candidates, in many parts."""
    monkeypatch.setattr(spaces, "PART", 40)
    made = Space.ratios(["Li", "Fe", "P", "O"], max_atoms=9, max_elements=4)
    assert made.parts > 10
    return made


def test_all_of_a_space_is_what_predict_says_of_its_formulas(client, space, tmp_path):
    found = client.screen(space, tmp_path / "all.csv")
    same = client.predict(list(space))
    rows = rows_of(tmp_path / "all.csv")
    assert [row["formula"] for row in rows] == list(same.formulas)
    np.testing.assert_array_equal([float(row[VALUE]) for row in rows], same.values)
    np.testing.assert_array_equal([float(row["std"]) for row in rows], same.std)
    assert {n: row["outside"] for n, row in enumerate(rows) if row["outside"]} == same.outside
    assert found.rows == found.kept == found.tally.rows == space.count()
    assert found.tally.outside == len(same.outside)
    assert found.lowest[0].value == same.values.min()
    assert found.highest[0].value == same.values.max()
    holding = [value for f, value in zip(same.formulas, same.values, strict=True) if "Fe" in f]
    count, total = found.tally.elements["Fe"]
    assert count == len(holding)
    assert total == pytest.approx(sum(holding))


def test_what_is_kept_is_the_best_of_all_parts(client, space, tmp_path):
    values = np.sort(client.predict(list(space)).values)
    for name, keep, wanted in [
        ("lowest", {"top": 7}, values[:7]),
        ("highest", {"top": 7, "order": "highest"}, values[::-1][:7]),
        ("below", {"below": float(values[9])}, values[values < values[9]]),
        ("of two", {"top": 3, "above": float(values[5])}, values[values > values[5]][:3]),
    ]:
        found = client.screen(space, tmp_path / f"{name}.csv", **keep)
        kept = [float(row[VALUE]) for row in rows_of(tmp_path / f"{name}.csv")]
        assert sorted(kept) == sorted(wanted.tolist())
        assert found.tally.rows == len(values)
        # What is not kept on the workers is not known here, and so not said.
        assert bool(found.lowest) == (name in ("lowest", "below"))
        assert bool(found.highest) == (name == "highest")
    with pytest.raises(ValueError, match="at most 40,000"):
        client.screen(space, tmp_path / "many.csv", top=50_000)
    assert client.screen(space, tmp_path / "many.csv", top=5).kept == 5  # nothing is in its way


class DiesOnce:
    """An endpoint that is gone after some tasks, and back for the next client."""

    def __init__(self, endpoint, tasks):
        self.endpoint, self.left, self.workers = endpoint, tasks, endpoint.workers

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        self.left -= 1
        if self.left < 0:
            raise EndpointUnavailable("gone")
        return self.endpoint.submit_to_registered_function(function_id, args, kwargs)


def test_a_space_goes_on_too_and_counts_nothing_twice(client, endpoint, space, tmp_path):
    once = client.screen(space, tmp_path / "once.csv", top=20)
    output = tmp_path / "out.csv"
    with (
        CompositionClient(endpoint=DiesOnce(endpoint, 9)) as unlucky,
        pytest.raises(EndpointUnavailable),
    ):
        unlucky.screen(space, output, top=20)
    assert "out.csv.ledger" in beside(output)
    found = client.screen(space, output, top=20)
    assert output.read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert found.tally.rows == once.tally.rows
    assert found.tally.histogram == once.tally.histogram


def test_an_older_bundle_says_what_it_lacks(endpoint, space, tmp_path):
    client = CompositionClient(endpoint=endpoint)
    for calls in client._calls:
        del calls.function_ids["screen_space"]
    with client, pytest.raises(BundleError, match="lacks screen_space: ask its publisher"):
        client.screen(space, tmp_path / "out.csv")
