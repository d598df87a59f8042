"""The output in the making: rows come in their order, are counted, and are kept or not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matminer_compute.client.row import Row
from matminer_compute.client.tally import Tally

from .keep import Keep, Kept, best
from .outputs import Output, kind_of, open_output
from .table import TALLY, floats

if TYPE_CHECKING:
    import pyarrow as pa

_SOME = 10
_OF_ROW = ("std", "lower", "upper", "outside", "in_training", "rejected")
_ORDERS: tuple[Literal["lowest", "highest"], ...] = ("lowest", "highest")


class Final:
    """A file of the rows that are kept, and what is known of all.

    Args:
        output: what the file will be called, which says of which kind it is.
        path: where it is made.
        keep: which rows it gets.
        column: the column of formulas.
        value: the column of values.

    Attributes:
        tally: statistics of all rows that came.
        written: how many rows the file has.
        first: the first of these, at most ten.
    """

    def __init__(self, output: Path, path: Path, keep: Keep, column: str, value: str) -> None:
        self.tally, self.written = Tally(), 0
        self.first: list[Row] = []
        self._kind, self._path, self._column, self._value = kind_of(output), path, column, value
        self._kept = Kept(keep, value)
        self._extreme: dict[str, list[pa.RecordBatch]] = {order: [] for order in _ORDERS}
        self._output: Output | None = None

    def take(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        said = dict(batch.schema.metadata)
        if counted := said.pop(TALLY, None):
            self.tally.merge(Tally.from_json(json.loads(counted)))
            batch = batch.replace_schema_metadata(said)
        else:
            self.tally.add(
                batch.column(self._column).to_pylist(),
                floats(batch, self._value),
                _said(batch, "rejected"),
                _said(batch, "outside"),
            )
        for order in _ORDERS:
            rows = best([*self._extreme[order], batch], self._value, _SOME, order)
            self._extreme[order] = [rows]
        for kept in self._kept.of(batch):
            self._write(kept)

    def close(self, schema: pa.Schema) -> None:
        """No more rows come; without any, the file has the columns of ``schema``."""
        for kept in self._kept.rest():
            self._write(kept)
        if self._output is None:
            self._output = open_output(self._path, self._kind, schema)
        self._output.close()

    def let_go(self) -> None:
        """Leave the file as it is."""
        if self._output is not None:
            with suppress(OSError):  # what could not be written is no news
                self._output.close()

    def extremes(self, order: Literal["lowest", "highest"]) -> list[Row]:
        """The rows with the lowest or highest values, in that order, at most ten."""
        return [row for batch in self._extreme[order] for row in self._rows(batch)]

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        for row in batch.to_pylist():
            value = row[self._value]
            yield Row(
                formula=row[self._column],
                value=math.nan if value is None else value,
                **{name: row[name] for name in _OF_ROW},
            )

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._output is None:
            self._output = open_output(self._path, self._kind, batch.schema)
        self._output.write(batch)
        self.first += self._rows(batch.slice(0, max(0, _SOME - self.written)))
        self.written += len(batch)


def _said(batch: pa.RecordBatch, name: str) -> dict[int, str]:
    """What a column of reasons says, by row."""
    import pyarrow.compute as pc

    column = batch.column(name)
    rows = pc.indices_nonzero(column.is_valid())
    return dict(zip(rows.to_pylist(), column.take(rows).to_pylist(), strict=True))
