"""``enumerate`` as a person or a pipe meets it, and docs/spaces.md as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from matminer_compute.cli import main

COMMAND = [sys.executable, "-m", "matminer_compute.cli"]
DOCS = Path(__file__).parents[2] / "docs" / "spaces.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
SPACES = [text for language, text in BLOCKS if language == "toml"]
SESSIONS = [text for language, text in BLOCKS if language == "console"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in SPACES:
        (tmp_path / text.split()[1]).write_text(text)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_the_documentation_shows_all_four_kinds():
    kinds = {re.search(r'kind = "(\w+)"', text)[1] for text in SPACES}
    assert kinds == {"template", "ratios", "substitute", "series"}
    assert len(SESSIONS) == len(SPACES)


@pytest.mark.parametrize("session", SESSIONS)
def test_what_the_documentation_shows_is_what_is_printed(run, session):
    command, _, shown = session.partition("\n")
    done = run(*command.removeprefix("$ matminer-compute ").split())
    assert done.exit_code == 0, done.stderr
    assert done.stdout == shown
    assert done.stderr == ""


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_the_code_of_the_documentation_prints_what_it_says(code, capsys):
    exec(compile(code, str(DOCS), "exec"), {})
    shown = re.findall(r"# (.*)", code)
    assert capsys.readouterr().out.splitlines() == shown


def test_the_count_is_how_many_lines_there_are(run):
    lines = run("enumerate", "battery.toml").stdout.splitlines()
    assert len(lines) == len(set(lines)) == int(run("enumerate", "battery.toml", "--count").stdout)


def test_a_space_at_fault_is_one_sentence_and_the_exit_code_1(run):
    Path("bad.toml").write_text('kind = "ratios"\nelements = ["Li", "Oo"]\nmax_atoms = 4\n')
    done = run("enumerate", "bad.toml")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: bad.toml: elements: 'Oo' is not an element; write")
    assert done.stderr.count("\n") == 1


def test_what_could_not_be_left_out_is_said_beside_the_results(run):
    Path("known.toml").write_text(
        'kind = "ratios"\nelements = ["Na", "Cl"]\nmax_atoms = 2\nknown = ["Na+", "NaCl"]\n'
    )
    done = run("enumerate", "known.toml")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "'Na+' cannot be read" in done.stderr


def test_whoever_reads_only_the_first_lines_does_not_wait_for_the_rest(tmp_path):
    """There are thousands of millions of them."""
    symbols = (
        "Li Na K Mg Ca Sr Ba Ti Zr Hf V Nb Ta Cr Mo W Mn Fe Co Ni Cu Zn Al Ga In Si Ge Sn P As"
    )
    elements = ", ".join(f'"{symbol}"' for symbol in symbols.split())
    (tmp_path / "large.toml").write_text(
        f'kind = "ratios"\nelements = [{elements}]\nrequired = ["O"]\nmax_atoms = 20\n'
        "max_elements = 6\n"
    )
    with subprocess.Popen(
        [*COMMAND, "enumerate", "large.toml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().endswith("O\n")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)
