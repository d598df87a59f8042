"""Files of formulas as record batches, one kind of file a function; all columns are carried.

Text is read as the text it is, so that what goes in comes out, and ``NaN`` is a formula. A row that
is not as the others becomes one whose ``REFUSED`` says why: no row is lost.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: Why a row is not sent, where it is not; no file has a column of this name.
REFUSED = "\0refused"
_BLOCK = 4 << 20  # bytes
_LINES = 50_000
_NO_OBJECT = "its line is no JSON object"


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked if they are packed."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return io.BufferedReader(gzip.GzipFile(path)) if packed else path.open("rb")


def from_text(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A formula a line; blank lines hold none."""
    with opened(path) as file:
        lines = (line.decode("utf-8-sig").strip() for line in file)
        formulas = filter(None, lines)
        while some := list(itertools.islice(formulas, _LINES)):
            yield _batch(columns, [some])


def from_csv(path: Path, columns: Sequence[str], separator: str) -> Iterator[pa.RecordBatch]:
    """Rows of a CSV file below its header."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    odd: list[tuple[int, pa.RecordBatch]] = []

    def put_aside(row: Any) -> str:
        odd.append((row.number - 2, _odd(row.text, columns, separator)))
        return "skip"

    with opened(path) as file:
        file.readline()
        if not file.read(1):  # for Arrow, a header alone is no CSV
            return
        file.seek(0)
        reader = arrow.open_csv(
            file,
            arrow.ReadOptions(use_threads=False, block_size=_BLOCK),  # or rows have no numbers
            arrow.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=put_aside
            ),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(_header(path, separator), pa.string()),
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


def separator(path: Path) -> str:
    """What separates the columns of a CSV file."""
    with opened(path) as file:
        first = file.readline()
    return next((mark for mark in ",;\t" if mark.encode() in first), ",")


def json_columns(path: Path) -> Iterator[str]:
    """The keys of all objects of a file of JSON lines, in the order in which they appear."""
    seen: dict[str, None] = {}
    with opened(path) as file:
        for line in file:
            for key in _object(line):
                if key not in seen:
                    seen[key] = None
                    yield key


def csv_columns(path: Path, separator: str) -> list[str]:
    """The header of a CSV file, each name once and none without a name."""
    names: list[str] = []
    for number, cell in enumerate(_header(path, separator), 1):
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


def _header(path: Path, separator: str) -> list[str]:
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        return next(csv.reader(text, delimiter=separator), [])


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
