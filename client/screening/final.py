"""The output in the making: rows come in their order, are counted, and are kept or not."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from matminer_compute.client.row import Row
from matminer_compute.client.tally import Tally

from .keep import Keep, Kept, best
from .outputs import Output, kind_of, open_output
from .table import TALLY, floats

if TYPE_CHECKING:
    import pyarrow as pa

_EXTREMES = 10
_OF_ROW = ("std", "lower", "upper", "outside", "in_training")
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
    """

    def __init__(self, output: Path, path: Path, keep: Keep, column: str, value: str) -> None:
        self.tally, self.written = Tally(), 0
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
            rows = best([*self._extreme[order], batch], self._value, _EXTREMES, order)
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
        (batch,) = self._extreme[order] or [None]
        rows: list[dict[str, Any]] = [] if batch is None else batch.to_pylist()
        return [
            Row(
                formula=row[self._column],
                value=row[self._value],
                **{name: row[name] for name in _OF_ROW},
            )
            for row in rows
        ]

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._output is None:
            self._output = open_output(self._path, self._kind, batch.schema)
        self._output.write(batch)
        self.written += len(batch)


def _said(batch: pa.RecordBatch, name: str) -> dict[int, str]:
    """What a column of reasons says, by row."""
    import pyarrow.compute as pc

    column = batch.column(name)
    rows = pc.indices_nonzero(column.is_valid())
    return dict(zip(rows.to_pylist(), column.take(rows).to_pylist(), strict=True))
