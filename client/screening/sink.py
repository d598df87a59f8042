"""Where a screening's answers go: to disk as they come, and from there in order to the output."""

from __future__ import annotations

from collections import Counter

from matminer_compute.client.ledger import Answered, Ledger, SetAside
from matminer_compute.client.run import Verdict
from matminer_compute.client.shards import Shard
from matminer_compute.client.steps import Answer, Part, seconds_of
from matminer_compute.errors import DeadlineExceeded, PayloadTooLarge, RemoteError, WorkerLost
from matminer_compute.errors.machine import files, rename

from .beside import Asked, Beside
from .cutting import Pace, TableShard
from .final import Final
from .outputs import open_output
from .readers import REFUSED
from .sources import Source
from .spool import Spool
from .table import schema_of, value_name

#: What a shard may fail of while the rest goes on, and how often it is tried again. What a worker
#: was lost with, or was overdue, has been sent three times already.
_AGAIN: dict[type[Exception], int] = {
    WorkerLost: 1,
    DeadlineExceeded: 1,
    RemoteError: 2,
    PayloadTooLarge: 0,
}


class FileSink:
    """The sink of a screening from file to file.

    Args:
        beside: where its files are.
        source: what is screened.
        pace: told how long shards take.

    Attributes:
        rows: how many rows have an answer.
        failed_rows: how many are set aside.
        pair: the pair of versions that answers, once that is known.
        final: the output in the making, from then on.
    """

    def __init__(self, beside: Beside, source: Source, pace: Pace) -> None:
        self.rows = self.failed_rows = 0
        self._beside, self._source, self._pace = beside, source, pace
        self._failures: Counter[int] = Counter()
        self._aside: list[tuple[TableShard, str]] = []
        self._waiting: dict[int, Answered | SetAside] = {}
        self._next = 0
        self._begun = False

    def begin(self, ledger: Ledger[Asked], before: list[Answered]) -> None:
        """Go on from what a ledger knows to be answered."""
        asked = ledger.head
        assert asked.pair is not None
        self._ledger, self.pair = ledger, asked.pair
        beside, value = self._beside, value_name(asked.pair)
        self.final = Final(beside.output, beside.part, asked.keep, asked.column, value)
        with files(f"{beside.output} cannot be written"):
            end = max((entry.offset + entry.size for entry in before), default=0)
            self._spool = Spool(beside.answers, end)
            self._begun = True
            for entry in before:
                self._come(entry)

    def add(self, shard: Shard, parts: list[Part]) -> None:
        """Take a shard's answers."""
        assert isinstance(shard, TableShard)
        if len(parts) > 1:
            self._pace.too_large(len(shard))
        self._pace.answered(len(shard), sum(seconds_of(answer) for _, answer in parts))
        with files(f"{self._beside.output} cannot be written"):
            offset, size = self._spool.add(self._source.answered(shard, parts, self.pair))
            entry = Answered(first=shard.first, rows=len(shard), offset=offset, size=size)
            self._ledger.note(entry)
            self._come(entry)

    def failed(self, shard: Shard, error: Exception) -> Verdict:
        """A shard is tried again, the last time by itself, and then set aside."""
        assert isinstance(shard, TableShard)
        again = next((n for kind, n in _AGAIN.items() if isinstance(error, kind)), None)
        if again is None:
            return "end"
        self._failures[shard.first] += 1
        if self._failures[shard.first] <= again:
            return "alone" if self._failures[shard.first] == again else "again"
        self._aside.append((shard, str(error)))
        entry = SetAside(first=shard.first, rows=len(shard), why=str(error))
        with files(f"{self._beside.output} cannot be written"):
            self._ledger.note(entry)
            self._come(entry)
        return "aside"

    def end(self, pair: Answer | None) -> Final:
        """Give the output its name; what was beside it goes."""
        with files(f"{self._beside.output} cannot be written"):
            self.final.close(schema_of(list(self._source.schema), self.pair))
            self._write_failed()
            rename(self._beside.part, self._beside.output)
            self._ledger.remove()
            self._spool.remove()
        return self.final

    def close(self) -> None:
        """Let go of the files, however it ended."""
        if self._begun:
            self.final.let_go()
            self._spool.close()

    def _come(self, entry: Answered | SetAside) -> None:
        """Hand on what is next in order, and all that has waited for it."""
        self._waiting[entry.first] = entry
        while (here := self._waiting.pop(self._next, None)) is not None:
            self._next += here.rows
            if isinstance(here, Answered):
                self.final.take(self._spool.read(here.offset, here.size))
        if isinstance(entry, Answered):
            self.rows += entry.rows
        else:
            self.failed_rows += entry.rows

    def _write_failed(self) -> None:
        """The rows of the shards that were set aside, and why."""
        import pyarrow as pa

        if not self._aside:
            return
        columns = [f for f in self._aside[0][0].batch.schema if f.name != REFUSED]
        schema = pa.schema([*columns, pa.field("failed", pa.string())])
        output = open_output(self._beside.failed, ".csv", schema)
        for shard, why in self._aside:
            rows = shard.batch.drop_columns([REFUSED])
            reasons = pa.array([why] * len(rows), pa.string())
            output.write(pa.RecordBatch.from_arrays([*rows.columns, reasons], schema=schema))
        output.close()
