"""What an answer claims of itself: an interval, and what it was trained on."""

import numpy as np
import pytest

from matminer_compute.client import CompositionClient, IntervalMissing, Space
from matminer_compute.model import load_data

ROWS = 300  # what the shared registry's model is trained on


@pytest.fixture(scope="module")
def taught():
    """Value by formula, of what the model was trained on."""
    frame = load_data().take(ROWS).frame
    return dict(zip(frame["formula"], frame["target"], strict=True))


@pytest.fixture(scope="module")
def unseen(taught):
    """Formulas and values that it was not trained on."""
    frame = load_data().take(2 * ROWS).frame
    frame = frame[~frame["formula"].isin(list(taught))]
    return frame["formula"].tolist(), frame["target"].to_numpy()


def ask(endpoint, formulas, **which):
    with CompositionClient(endpoint=endpoint, **which) as client:
        return client.predict(formulas)


def test_an_interval_holds_as_often_as_it_says(endpoint, unseen):
    formulas, known = unseen
    widths = []
    for level in (0.5, 0.8, 0.9, 0.95):
        result = ask(endpoint, formulas, interval=level)
        assert result.interval == level
        has_one = ~np.isnan(result.lower)
        assert has_one.sum() == len(formulas) - len(result.outside)
        inside = ((result.lower <= known) & (known <= result.upper))[has_one]
        assert abs(inside.mean() - level) < 0.1  # 300 rows to learn from, 300 to judge by
        widths.append(np.nanmean(result.upper - result.lower))
    assert widths == sorted(widths)


def test_both_chains_give_the_same_intervals(endpoint):
    formulas = ["NaCl", "Fe203", "not a formula", "Fe2O3"]
    one, two = (ask(endpoint, formulas, chain=c, interval=0.8) for c in ("endpoint", "client"))
    assert one.to_dict()["predictions"] == two.to_dict()["predictions"]
    assert (one.interval, two.interval) == (0.8, 0.8)


@pytest.mark.parametrize("chain", ["endpoint", "client"])
def test_a_level_that_was_not_learned_is_refused(endpoint, chain):
    with pytest.raises(IntervalMissing, match=r"level 0\.7; it has 0\.5, 0\.8, 0\.9, 0\.95"):
        ask(endpoint, ["NaCl"], chain=chain, interval=0.7)


@pytest.mark.parametrize("level", [0, 1, 90, float("nan")])
def test_what_is_no_level_is_refused_before_anything_is_sent(endpoint, level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        CompositionClient(endpoint=endpoint, interval=level)


def test_what_was_trained_on_is_said_however_it_is_written(endpoint, taught):
    (formula, value), *_ = [pair for pair in taught.items() if pair[0].isalnum()]
    twice = f"({formula})2"
    result = ask(endpoint, [formula, "Na3Cl7", twice, "not a formula"])
    assert result.in_training == {0: value, 2: value}
    assert result[2].in_training == value
    assert [row.get("in_training") for row in result.to_dict()["predictions"]] == [
        value, None, value, None,
    ]  # fmt: skip


def test_a_screening_has_what_predict_has(endpoint, taught, tmp_path):
    formulas = [*list(taught)[:20], "Fe203", "not a formula", "Na3Cl7"]
    (tmp_path / "in.txt").write_text("\n".join(formulas))
    with CompositionClient(endpoint=endpoint, interval=0.8) as client:
        client.screen(tmp_path / "in.txt", tmp_path / "out.parquet", progress=False)
        same = client.predict(formulas)
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for row, found in zip(same, table, strict=True):
        for name in ("std", "lower", "upper", "in_training", "outside", "rejected"):
            assert found[name] == getattr(row, name), (row.formula, name)


def test_a_screened_space_has_what_predict_has(endpoint, tmp_path):
    space = Space.template("AX", A=["Na", "K", "Te"], X=["Cl", "Br", "F"])
    with CompositionClient(endpoint=endpoint, interval=0.5) as client:
        client.screen(space, tmp_path / "out.parquet", top=9, progress=False)
        from pyarrow import parquet

        table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
        same = client.predict([row["formula"] for row in table])
    for row, found in zip(same, table, strict=True):
        for name in ("lower", "upper", "in_training", "outside"):
            assert found[name] == getattr(row, name), (row.formula, name)
