"""What a screening writes: record batches to a file whose name says of which kind it is."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import numpy as np

from matminer_compute.errors import FileUnusable

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = (".csv", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz")
_QUOTED = '[",\r\n]'


class Output(Protocol):
    """A file that rows are added to."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


def kind_of(path: Path) -> str:
    """Of which kind the output of this name is.

    Raises:
        FileUnusable: of none.
    """
    kind = next((kind for kind in reversed(KINDS) if path.name.lower().endswith(kind)), None)
    if kind is None:
        raise FileUnusable(f"{path} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    return kind


def open_output(path: Path, kind: str, schema: pa.Schema) -> Output:
    """A new file of a kind that ``kind_of`` gives, for batches of one schema."""
    if kind == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        text = [f.name for f in schema if not pa.types.is_floating(f.type)]
        writer: Output = parquet.ParquetWriter(
            path,
            schema,
            # What is different in every row is neither looked up nor packed.
            use_dictionary=[f.name for f in schema if pa.types.is_dictionary(f.type)],
            compression={f.name: "zstd" if f.name in text else "none" for f in schema},
        )
        return writer
    file = path.open("wb")
    if kind.endswith(".gz"):
        # Without the time, so that the same rows make the same file.
        packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        return _of_lines(kind, io.BufferedWriter(packed), schema, file)
    return _of_lines(kind, file, schema, None)


def _of_lines(kind: str, file: IO[bytes], schema: pa.Schema, below: IO[bytes] | None) -> Output:
    made = _Csv(file, schema) if kind.startswith(".csv") else _JsonLines(file)
    made.below = below
    return made


class _Lines:
    """A file of lines of text."""

    below: IO[bytes] | None = None  # what ``file`` packs into, and does not close

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def close(self) -> None:
        self._file.close()
        if self.below is not None:
            self.below.close()


class _Csv(_Lines):
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        super().__init__(file)
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(schema.names)
        file.write(header.getvalue().encode())

    def write(self, batch: pa.RecordBatch) -> None:
        import pyarrow.compute as pc

        if not len(batch):
            return
        cells = [_cells(column) for column in batch.columns]
        ends = pc.binary_join_element_wise(cells[-1], "\n", "")
        lines = pc.binary_join_element_wise(*cells[:-1], ends, ",")
        _, offsets, texts = lines.buffers()  # an array's texts lie one behind the other
        end = np.frombuffer(offsets, np.int32)[len(lines)]
        self._file.write(texts.slice(0, end))


class _JsonLines(_Lines):
    def write(self, batch: pa.RecordBatch) -> None:
        lines = (json.dumps(row, ensure_ascii=False) for row in batch.to_pylist())
        self._file.write("".join(f"{line}\n" for line in lines).encode())


def _cells(column: pa.Array) -> pa.Array:
    """A column as text, quoted where that is needed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        column = pa.array([None if v is None else json.dumps(v) for v in column.to_pylist()])
    text = pc.fill_null(column.cast(pa.string()), "")
    special = pc.match_substring_regex(text, _QUOTED)
    if not pc.any(special).as_py():
        return text
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
    return pc.if_else(special, quoted, text)
