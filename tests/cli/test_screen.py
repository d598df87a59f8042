"""``screen`` as it is typed."""

import csv
import json

import pyarrow.parquet as pq
import pytest

SPACE = 'kind = "template"\nformula = "AO"\n[sites]\nA = ["Mg", "Ca"]\n'


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_file_becomes_a_file_and_a_summary(run, tmp_path):
    (tmp_path / "in.csv").write_text("formula,id\nNaCl,1\nFe2O3,2\nnot a formula,3\nNaN,4\n")
    done = run("screen", "in.csv", "-o", "out.csv", "--report", "found.html")
    assert done.exit_code == 0, done.stderr
    rows = rows_of(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    answer = json.loads(run("predict", "NaCl", "--json").stdout)["predictions"][0]
    assert float(rows[0]["formation_energy_per_atom (eV/atom)"]) == answer["value"]
    lowest = [line.split("\t")[0] for line in done.stdout.splitlines()[1:]]
    assert sorted(lowest) == ["Fe2O3", "NaCl", "NaN"]
    for said in ("4 rows in", "Matminer version 1", "rejected: 1", "4 rows in out.csv"):
        assert said in done.stderr
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "Fe<sub>2</sub>O<sub>3</sub>" in page
    assert "rejected" in page


def test_standard_input_becomes_the_best_of_it(run, tmp_path):
    lines = "formula\nNaCl\nFe2O3\nMgO\n"
    done = run("screen", "-", "-o", "best.parquet", "--top", "2", "--json", input=lines)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    table = pq.read_table(tmp_path / "best.parquet")
    assert table["formula"].to_pylist() == [row["formula"] for row in found["lowest"]][:2]
    assert (found["rows"], found["kept"], found["endpoints"]) == (3, 2, ["embedded"])
    assert found["tally"]["elements"]["O"][0] == 2


def test_what_cannot_be_is_said_in_a_sentence(run, tmp_path):
    (tmp_path / "in.csv").write_text("name\nNaCl\n")
    for arguments, code, sentence in [
        (("in.csv", "-o", "out.csv"), 1, "name the one that holds formulas (--column)"),
        (("in.csv", "-o", "out.xlsx"), 1, "must end in .csv"),
        (("none.csv", "-o", "out.csv"), 1, "No such file"),
        (("in.csv", "-o", "out.csv", "--above", "2", "--below", "1"), 2, "nothing is below 1"),
        (("in.csv", "-o", "out.csv", "--top", "0"), 2, "not in the range"),
    ]:
        done = run("screen", *arguments)
        assert done.exit_code == code, done.stderr
        assert sentence in done.stderr.replace("\n", " ")
    assert [path.name for path in tmp_path.glob("out*")] == []


@pytest.mark.parametrize(
    ("output", "report", "twice"),
    [
        ("in.csv", None, "in.csv would be the input and the output"),
        ("link.csv", None, "link.csv would be the input and the output"),
        ("out.csv", "in.csv", "in.csv would be the input and the report"),
        ("out.csv", "sub/../out.csv", "would be the output and the report"),
        ("out.csv", "out.csv.part", "the report and a file that is kept beside the output"),
        ("in.failed.csv", "in.failed.failed.csv", "the report and a file that is kept beside"),
    ],
)
def test_no_file_is_written_over_another(run, tmp_path, output, report, twice):
    (tmp_path / "sub").mkdir()
    (tmp_path / "in.csv").write_text("formula\nNaCl\n")
    (tmp_path / "link.csv").symlink_to("in.csv")
    before = sorted(path.name for path in tmp_path.iterdir())
    reporting = ("--report", report) if report else ()
    done = run("screen", "in.csv", "-o", output, *reporting, "--restart")
    assert done.exit_code == 1
    assert twice in done.stderr.replace("\n", " ")
    assert (tmp_path / "in.csv").read_text() == "formula\nNaCl\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_space_is_not_replaced_by_its_report(run, tmp_path):
    (tmp_path / "s.toml").write_text(SPACE)
    done = run("screen", "--space", "s.toml", "-o", "out.csv", "--report", "s.toml")
    assert (done.exit_code, (tmp_path / "s.toml").read_text()) == (2, SPACE)
    assert "--report" in done.stderr
