"""What a caller does with a result: rows, slices, tables, files, pictures."""

import csv
import dataclasses
import math
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot

from matminer_compute.client import (
    CompositionClient,
    Features,
    FileUnusable,
    PackageMissing,
    Predictions,
)
from matminer_compute.client.numerals import significant

FORMULAS = ["NaCl", "Fe2O3", "not a formula", "CuSO4·5H2O", "Fe203", None, "Li0.5CoO2"]


@pytest.fixture(scope="module")
def client(endpoint):
    with CompositionClient(endpoint=endpoint) as client:
        yield client


@pytest.fixture(scope="module")
def predicted(client):
    return client.predict(FORMULAS)


@pytest.fixture(scope="module")
def predictions(predicted):
    """The same by a model that has no intervals."""
    none = {"lower": None, "upper": None, "interval": None, "no_interval": "it has none"}
    return dataclasses.replace(predicted, **none)


@pytest.fixture(scope="module")
def features(client):
    return client.featurize(FORMULAS)


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    pyplot.close("all")


class Cells(HTMLParser):
    """The text of a table by rows, the tags it is made of, and its caption."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.tags, self.texts = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()
        self.texts.append(data)


def made(formulas, values, **more):
    """A result of any size, as it would come from a model."""
    values = np.asarray(values, dtype=float)
    return Predictions(
        formulas=formulas,
        values=values,
        std=np.full(len(values), 0.25),
        rejected={int(row): "no" for row in np.flatnonzero(np.isnan(values))},
        property="band_gap",
        unit="eV",
        model={"name": "Gap", "version": "4"},
        featurizer={"name": "F", "version": "2"},
        workers=[],
        **more,
    )


def with_intervals(predictions):
    bounds = {"lower": predictions.values - 0.5, "upper": predictions.values + 0.75}
    return dataclasses.replace(predictions, **bounds, interval=0.9)


def test_an_answer_has_intervals_but_where_it_is_a_guess(predicted):
    assert predicted.interval == 0.9
    for row in predicted:
        if row.rejected is None and row.outside is None:
            assert row.lower < row.value < row.upper
        else:
            assert (row.lower, row.upper) == (None, None)
    assert f"NaCl: {significant(predicted.values[0])} [" in repr(predicted)


def test_a_row_has_all_that_is_known_of_it(predictions):
    assert len(predictions) == len(list(predictions)) == len(FORMULAS)
    row = predictions[1]
    assert (row.formula, row.value, row.std) == (
        "Fe2O3",
        predictions.values[1],
        predictions.std[1],
    )
    assert (row.lower, row.upper, row.outside, row.rejected) == (None, None, None, None)
    assert "is not an element" in predictions[2].rejected
    assert math.isnan(predictions[2].value)
    assert predictions[2].std is None
    assert "203 for Fe" in predictions[4].outside
    assert predictions[-1] == predictions[np.int64(6)]
    ends = with_intervals(predictions)[1]
    assert (ends.lower, ends.upper) == (row.value - 0.5, row.value + 0.75)


@pytest.mark.parametrize("row", [7, -8])
def test_a_row_beyond_the_end_is_an_error(predictions, features, row):
    for result in (predictions, features):
        with pytest.raises(IndexError):
            result[row]


ends = st.none() | st.integers(-9, 9)


@given(ends, ends, st.none() | st.integers(-3, 3).filter(bool))
def test_a_slice_holds_the_same_rows(predictions, features, start, stop, step):
    part = slice(start, stop, step)
    whole = with_intervals(predictions)
    some = whole[part]
    assert isinstance(some, Predictions)
    assert [repr(row) for row in some] == [repr(row) for row in list(whole)[part]]
    assert (some.model, some.unit) == (whole.model, whole.unit)
    some = features[part]
    assert isinstance(some, Features)
    assert [repr(row) for row in some] == [repr(row) for row in list(features)[part]]
    reasons = [features.rejected.get(row) for row in range(len(features))]
    assert [some.rejected.get(row) for row in range(len(some))] == reasons[part]


def test_one_row_of_features_is_by_label(features):
    row = features[0]
    assert list(row) == features.labels
    assert row["0-norm"] == 2
    assert all(math.isnan(value) for value in features[2].values())


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_csv_file_has_every_digit_and_the_unit(predictions, tmp_path):
    predictions.to_csv(tmp_path / "p.csv")
    head, *rows = read(tmp_path / "p.csv")
    value = "formation_energy_per_atom (eV/atom)"
    assert head == ["formula", value, "std", "in_training", "rejected", "outside"]
    assert [row[0] for row in rows] == [formula or "" for formula in FORMULAS]
    assert [float(row[1] or "nan") for row in rows] == pytest.approx(
        predictions.values.tolist(), rel=0, abs=0, nan_ok=True
    )
    assert rows[2][1:] == ["", "", "", predictions.rejected[2], ""]
    assert rows[4][5] == predictions.outside[4]
    with_intervals(predictions).to_csv(str(tmp_path / "p.csv"))
    head, *rows = read(tmp_path / "p.csv")
    assert head[2:5] == ["std", "lower", "upper"]
    assert float(rows[0][4]) == predictions.values[0] + 0.75


def test_features_as_a_csv_file(features, tmp_path):
    features.to_csv(tmp_path / "f.csv")
    head, *rows = read(tmp_path / "f.csv")
    assert head == ["formula", *features.labels]
    assert [float(cell) for cell in rows[1][1:]] == features.matrix[1].tolist()
    assert set(rows[2][1:]) == {""}


def test_a_csv_file_that_cannot_be_written_leaves_what_was_there(predictions, tmp_path):
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(FileUnusable, match=r"p\.csv cannot be written"):
        predictions.to_csv(tmp_path / "p.csv")


def test_a_frame_has_intervals_where_there_are_any(predictions):
    value = "formation_energy_per_atom"
    assert f"{value}_lower" not in predictions.to_pandas()
    frame = with_intervals(predictions).to_pandas()
    np.testing.assert_array_equal(frame[f"{value}_upper"], predictions.values + 0.75)


def test_json_has_intervals_where_there_are_any(predictions):
    assert "lower" not in predictions.to_dict()["predictions"][0]
    rows = with_intervals(predictions).to_dict()["predictions"]
    assert rows[0]["lower"] == predictions.values[0] - 0.5
    assert set(rows[2]) == {"formula", "rejected"}


def test_a_notebook_shows_values_spreads_and_reasons(predictions):
    shown = Cells(predictions._repr_html_())
    assert "Matminer version 1: 7 formulas, 2 rejected" in shown.texts[0]
    head, *rows = shown.rows
    assert head[1:4] == ["formula", "formation_energy_per_atom (eV/atom)", "std (eV/atom)"]
    assert [row[1] for row in rows] == [str(formula) for formula in FORMULAS]
    assert float(rows[0][2]) == pytest.approx(predictions.values[0], rel=1e-4)
    assert rows[2][4].startswith("rejected: ")
    assert rows[4][4].startswith("outside the training data: ")
    rows = Cells(with_intervals(predictions)._repr_html_()).rows
    assert rows[0][4] == "90% interval (eV/atom)"
    assert " to " in rows[1][4]
    assert {len(row) for row in rows} == {6}


def test_a_notebook_shows_the_ends_of_a_long_result():
    shown = Cells(made([f"H{n}" for n in range(1, 1001)], np.arange(1000.0))._repr_html_())
    rows = shown.rows[1:]
    assert [row[1] for row in rows[:8]] == [f"H{n}" for n in range(1, 9)]
    assert rows[8][1] == "984 more"
    assert [row[1] for row in rows[9:]] == [f"H{n}" for n in range(993, 1001)]
    assert rows[-1][0] == "999"


def test_a_notebook_shows_the_ends_of_many_features(features):
    head, *rows = Cells(features._repr_html_()).rows
    assert head[1:] == ["formula", *features.labels[:4], "… 137 more", *features.labels[-4:], ""]
    assert {len(row) for row in rows} == {len(head)}
    assert rows[2][-1].startswith("rejected: ")
    few = dataclasses.replace(features, matrix=features.matrix[:, :5], labels=features.labels[:5])
    assert Cells(few[:2]._repr_html_()).rows[0][1:] == ["formula", *features.labels[:5]]


@given(st.text())
def test_foreign_text_is_text_in_a_notebook(text):
    result = made([text, "<script>alert(1)</script>"], [1.0, math.nan], outside={0: text})
    shown = Cells(result._repr_html_())
    assert shown.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    features = Features([text], np.ones((1, 1)), [text], {}, {"name": text, "version": "1"})
    assert Cells(features._repr_html_()).tags <= shown.tags


def test_a_few_values_are_drawn_in_order_with_their_names(predictions):
    axes = predictions.plot()
    names = [label.get_text() for label in axes.get_yticklabels()]
    order = np.argsort(predictions.values)[:5]
    assert names == [FORMULAS[row] for row in order]
    assert axes.get_xlabel().startswith("formation_energy_per_atom (eV/atom) ± std\n")
    inside, outside = axes.lines
    drawn = dict(zip(inside.get_ydata(), inside.get_xdata(), strict=True))
    drawn |= dict(zip(outside.get_ydata(), outside.get_xdata(), strict=True))
    assert [drawn[place] for place in range(5)] == predictions.values[order].tolist()
    assert widths(axes) == pytest.approx(
        [0 if row in predictions.outside else 2 * predictions.std[row] for row in order]
    )


def widths(axes):
    (bars,) = axes.collections
    return [float(np.diff(bar[:, 0])[0]) for bar in bars.get_segments()]


def test_a_guess_is_hollow_and_has_no_bar(predicted):
    axes = predicted.plot()
    inside, outside = axes.lines
    assert outside.get_fillstyle() == "none"
    assert list(outside.get_xdata()) == [predicted.values[4]]
    assert len(inside.get_xdata()) == 4
    assert "hollow: outside the training data" in axes.get_xlabel()
    assert "std" not in axes.get_xlabel()
    order = np.argsort(predicted.values)[:5]
    assert [width == 0 for width in widths(axes)] == [row == 4 for row in order]


def test_intervals_are_drawn_where_there_are_any(predictions):
    axes = with_intervals(predictions).plot()
    assert widths(axes) == pytest.approx([1.25] * 5)
    assert "std" not in axes.get_xlabel()


def test_many_values_are_drawn_as_a_histogram_on_the_axes_given():
    figure, axes = pyplot.subplots()
    values = np.random.default_rng(1).normal(size=5000)
    result = made(["NaCl"] * 5000, [*values[:-1], math.nan])
    assert result.plot(axes) is axes
    assert sum(bar.get_height() for bar in axes.patches) == 4999
    assert axes.get_xlabel() == "band_gap (eV)"
    figure.canvas.draw()


@pytest.mark.parametrize("formulas", [[], ["$\\frac{$", "Fe_2^3$O$", "x" * 2000, "\ud800\n"]])
def test_whatever_a_formula_is_it_can_be_drawn(formulas, tmp_path):
    axes = made(formulas, np.arange(float(len(formulas)))).plot()
    axes.figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_what_is_not_installed_is_a_sentence(predictions, monkeypatch):
    for package in ("matplotlib", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageMissing, match=r"needs matplotlib, .* 'matminer-compute\[screen\]'"):
        predictions.plot()
    with pytest.raises(PackageMissing, match="needs pandas"):
        predictions.to_pandas()
