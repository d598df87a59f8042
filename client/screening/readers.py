"""Files of formulas as record batches, one kind of file a function; all columns are carried.

Text is read as the text it is, so that what goes in comes out, and ``NaN`` is a formula. A row that
is not as the others becomes one whose ``REFUSED`` says why: no row is lost.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matminer_compute.errors import FileUnusable

if TYPE_CHECKING:
    import pyarrow as pa

#: Why a row is not sent, where it is not; no file has a column of this name.
REFUSED = "\0refused"
_BLOCK = 4 << 20  # bytes
_LINES = 50_000
_CHUNK = 1 << 20  # bytes that are searched for quotes at once
_NO_OBJECT = "its line is no JSON object"


class Layout(NamedTuple):
    """How a CSV file is laid out: what separates cells, its header as it stands, lines above it."""

    separator: str
    header: list[str]
    above: int
    has_rows: bool


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked if they are packed."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return io.BufferedReader(gzip.GzipFile(path)) if packed else path.open("rb")


def from_text(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A formula a line; blank lines hold none."""
    with opened(path) as file:  # a line may end as old Macs end it
        lines = (line.lstrip("\ufeff").strip() for line in io.TextIOWrapper(file, "utf-8"))
        formulas = filter(None, lines)
        while some := list(itertools.islice(formulas, _LINES)):
            yield _batch(columns, [some])


def from_csv(path: Path, columns: Sequence[str], layout: Layout) -> Iterator[pa.RecordBatch]:
    """Rows of a CSV file below its header."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    if not layout.has_rows:  # for Arrow, a header alone is no CSV
        return
    odd: list[tuple[int, pa.RecordBatch]] = []

    def put_aside(row: Any) -> str:
        number = row.number - 2 - layout.above
        odd.append((number, _odd(row.text, columns, layout.separator)))
        return "skip"

    with opened(path) as file:
        reader = arrow.open_csv(
            file,
            arrow.ReadOptions(  # with threads, rows would have no numbers
                use_threads=False, block_size=_BLOCK, skip_rows=layout.above
            ),
            arrow.ParseOptions(
                delimiter=layout.separator, newlines_in_values=True, invalid_row_handler=put_aside
            ),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(layout.header, pa.string()),
                strings_can_be_null=False,
                null_values=[],
            ),
        )
        first = 0
        for batch in reader:
            for piece in _with_odd(_batch(columns, batch.columns), first, odd):
                first += len(piece)
                yield piece
        yield from _with_odd(_batch(columns, [[] for _ in columns]), first, odd)


def from_json_lines(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """An object a line; what is no text in it is carried as JSON."""
    with opened(path) as file:
        lines = (line for line in file if line.strip())
        while some := list(itertools.islice(lines, _LINES)):
            objects = [_object(line) for line in some]
            cells = [[_as_text(o.get(name)) for o in objects] for name in columns]
            refused = [None if isinstance(o, _Whole) else _NO_OBJECT for o in objects]
            yield _batch(columns, cells, refused)


def from_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a Parquet file, each column with the type it has there, categories as their names."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_LINES):
            yield _batch(columns, batch.columns)


def csv_layout(path: Path) -> Layout:
    """How a CSV file is laid out, by its header, and by the line ``sep=;`` of a spreadsheet above.

    Raises:
        FileUnusable: it ends inside a quote: what follows the quote would be one cell.
    """
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        first = text.readline()
        said = re.fullmatch(r'"?sep=([,;:|\t])"?\s*', first, re.IGNORECASE)
        if said:
            first = text.readline()
        bare = re.sub('"[^"]*"', "", first)
        mark = said[1] if said else next((mark for mark in ",;\t" if mark in bare), ",")
        if line := _open_quote(path, mark):
            raise FileUnusable(
                f"{path} ends inside a cell, whose quote opens in line {line}: close it, or write "
                "the cell without quotes."
            )
        header = next(csv.reader(itertools.chain([first], text), delimiter=mark), [])
        return Layout(mark, header, int(said is not None), bool(text.read(1)))


def json_columns(path: Path) -> Iterator[str]:
    """The keys of all objects of a file of JSON lines, in the order in which they appear."""
    seen: dict[str, None] = {}
    with opened(path) as file:
        for line in file:
            for key in _object(line):
                if key not in seen:
                    seen[key] = None
                    yield key


def csv_columns(header: Sequence[str]) -> list[str]:
    """The names in the header of a CSV file, each once and none without a name."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip() or f"column {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def parquet_schema(path: Path) -> tuple[pa.Schema, int]:
    """The columns of a Parquet file, and how many rows it has."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        fields = [_plain(field) for field in file.schema_arrow]
        return pa.schema(fields), file.metadata.num_rows


def _open_quote(path: Path, separator: str) -> int:
    """The line of a CSV file in which a quote opens that nothing closes; 0 if there is none."""
    inside, before, line, opened_in = False, b"\n", 1, 0
    opens = np.frombuffer(f'{separator}\n\r"'.encode(), np.uint8)
    with opened(path) as file:
        file.seek(3 if file.read(3) == codecs.BOM_UTF8 else 0)
        while block := file.read(_CHUNK):
            data = np.frombuffer(before + block, np.uint8)  # each byte behind the one before it
            quotes = np.flatnonzero(data[1:] == ord('"'))
            last = quotes[-1] if quotes.size else -1
            if not np.isin(data[quotes[inside::2]], opens).all():
                quotes = quotes[_that_count(data[quotes], opens, inside)]
            opening = quotes[inside::2]
            fresh = opening[data[opening] != ord('"')]  # the others go on after two, which are one
            if fresh.size:
                text = block[: fresh[-1]]
                opened_in = line + max(text.count(b"\n"), text.count(b"\r"))
            inside ^= bool(len(quotes) % 2)
            line += max(block.count(b"\n"), block.count(b"\r"))
            # A quote that does not count ends no cell behind which the next could go on.
            before = block[-1:] if last < len(block) - 1 or last in quotes[-1:] else b"\0"
    return opened_in if inside else 0


def _that_count(
    before: npt.NDArray[np.uint8], opens: npt.NDArray[np.uint8], inside: bool
) -> list[int]:
    """Which quotes open or close a cell; within a cell without quotes they stand for themselves.

    Args:
        before: the byte before each quote.
        opens: the bytes behind which a quote opens a cell, a closing quote's among them.
        inside: whether the first one stands in a cell with quotes.
    """
    counted: list[int] = []
    for at, may_open in enumerate(np.isin(before, opens).tolist()):
        behind_one = at and before[at] == ord('"') and counted[-1:] != [at - 1]
        if inside or (may_open and not behind_one):
            counted.append(at)
            inside = not inside
    return counted


def _with_odd(
    plain: pa.RecordBatch, first: int, odd: list[tuple[int, pa.RecordBatch]]
) -> Iterator[pa.RecordBatch]:
    """Rows that Arrow could read and, where they stood, those of another number of cells.

    Args:
        plain: the former.
        first: the number of the first row of either kind.
        odd: the others by their number, some perhaps of later batches, for Arrow reads ahead;
            those that belong here are taken out.
    """
    taken = 0
    while odd and odd[0][0] - first <= len(plain) - taken:
        number, row = odd.pop(0)
        before = number - first
        yield from filter(len, (plain.slice(taken, before), row))
        taken, first = taken + before, number + 1
    yield from filter(len, (plain.slice(taken),))


def _odd(text: str, columns: Sequence[str], separator: str) -> pa.RecordBatch:
    cells = next(csv.reader([text], delimiter=separator), [])
    why = f"its row has {len(cells)} cells where the header has {len(columns)}"
    return _batch(columns, [[c] for c in (cells + [""] * len(columns))[: len(columns)]], [why])


def _batch(
    columns: Sequence[str], cells: Sequence[Any], refused: Sequence[str | None] | None = None
) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [c if isinstance(c, pa.Array) else pa.array(c, pa.string()) for c in cells]
    arrays = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in arrays]
    none = pa.nulls(len(arrays[0]), pa.string())
    arrays.append(none if refused is None else pa.array(refused, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, [*columns, REFUSED])


def _plain(field: pa.Field) -> pa.Field:
    """A column of categories as one of what they are."""
    import pyarrow as pa

    kind = field.type
    return field.with_type(kind.value_type) if pa.types.is_dictionary(kind) else field


class _Whole(dict[str, Any]):
    """An object that was read; a line that is none gives an empty plain one."""


def _object(line: bytes) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except ValueError:
        return {}
    return _Whole(read) if isinstance(read, dict) else {}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
