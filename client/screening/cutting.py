"""Rows of a file cut into tasks: by what they weigh, and by how long a worker has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matminer_compute.client.shards import LONGEST, TASK_BYTES, wire_bytes

from .readers import REFUSED

if TYPE_CHECKING:
    import pyarrow as pa

#: For how long a worker should have a task: its overhead is small, and little is lost with it.
_SECONDS = 20.0
_SAMPLE = 200


@dataclass(frozen=True)
class TableShard:
    """Rows of a file: the formulas, and whatever else stands beside them."""

    batch: pa.RecordBatch
    column: str
    first: int

    @property
    def formulas(self) -> list[str]:
        """As they travel: a row that is refused, or holds no text, as an empty one."""
        import pyarrow.compute as pc

        texts, refused = self.batch.column(self.column), self.batch.column(REFUSED)
        if refused.null_count < len(refused):
            texts = pc.if_else(refused.is_valid(), None, texts)
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > LONGEST:
            texts = pc.utf8_slice_codeunits(texts, 0, LONGEST)
        return pc.fill_null(texts, "").to_pylist()  # type: ignore[no-any-return]

    @property
    def rows(self) -> range:
        """The rows of the file."""
        return range(self.first, self.first + len(self))

    def __len__(self) -> int:
        return len(self.batch)

    def halves(self) -> tuple[TableShard, TableShard]:
        """The same in two, for when one turned out too large."""
        middle = len(self) // 2
        return (
            TableShard(self.batch.slice(0, middle), self.column, self.first),
            TableShard(self.batch.slice(middle), self.column, self.first + middle),
        )


class Pace:
    """How many rows the next task has, by what is known of those answered.

    Args:
        at_first: how many while nothing is known.
        most: how many any has.
    """

    def __init__(self, at_first: int, most: int) -> None:
        self.rows, self._at_first, self._most = at_first, at_first, most

    def answered(self, rows: int, seconds: float) -> None:
        """A worker had so many rows for so long."""
        if rows >= self._at_first / 10:
            wanted = _SECONDS * rows / max(seconds, 1e-9)
            self.rows = max(1, min(int(wanted), self._most))

    def too_large(self, rows: int) -> None:
        """A task of so many rows, or its answer, was too large."""
        self._most = max(1, rows // 2)
        self.rows = min(self.rows, self._most)


def cut(
    batches: Iterator[pa.RecordBatch],
    column: str | None,
    known: Mapping[int, tuple[int, bool]],
    pace: Pace,
) -> Iterator[TableShard]:
    """Shards in order.

    Args:
        batches: the rows.
        column: which of their columns holds formulas; None: a task's weight is no matter.
        known: rows that a ledger knows, by the first of them: how many, and whether they are
            answered and so left out; if not, they are one shard again.
        pace: how many rows those should have that are cut anew.
    """
    rows = _Rows(batches)
    starts = sorted(known, reverse=True)
    while rows.fill(1):
        while starts and starts[-1] < rows.at:
            starts.pop()
        if starts and starts[-1] == rows.at:
            length, answered = known[starts.pop()]
            first, batch = rows.take(length)
            if not answered:
                yield TableShard(batch, column or "", first)
            continue
        most = min(pace.rows, starts[-1] - rows.at) if starts else pace.rows
        first, batch = rows.take(min(most, rows.light(column, most)) if column else most)
        yield TableShard(batch, column or "", first)


class _Rows:
    """Rows taken from the front of batches, any number at a time."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._ahead: list[pa.RecordBatch] = []
        self.at = 0

    def fill(self, rows: int) -> int:
        """Read on until so many rows are at hand; how many there are."""
        there = sum(map(len, self._ahead))
        while there < rows and (batch := next(self._batches, None)) is not None:
            self._ahead.append(batch)
            there += len(batch)
        return there

    def light(self, column: str, most: int) -> int:
        """How many of the next rows one task carries, by the weight of the first."""
        self.fill(min(most, _SAMPLE))
        sample = self._ahead[0].column(column).slice(0, _SAMPLE).to_pylist()
        weight = wire_bytes([(text or "")[:LONGEST] for text in sample])
        return max(1, int(0.9 * TASK_BYTES * len(sample) / weight))

    def take(self, rows: int) -> tuple[int, pa.RecordBatch]:
        """The next rows, as many as there are, and the number of the first."""
        import pyarrow as pa

        first, pieces, left = self.at, [], min(rows, self.fill(rows))
        self.at += left
        while left:
            batch = self._ahead.pop(0)
            if len(batch) > left:
                self._ahead.insert(0, batch.slice(left))
                batch = batch.slice(0, left)
            pieces.append(batch)
            left -= len(batch)
        (whole,) = pa.Table.from_batches(pieces).combine_chunks().to_batches()
        return first, whole
