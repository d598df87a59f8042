"""What a screening reads: which file it is, of which kind, and where in it the formulas stand."""

from __future__ import annotations

import codecs
import hashlib
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from matminer_compute.client.ledger import Ledger
from matminer_compute.client.served import Served
from matminer_compute.client.spaces.formulas import COLUMNS
from matminer_compute.client.steps import Answer, Part, Predicting
from matminer_compute.errors import FileUnusable
from matminer_compute.errors.machine import files, packages

from . import readers
from .cutting import Pace, TableShard
from .keep import Keep
from .table import answered

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = {
    ".txt": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_CHUNK = 1 << 20
#: Rows of the first tasks, answered within seconds however slow the model; and of any.
ROWS_AT_FIRST, MOST_ROWS = 1_000, 100_000


@dataclass(frozen=True)
class Input:
    """A file of formulas.

    Attributes:
        path: the file.
        schema: its columns; of all but Parquet, text.
        column: the one that holds formulas.
        digest: SHA-256 of its bytes.
        rows: about how many it has; for Parquet exactly.
    """

    path: Path
    schema: pa.Schema
    column: str
    digest: str
    rows: int
    _read: Callable[[], Iterator[pa.RecordBatch]]

    whole = True  # every row is seen here
    unit = "row"

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.path)

    @property
    def weighed(self) -> str:
        """The column whose texts travel."""
        return self.column

    def pace(self) -> Pace:
        """How many rows the next task has."""
        return Pace(ROWS_AT_FIRST, MOST_ROWS)

    def step(
        self, pair: Answer, keep: Keep, served: Served, ledger: Ledger[Any] | None
    ) -> Predicting:
        """What is done with rows."""
        return served.predicting_by(pair, ledger)

    def answered(self, shard: TableShard, parts: list[Part], pair: Answer) -> pa.RecordBatch:
        """Rows with their answers."""
        return answered(shard, parts, pair)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, all its columns and ``readers.REFUSED``.

        Raises:
            FileUnusable: it cannot be read.
        """
        import pyarrow as pa

        try:
            with files(f"{self.path} cannot be read"):
                yield from self._read()
        except (pa.ArrowInvalid, EOFError, zlib.error) as error:
            raise _damaged(self.path, error) from error


def open_input(path: Path, column: str | None = None) -> Input:
    """Look a file through: its kind, its columns, its digest, and that it is text where it must be.

    Args:
        path: a ``.txt``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file, or a packed one
            (``.gz``).
        column: the column that holds formulas; by default the one with a name for that.

    Raises:
        FileUnusable: it is none of these, cannot be read, or has no such column.
        PackageMissing: pyarrow is not installed.
    """
    with packages("install 'matminer-compute[screen]'"):
        import pyarrow as pa
    with files(f"{path} cannot be read"):
        kind = _KINDS.get(_suffix(path))
        if kind is None:
            raise FileUnusable(
                f"{path} is of no kind that can be screened; its name must end in "
                f"{', '.join(_KINDS)}, or one of these and .gz."
            )
        try:
            digest, lines = _looked_through(path, text=kind != "parquet")
            schema, read, rows = _opened(path, kind)
        except (pa.ArrowInvalid, EOFError, zlib.error) as error:
            raise _damaged(path, error) from error
    name = _column(path, schema, column)
    rows = rows or max(0, lines - (kind == "csv"))  # below the header
    return Input(path, schema, name, digest, rows, read)


@contextmanager
def kept(stream: IO[bytes]) -> Iterator[Path]:
    """Standard input as a file, its kind told by how it begins."""
    with tempfile.TemporaryDirectory(prefix="matminer-compute-") as folder:
        with files("Standard input cannot be kept"):
            begin = stream.read(4096)
            path = Path(folder, f"standard-input{_kind_of(begin)}")
            with path.open("wb") as file:
                file.write(begin)
                shutil.copyfileobj(stream, file)
        yield path


def _opened(path: Path, kind: str) -> tuple[pa.Schema, Callable[[], Iterator[pa.RecordBatch]], int]:
    """The columns of a file, what reads it, and how many rows it has if it says so."""
    import pyarrow as pa

    if kind == "parquet":
        schema, rows = readers.parquet_schema(path)
        return schema, partial(readers.from_parquet, path, schema.names), rows
    if kind == "text":
        columns = ["formula"]
        read = partial(readers.from_text, path, columns)
    elif kind == "csv":
        layout = readers.csv_layout(path)
        columns = readers.csv_columns(layout.header)
        read = partial(readers.from_csv, path, columns, layout)
    else:
        columns = list(readers.json_columns(path))
        read = partial(readers.from_json_lines, path, columns)
    return pa.schema([(name, pa.string()) for name in columns]), read, 0


def _looked_through(path: Path, *, text: bool) -> tuple[str, int]:
    """The digest of a file and, of text, how many lines it has.

    Raises:
        FileUnusable: it is no UTF-8 where it must be.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not text:
        return digest, 0
    lines, decoder = 0, codecs.getincrementaldecoder("utf-8")()
    with readers.opened(path) as file:
        while block := file.read(_CHUNK):
            if not lines and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise _not_utf_8(path, "it is UTF-16")
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line = lines + block.count(b"\n", 0, error.start) + 1
                raise _not_utf_8(path, f"line {line} is not UTF-8") from None
            lines += block.count(b"\n") or block.count(b"\r")
    return digest, lines


def _column(path: Path, schema: pa.Schema, wanted: str | None) -> str:
    import pyarrow as pa

    for name in (wanted,) if wanted else COLUMNS:
        for same in (str, str.casefold):
            found = [column for column in schema.names if same(column) == same(name)]
            if len(found) != 1:
                continue
            kind = schema.field(found[0]).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise FileUnusable(f"Column {found[0]!r} of {path} holds {kind}, not formulas.")
            return str(found[0])
    named = ", ".join(map(repr, schema.names[:20])) or "none"
    if wanted:
        raise FileUnusable(f"{path} has no column {wanted!r}; its columns: {named}.")
    raise FileUnusable(
        f"{path} has no column called {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}; name the one "
        f"that holds formulas (--column), or put a header above. Its columns: {named}."
    )


def _suffix(path: Path) -> str:
    return Path(path.stem if path.suffix.lower() == ".gz" else path).suffix.lower()


def _kind_of(begin: bytes) -> str:
    if begin.startswith(b"PAR1"):
        return ".parquet"
    if begin.startswith(b"\x1f\x8b"):
        try:
            begin = zlib.decompressobj(wbits=31).decompress(begin)
        except zlib.error as error:
            raise _damaged(Path("Standard input"), error) from error
    first = re.split("[\r\n]", begin.decode("utf-8-sig", "replace"), maxsplit=1)[0].strip()
    if first.startswith("{"):
        return ".jsonl"
    cells = {cell.strip().strip('"').casefold() for cell in re.split("[,;\t]", first)}
    return ".csv" if cells & set(COLUMNS) or first.lstrip('"').startswith("sep=") else ".txt"


def _not_utf_8(path: Path, why: str) -> FileUnusable:
    return FileUnusable(
        f"{path} cannot be read: {why}. Save it in UTF-8 (in a spreadsheet: 'CSV UTF-8'; in a "
        f"shell: iconv -f ENCODING -t UTF-8 {path.name} > new{_suffix(path)})."
    )


def _damaged(path: Path, error: Exception) -> FileUnusable:
    return FileUnusable(f"{path} is cut off or damaged ({error}); copy or download it again.")
