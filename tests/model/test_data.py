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


@pytest.mark.parametrize(
    "names",
    [
        {"unit": "kJ/mol"},
        {"property_name": "energy"},
        {"target_column": "gap"},
        {"formula_column": "compound"},
    ],
)
def test_the_bundled_set_is_what_it_is(names):
    option = "--" + next(iter(names)).replace("_", "-")
    with pytest.raises(TrainingError, match=f"{option} would change what the bundled set is"):
        load_data(**names)


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its first row is empty"),
        (b"formula,gap\nNaCl,1\n".decode().encode("utf-16"), "UTF-16; save it as CSV in UTF-8"),
        ("formula,gap\nCuSO4·5H2O,1\n".encode("latin-1"), "line 2 .*Latin-1; .*iconv -f LATIN1"),
        (b'formula,gap\n"a,1\n', "unexpected end of data"),
    ],
)
def test_what_is_not_a_csv_is_said_so(tmp_path, content, said):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=f"cannot be read as a CSV file: .*{said}"):
        load_data(str(path))


def test_a_workbook_is_not_a_csv(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(TrainingError, match="is a workbook"):
        load_data(str(path))


def test_a_cut_gzip_is_said_to_be_cut(csv, tmp_path):
    whole = gzip.compress(Path(csv()).read_bytes())
    for content in (whole[: len(whole) // 2], whole[:-4] + b"abcd"):
        path = tmp_path / "own.csv.gz"
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="is cut off or damaged"):
            load_data(str(path))


def test_a_cell_more_than_the_header_does_not_shift_the_columns(csv):
    with pytest.raises(TrainingError, match=r"row 9: it has 3 cells, the header 2"):
        load_data(csv({9: "NaCl,1,5"}))
    everywhere = csv({row: f"x,NaCl{row},{row}" for row in range(2, 62)})
    with pytest.raises(TrainingError, match=r"60 rows cannot be used(.|\n)*and 40 more"):
        load_data(everywhere)
    assert len(load_data(csv({9: "NaCl,1.5,,"})).frame) == 60  # empty cells are nobody's


def test_headers_in_another_case_and_none_at_all(csv):
    data = load_data(csv(header="Formula,Gap"))
    assert data.property_name == "Gap"
    with pytest.raises(TrainingError, match=r"has no header: row 1 is 'NaCl', '1\.0'"):
        load_data(csv(header="NaCl,1.0"))


def test_semicolons_and_tabs(csv):
    for mark in ";\t":
        path = Path(csv())
        path.write_text(path.read_text().replace(",", mark))
        assert load_data(str(path)).target[-1] == 6.0


def test_all_bad_rows_are_named_at_once(csv):
    path = csv({5: "NaCl,much", 9: ",1", 30: "NaCl,1e300", 31: "NaCl,1_0"})
    with pytest.raises(TrainingError) as caught:
        load_data(path)
    assert str(caught.value).splitlines() == [
        f"{path}: 4 rows cannot be used:",
        "  row 5: gap is 'much', which is not a finite number",
        "  row 9: the formula is empty",
        "  row 30: gap is '1e300', beyond 1e+100: no unit makes that sensible",
        "  row 31: gap is '1_0', which is not a finite number",
        "Fix them, or leave them out with --skip-bad-rows.",
    ]
    bad = {}
    assert len(load_data(path, bad_rows=bad).frame) == 56
    assert sorted(bad) == [5, 9, 30, 31]


def test_a_target_that_says_nothing(csv):
    constant = csv({row: f"NaCl{row},2.5" for row in range(2, 62)})
    with pytest.raises(TrainingError, match=r"gap is 2\.5 in every row"):
        load_data(constant)
    tiny = csv({row: f"NaCl{row},{row}e-200" for row in range(2, 62)})
    with pytest.raises(TrainingError, match="another unit"):
        load_data(tiny)


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
