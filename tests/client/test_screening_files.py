"""Files in and out: no row is lost, none is misread, and what is carried comes out as it was."""

import csv
import gzip
import io
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from matminer_compute.client import FileUnusable
from matminer_compute.client.screening import readers
from matminer_compute.client.screening.cutting import Pace, cut
from matminer_compute.client.screening.inputs import kept, open_input
from matminer_compute.client.screening.outputs import kind_of, open_output

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BLOCK", 256)
        patch.setattr(readers, "_LINES", 3)
        patch.setattr(readers, "_CHUNK", 7)
        yield


def rows_of(path, column=None):
    return [row for batch in open_input(path, column).batches() for row in batch.to_pylist()]


def written(folder, name, content):
    path = Path(folder, name)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@settings(deadline=None)  # the first example imports
@given(st.lists(st.integers(1, 4), max_size=40))
def test_a_row_with_cells_missing_or_too_many_stays_where_it_was_and_says_so(lengths):
    lines = [",".join(f"c{n}_{cell}" for cell in range(cells)) for n, cells in enumerate(lengths)]
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(written(folder, "x.csv", "\n".join(["formula,b,c", *lines])))
    assert [row["formula"] for row in rows] == [f"c{n}_0" for n in range(len(lengths))]
    for row, cells in zip(rows, lengths, strict=True):
        assert (row[readers.REFUSED] is None) == (cells == 3)
        assert cells == 3 or f"{cells} cells where the header has 3" in row[readers.REFUSED]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_lines_end_as_any_system_ends_them(tmp_path, name, end):
    formulas = [f"Na{n}Cl" for n in range(1, 100)]
    lines = formulas if name == "x.txt" else ["formula,k", *(f"{f},1" for f in formulas)]
    for last in ("", end):
        rows = rows_of(written(tmp_path, name, end.join(lines) + last))
        assert [row["formula"] for row in rows] == formulas
    assert rows_of(written(tmp_path, "none.csv", f"formula,k{end}")) == []


QUOTED = st.lists(st.sampled_from(['"', '""', "a", ",", "\n", "\r\n", "b"]), max_size=30)


@settings(deadline=None)  # the first example imports
@given(QUOTED.map("".join), st.booleans(), st.sampled_from([1, 2, 7, readers._CHUNK]))
def test_a_file_that_ends_inside_a_quote_is_refused_and_no_other(text, marked, chunk):
    text = f"formula,n\n{text}"
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_CHUNK", chunk)  # a quote may stand anywhere in what is read
        path = written(folder, "x.csv", ("\ufeff" if marked else "") + text)
        if ends_closed(text):
            rows_of(path)
            return
        with pytest.raises(FileUnusable, match="ends inside a cell, whose quote opens in line"):
            open_input(path)


def ends_closed(text):
    """Whether Python's reader takes what is put behind ``text`` for another row."""
    *_, last = csv.reader(io.StringIO(text + "\nend,end\n", newline=""))
    return last == ["end", "end"]


def test_where_the_quote_opens_is_said(tmp_path):
    text = 'formula,n\nMgO,"a ""b"" c"\nNaCl,"abc\nKCl,x\nMgO,y'
    with pytest.raises(FileUnusable, match="opens in line 3: close it"):
        open_input(written(tmp_path, "x.csv", text))
    [row] = rows_of(written(tmp_path, "y.csv", 'formula,n\nMgO,5" of it\n'))
    assert (row["formula"], row["n"]) == ("MgO", '5" of it')


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('formula;"a,b"\nNaCl;1,5\n', {"formula": "NaCl", "a,b": "1,5"}),
        ("sep=;\r\nformula;k\r\nNaCl;1\r\n", {"formula": "NaCl", "k": "1"}),
        ('\ufeff"sep=|"\nformula|k\nNaCl|1,2;3\n', {"formula": "NaCl", "k": "1,2;3"}),
    ],
)
def test_what_separates_cells_is_told_as_a_spreadsheet_does(tmp_path, text, cells):
    assert rows_of(written(tmp_path, "x.csv", text)) == [{**cells, readers.REFUSED: None}]
    odd = rows_of(written(tmp_path, "y.csv", text + "KCl"))
    assert [row[readers.REFUSED] for row in odd] == [
        None,
        "its row has 1 cells where the header has 2",
    ]
    with kept(io.BytesIO(text.encode())) as path:
        assert open_input(path).schema.names == list(cells)


@settings(deadline=None)  # the first example imports
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=12), st.sampled_from(",;\t"))
def test_text_of_a_csv_file_is_read_as_it_stands(rows, separator):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("Formula", "note", "ID"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        read = rows_of(written(folder, "x.csv.gz", text.getvalue()))
    assert [(r["Formula"], r["note"], r["ID"]) for r in read] == rows
    assert all(row[readers.REFUSED] is None for row in read)


@settings(deadline=None)  # the first example imports
@given(st.lists(st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=3), max_size=9))
def test_json_lines_keep_every_key_whichever_line_has_it(objects):
    objects = [{"formula": "NaN"}, *objects]
    lines = "".join(json.dumps(o) + "\n" for o in objects)
    with tempfile.TemporaryDirectory() as folder:
        read = rows_of(written(folder, "x.jsonl", lines + "[1]\n"))
    assert read.pop()[readers.REFUSED] == "its line is no JSON object"
    for row, given_ in zip(read, objects, strict=True):
        texts = {
            k: v if isinstance(v, str) else json.dumps(v)
            for k, v in given_.items()
            if v is not None
        }
        assert {key: row[key] for key in texts} == texts


def test_lines_of_text_are_formulas_and_blank_ones_are_none(tmp_path):
    path = written(tmp_path, "x.txt", "\ufeffNaCl\r\n\n Li0,5CoO2 \nNaN")
    assert [row["formula"] for row in rows_of(path)] == ["NaCl", "Li0,5CoO2", "NaN"]


@pytest.mark.parametrize("name", ["FORMULA", "composition", "Pretty_Formula", "reduced_formula"])
def test_the_column_of_formulas_is_found_by_its_name(tmp_path, name):
    path = written(tmp_path, "x.tsv", f"id\t{name}\n1\tNaCl\n")
    assert open_input(path).column == name
    assert open_input(path, "ID").column == "id"


def test_parquet_keeps_its_types(tmp_path):
    formulas = pa.array(["NaCl", None]).dictionary_encode()
    table = pa.table({"id": pa.array([1, 2]), "formula": formulas, "ok": [True, False]})
    parquet.write_table(table, tmp_path / "x.parquet")
    found = open_input(tmp_path / "x.parquet")
    assert found.rows == 2
    assert found.schema.types == [pa.int64(), pa.string(), pa.bool_()]
    [row] = [row for batch in found.batches() for row in batch.to_pylist() if row["id"] == 1]
    assert (row["formula"], row["ok"]) == ("NaCl", True)
    with pytest.raises(FileUnusable, match="int64, not formulas"):
        open_input(tmp_path / "x.parquet", "id")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.csv", "name,gap\nNaCl,1\n", r"--column.*'name', 'gap'"),
        ("x.csv", "NaCl,1\n", r"put a header above"),
        ("x.csv", "formula\nNaCl\nFe\u00e9\n".encode("latin-1"), r"line 3 is not UTF-8"),
        ("x.csv", "formula\nNaCl\n".encode("utf-16"), r"UTF-16"),
        ("x.xlsx", "PK", r"must end in .txt, .csv"),
        ("x.parquet", "formula\n", r"cut off or damaged"),
        ("x.jsonl", "", r"no column"),
    ],
)
def test_what_cannot_be_read_is_said_before_any_work(tmp_path, name, content, sentence):
    with pytest.raises(FileUnusable, match=sentence):
        open_input(written(tmp_path, name, content))


def test_a_packed_file_that_was_cut_off_is_said_to_be(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"formula\n" + b"NaCl\n" * 1000)[:-20])
    with pytest.raises(FileUnusable, match="cut off"):
        open_input(path)
    with pytest.raises(FileUnusable, match="No such file"):
        open_input(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("content", "formulas"),
    [
        (b"NaCl\nLi0,5CoO2\n", ["NaCl", "Li0,5CoO2"]),
        (b"id,Formula\n1,NaCl\n", ["NaCl"]),
        (gzip.compress(b"formula\nNaN\n"), ["NaN"]),
        (b'{"formula": "NaCl"}\n', ["NaCl"]),
        (b"", []),
    ],
    ids=["text", "csv", "gzip", "jsonl", "empty"],  # gzip's bytes hold the time: no name for a test
)
def test_standard_input_says_what_it_is_by_how_it_begins(content, formulas):
    with kept(io.BytesIO(content)) as path:
        found = open_input(path)
        assert [
            row[found.column] for batch in found.batches() for row in batch.to_pylist()
        ] == formulas


SCHEMA = pa.schema([("a", pa.string()), ("b, c", pa.string()), ("x", pa.float64())])
ROW = st.tuples(
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)


@settings(deadline=None)  # the first example imports
@given(
    st.lists(st.lists(ROW, max_size=8), max_size=3),
    st.sampled_from([".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]),
)
def test_what_is_written_is_what_was_there(batches, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"out{suffix}")
        output = open_output(path, kind_of(path), SCHEMA)
        for rows in batches:
            named = [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]
            output.write(pa.RecordBatch.from_pylist(named, schema=SCHEMA))
        output.close()
        wanted = [row for rows in batches for row in rows]
        if suffix == ".parquet":
            assert [tuple(row.values()) for row in parquet.read_table(path).to_pylist()] == wanted
            return
        text = (gzip.decompress if suffix.endswith("gz") else bytes)(path.read_bytes()).decode()
    if suffix.startswith(".jsonl"):
        lines = text.split("\n")
        assert [tuple(json.loads(line).values()) for line in lines[:-1]] == wanted
        return
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert header == SCHEMA.names
    assert [(a, b, float(x) if x else None) for a, b, x in read] == [
        (a or "", b or "", x) for a, b, x in wanted
    ]


@settings(deadline=None)  # the first example imports
@given(
    st.lists(st.lists(CELL, min_size=1, max_size=9), max_size=9),
    st.sets(st.integers(0, 30)),
    st.integers(1, 12),
    st.data(),
)
def test_every_row_is_cut_once_and_known_shards_come_again_as_they_were(batches, ends, pace, data):
    column = [cell for batch in batches for cell in batch]
    bounds = sorted({0, len(column)} | {end for end in ends if end < len(column)})
    known = {
        first: (last - first, data.draw(st.booleans()))
        for first, last in pairwise(bounds)
        if data.draw(st.booleans())
    }
    of = Pace(pace, pace)
    made = [
        pa.record_batch({"formula": batch, readers.REFUSED: pa.nulls(len(batch), pa.string())})
        for batch in batches
    ]
    shards = list(cut(iter(made), "formula", known, of))
    done = {
        row for first, (n, answered) in known.items() if answered for row in range(first, first + n)
    }
    rows = [row for shard in shards for row in shard.rows]
    assert rows == [row for row in range(len(column)) if row not in done]
    assert [text for shard in shards for text in shard.formulas] == [column[row] for row in rows]
    whole = {(shard.first, len(shard)) for shard in shards}
    assert {(first, n) for first, (n, answered) in known.items() if not answered} <= whole
