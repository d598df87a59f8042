"""``screen`` as it is typed."""

import csv
import json
import re
import sys

import pyarrow.parquet as pq
import pytest
from terminal import on_terminal

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


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        (("--top", "2", "--order", "highest"), "The highest: "),
        (("--above", "-1.5"), "The first that are kept: "),
        ((), "The lowest: "),
    ],
)
def test_the_table_shows_rows_that_are_kept_and_says_which(registry, tmp_path, asked, title):
    formulas = ["NaCl", "GaAs", "MgO", "Fe2O3", "InSb", "rust"]
    (tmp_path / "in.txt").write_text("\n".join(formulas))
    screen = [sys.executable, "-m", "matminer_compute.cli", "screen"]
    code, seen = on_terminal(
        *screen,
        str(tmp_path / "in.txt"),
        "-o",
        str(tmp_path / "out.csv"),
        *asked,
        columns=120,
        MLFLOW_TRACKING_URI=registry.uri,
    )
    assert code == 0, seen
    kept = rows_of(tmp_path / "out.csv")
    if not asked:
        kept = sorted(kept[:5], key=lambda row: float(row["formation_energy_per_atom (eV/atom)"]))
    assert title in seen
    assert re.findall(r"^│ (\w+)", seen, re.MULTILINE) == [row["formula"] for row in kept]
    at_last = seen.partition(title)[0].rpartition("Screening")[2]
    assert "100%" in at_last
    assert "tasks under way" not in at_last
    for nothing in ("embedded 0", "rejected: 0", "sent again: 0", " 0 a second"):
        assert nothing not in seen


def test_a_file_of_which_no_row_can_be_used_is_a_failure(run, tmp_path):
    (tmp_path / "in.csv").write_text("formula,k\nrust,1\nNaCl\n")
    done = run("screen", "in.csv", "-o", "out.csv", "--json")
    assert done.exit_code == 1
    assert "None of the formulas could be used" in done.stderr
    found = json.loads(done.stdout, parse_constant=pytest.fail)
    assert [row["value"] for row in found["first"]] == [None, None]
    assert [bool(row["rejected"]) for row in rows_of(tmp_path / "out.csv")] == [True, True]
    done = run("screen", "in.csv", "-o", "out.csv")
    assert "replace it with --restart (in Python, restart=True)" in done.stderr
    (tmp_path / "one.csv").write_text("formula\nNaCl\n")
    done = run("screen", "one.csv", "-o", "out1.csv")
    assert (done.exit_code, "1 row in out1.csv" in done.stderr) == (0, True)


def test_what_cannot_be_is_said_in_a_sentence(run, tmp_path):
    (tmp_path / "in.csv").write_text("name\nNaCl\n")
    for arguments, code, sentence in [
        (("in.csv", "-o", "out.csv"), 1, "name the one that holds formulas (--column)"),
        (("in.csv", "-o", "out.xlsx"), 1, "must end in .csv"),
        (("none.csv", "-o", "out.csv"), 1, "No such file"),
        (("in.csv", "-o", "out.csv", "--above", "2", "--below", "1"), 2, "Nothing is below 1"),
        (("in.csv", "-o", "out.csv", "--above", "nan"), 2, "above: it should be a finite"),
        (("in.csv", "-o", "out.csv", "--top", "0"), 2, "not in the range"),
        (("in.csv", "-o", "out.csv", "--space", "s.toml"), 2, "SPACE.toml, not both"),
    ]:
        done = run("screen", *arguments)
        assert done.exit_code == code, done.stderr
        assert sentence in done.stderr.replace("\n", " ")
    assert [path.name for path in tmp_path.glob("out*")] == []


@pytest.mark.parametrize(
    ("output", "report", "twice"),
    [
        ("in.csv", None, "in.csv would be both the input and the output"),
        ("link.csv", None, "link.csv would be both the input and the output"),
        ("out.csv", "in.csv", "in.csv would be both the input and the report"),
        ("out.csv", "sub/../out.csv", "would be both the output and the report"),
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
