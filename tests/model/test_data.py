"""Training rows: what is accepted, and how each mistake is named."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matminer_compute.errors import TrainingError
from matminer_compute.model.matminer_data import one_row_per_composition
from matminer_compute.model.training_data import MINIMUM_ROWS, load_data


@pytest.fixture
def csv(tmp_path):
    """Write a CSV of 60 good rows, with the lines (by spreadsheet row) replaced as asked."""

    def write(replaced=None, header="formula,gap", name="own.csv", rows=60):
        lines = [header] + [f"NaCl{i},{i / 10}" for i in range(1, rows + 1)]
        for row, text in (replaced or {}).items():
            lines[row - 1] = text
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write


def test_bundled_rows_are_the_published_ones():
    data = load_data()
    assert len(data.frame) == 89_866
    assert data.frame["formula"].is_unique
    assert (data.property_name, data.unit) == ("formation_energy_per_atom", "eV/atom")
    assert "CC BY 4.0" in data.attribution
    assert "matbench_mp_e_form" in data.attribution
    assert np.isfinite(data.target).all()
    assert not data.is_users_own


def test_sodium_nitride_is_not_a_missing_value():
    frame = load_data("bundled").frame
    assert frame.loc[frame["formula"] == "NaN", "target"].tolist() == [-0.085869]


def test_rows_are_a_fixed_shuffle_whose_shorter_is_a_prefix_of_the_longer():
    data = load_data()
    few, more = data.take(100), data.take(400)
    assert few.formulas == more.formulas[:100]
    assert few.formulas == load_data().take(100).formulas
    assert few.formulas != data.formulas[:100]
    assert few.digest == load_data().take(100).digest
    assert few.digest != more.digest
    assert data.take(0) is data
    assert len(data.take(10**6).frame) == len(data.frame)


def test_row_numbers_survive_the_shuffle():
    data = load_data()
    few = data.take(60)
    lines = gzip.decompress(Path(data.source).read_bytes()).decode().splitlines()
    for row, formula in few.frame["formula"].items():
        assert lines[row - 1].split(",")[0] == formula


def test_held_out_formulas_are_left_out():
    data = load_data()
    less = data.without(["NaCl", "Fe2O3", "no such row"])
    assert len(less.frame) == len(data.frame) - 2
    assert not {"NaCl", "Fe2O3"} & set(less.formulas)
    assert data.without([]) is data


def test_own_csv(csv):
    data = load_data(csv(), unit="eV")
    assert (data.property_name, data.unit, data.attribution) == ("gap", "eV", "")
    assert data.is_users_own
    assert data.formulas[0] == "NaCl1"
    assert list(data.frame.index) == list(range(2, 62))
    np.testing.assert_array_equal(data.target, np.arange(1, 61) / 10)


def test_own_csv_with_other_column_names(csv):
    path = csv({row: f"x,NaCl{row},{row}" for row in range(2, 62)}, header="note,compound,Tc")
    with pytest.raises(TrainingError, match="has no column 'formula'"):
        load_data(path, target_column="Tc")
    with pytest.raises(TrainingError, match=r"name the one to learn.*'note', 'Tc'"):
        load_data(path, formula_column="compound")
    data = load_data(
        path, formula_column="compound", target_column="Tc", property_name="critical_temperature"
    )
    assert data.property_name == "critical_temperature"
    assert data.unit == "unit not stated"
    assert data.target[0] == 2


@pytest.mark.parametrize(
    ("row", "text", "said"),
    [
        (7, "NaCl,much", r"row 7: gap is 'much', which is not a finite number\n"),
        (2, "NaCl,", r"row 2: gap is ''"),
        (61, "NaCl,inf", r"row 61: gap is 'inf'"),
        (30, "NaCl,nan", r"row 30: gap is 'nan'"),
        (9, ",1.0", r"row 9: the formula is empty"),
        (9, "  ,1.0", r"row 9: the formula is empty"),
    ],
)
def test_a_bad_row_is_named_as_a_spreadsheet_numbers_it(csv, row, text, said):
    with pytest.raises(TrainingError, match=said):
        load_data(csv({row: text}))


def test_blank_lines_do_not_shift_the_numbering(csv):
    data = load_data(csv({5: "", 6: ","}))
    assert len(data.frame) == 58
    assert data.frame.index[3] == 7
    with pytest.raises(TrainingError, match=r"2 rows cannot be used:\n  row 20: .*\n  row 21: "):
        load_data(csv({5: "", 20: "NaCl,x", 21: "NaCl,y"}))


def test_byte_order_mark_and_gzip(csv, tmp_path):
    text = Path(csv()).read_text()
    path = tmp_path / "excel.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8-sig") as file:
        file.write(text)
    assert len(load_data(str(path)).frame) == 60


def test_too_few_rows(csv):
    with pytest.raises(TrainingError, match=f"has 49 rows; at least {MINIMUM_ROWS}"):
        load_data(csv(rows=49))
    assert len(load_data(csv(rows=50)).frame) == 50
    with pytest.raises(TrainingError, match="49 rows are too few"):
        load_data().take(49)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01\n\xb5,\xb5\n", b'formula,gap\n"a,1\n'])
def test_what_is_not_a_csv_is_said_so(tmp_path, content):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be read as a CSV file"):
        load_data(str(path))


def test_a_folder_is_not_a_csv(tmp_path):
    with pytest.raises(TrainingError, match="cannot be read as a CSV file"):
        load_data(str(tmp_path))


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(TrainingError, match=r"There is no file .*absent\.csv"):
        load_data(str(tmp_path / "absent.csv"))
    with pytest.raises(TrainingError, match="neither a file nor a data set that matminer knows"):
        load_data("no_such_set")


def test_a_matminer_set_that_cannot_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("MATMINER_DATA", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(TrainingError, match=r"'flla' is not on this machine.*MATMINER_DATA"):
        load_data("flla")


def test_duplicates_by_reduced_composition():
    frame = pd.DataFrame(
        {
            "formula": ["Fe2O3", "Fe4O6", "NaCl", "O3Fe2", "ClNa", "NaCl"],
            "target": [-1.0, -2.0, 5.0, -1.5, 1.0, 2.0],
        }
    )
    energies = one_row_per_composition(frame, "formation_energy_per_atom")
    assert dict(zip(energies["formula"], energies["target"], strict=True)) == {
        "Fe2O3": -2.0,
        "NaCl": 1.0,
    }
    gaps = one_row_per_composition(frame, "gap expt")
    assert dict(zip(gaps["formula"], gaps["target"], strict=True)) == {"Fe2O3": -1.5, "NaCl": 2.0}
    with pytest.raises(TrainingError, match=r"'Fe\(2O3' is not a formula"):
        one_row_per_composition(pd.DataFrame({"formula": ["Fe(2O3"], "target": [0.0]}), "energy")
