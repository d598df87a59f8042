"""Results on a real terminal: whatever its width and its encoding, and whatever they hold."""

import json
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import on_terminal

from matminer_compute.cli.terminal import plain

SHOW = """
import json, sys
from matminer_compute.cli.terminal import Column, make_legible, show
make_legible(sys.stdout)
value, std = Column("value", "E (eV)", 5), Column("std", digits=3, yields=True)
columns = [Column("formula"), value, std, Column("rejected")]
title, rows = json.loads(sys.argv[1])
show(columns, rows, title)
"""
STYLE = re.compile(r"\x1b\[[0-9;]*m")
ROWS = [
    ("Ba0.5Sr0.5Co0.8Fe0.2O2.375", -2.14791, 0.42442, None),
    ("Fe[bcc]", None, None, "[/] is not an element: a symbol begins with a [red]capital[/red]"),
    ("Fe₂O₃", 2.1e-7, 3.3e-8, None),
    ("Na\x1b[31mCl\u202e", -120.5, 1.0, None),
]


def shown(rows, title="E [kJ/mol] [/]", **terminal):
    code, seen = on_terminal(sys.executable, "-c", SHOW, json.dumps([title, rows]), **terminal)
    assert code == 0, seen
    return seen


@pytest.mark.parametrize("columns", [120, 80, 40, 30])
def test_no_number_is_cut_and_no_line_is_too_long(columns):
    seen = STYLE.sub("", shown(ROWS, columns=columns))
    assert max(map(len, seen.splitlines())) <= columns
    assert "…" not in seen
    for number in ("-2.1479", "2.1000e-07", "-120.50"):
        assert number in seen
    assert ("0.424" in seen) == (columns >= 80)  # the spread gives way


def test_what_is_foreign_is_neither_markup_nor_orders_to_the_terminal():
    seen = shown(ROWS, columns=120)
    assert "E [kJ/mol] [/]" in seen
    assert "Fe[bcc]" in seen
    assert "[/] is not an element" in seen
    assert "[red]capital[/red]" in seen
    assert "\\x1b[31m" in seen
    assert "\x1b[31m" not in seen
    assert "\u202e" not in seen


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_what_the_terminal_cannot_show_is_shown_plainly(encoding):
    rows = [("Fe₂O₃", 1.0, 0.1, None), ("CuSO4·5H2O", 1.0, 0.1, None), ("☃", None, None, "no")]
    seen = shown(rows, columns=80, PYTHONIOENCODING=encoding, read_as=encoding)
    assert ("Fe₂O₃" if encoding == "utf-8" else "Fe2O3") in seen.replace("Fe₂O3", "Fe2O3")
    assert ("CuSO4*5H2O" if encoding == "ascii" else "CuSO4·5H2O") in seen
    assert ("☃" if encoding == "utf-8" else "\\u2603") in seen


def test_columns_without_anything_are_left_out():
    assert "rejected" not in shown([("NaCl", 1.0, 0.1, None)])
    assert "std" not in shown([("NaCl", 1.0, None, None)])
    assert "formula" in shown([])


@settings(deadline=None)
@given(st.text())
def test_foreign_text_is_one_line_of_what_can_be_seen(text):
    assert plain(text).isprintable()
    if text.isprintable():
        assert plain(text) == text


def test_predict_gives_a_person_a_table(registry):
    command = [sys.executable, "-m", "matminer_compute.cli", "predict", "NaCl", "Fe[bcc]"]
    code, seen = on_terminal(*command, columns=60, MLFLOW_TRACKING_URI=registry.uri)
    assert code == 0
    assert re.search(r"│ NaCl +│ -\d\.\d{4} │ \d\.\d{2,3} │", seen)
    assert "formation_energy_per_atom (eV/atom)" in seen
    assert "Matminer version 1" in seen


def test_on_a_terminal_reasons_stand_below_the_table_and_once(registry):
    command = [sys.executable, "-m", "matminer_compute.cli", "predict", "NaCl", "rust", "Fe203"]
    code, seen = on_terminal(*command, columns=80, MLFLOW_TRACKING_URI=registry.uri)
    assert code == 0
    assert seen.count("is not an element: a symbol begins with a capital letter") == 1
    assert "rust: rejected, 'r' at position 1 is not" in seen
    assert seen.count("an amount of 203 for Fe") == 1
    assert re.search(r"│ rust .*│ rejected │", seen)
    assert re.search(r"│ Fe203 .*│ outside  │", seen)
    assert max(map(len, STYLE.sub("", seen.split("rust: ")[0]).splitlines())) <= 80
    assert "lower to upper: holds the true value in 90%" in seen


def test_intervals_are_explained_only_where_one_is_shown(registry):
    for formulas in (["Fe203"], ["rust"]):
        command = [sys.executable, "-m", "matminer_compute.cli", "predict", *formulas]
        _, seen = on_terminal(*command, columns=80, MLFLOW_TRACKING_URI=registry.uri)
        assert "lower to upper" not in seen


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (80, r"│ 1 +│ \d{4}-\d\d-\d\d │ .*│ Production │"),
        (40, r"│ 1 +│ +0\.\d{4} │ Production │"),
    ],
)
def test_the_list_of_versions_gives_way_and_breaks_no_date_and_no_mark(registry, columns, row):
    command = [sys.executable, "-m", "matminer_compute.cli", "model", "list"]
    code, seen = on_terminal(*command, columns=columns, MLFLOW_TRACKING_URI=registry.uri)
    assert code == 0
    assert re.search(row, seen)


def test_no_name_is_broken_in_the_help_of_training():
    command = [sys.executable, "-m", "matminer_compute.cli", "model", "train", "--help"]
    _, seen = on_terminal(*command, columns=80)
    assert "ValenceOrbital" in seen


def test_predict_without_formulas_on_a_terminal_says_what_it_takes():
    code, seen = on_terminal(sys.executable, "-m", "matminer_compute.cli", "predict")
    assert code == 2
    assert "Give formulas" in seen
