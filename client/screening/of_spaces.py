"""A space as what a screening reads: part numbers, of which workers make the candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matminer_compute.client.calls import Calls
from matminer_compute.client.driver import Step
from matminer_compute.client.ledger import Ledger
from matminer_compute.client.served import Served
from matminer_compute.client.shards import Shard
from matminer_compute.client.spaces import Space
from matminer_compute.client.steps import Answer, Parts, halving

from .cutting import Pace
from .keep import Keep
from .readers import REFUSED
from .table import of_kept

if TYPE_CHECKING:
    import pyarrow as pa

_PART = "part"
_BATCH = 10_000


class SpaceInput:
    """What ``inputs.Input`` is for a file."""

    column = "formula"
    weighed = None
    whole = False  # only what is kept is seen here
    unit = "part"

    def __init__(self, space: Space) -> None:
        self._space = space
        self.name = repr(space)
        self.rows = space.parts
        written = json.dumps(space.as_json(), sort_keys=True)
        self.digest = hashlib.sha256(written.encode()).hexdigest()

    @property
    def schema(self) -> pa.Schema:
        """The columns of an output, before those of an answer."""
        import pyarrow as pa

        return pa.schema([("formula", pa.string())])

    def pace(self) -> Pace:
        """How many parts the next task has."""
        return Pace(1, self.rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The part numbers."""
        import pyarrow as pa

        for first in range(0, self.rows, _BATCH):
            parts = pa.array(range(first, min(first + _BATCH, self.rows)), pa.int64())
            yield pa.record_batch({_PART: parts, REFUSED: pa.nulls(len(parts), pa.string())})

    def step(
        self, pair: Answer, keep: Keep, served: Served, ledger: Ledger[Any] | None
    ) -> ScreeningParts:
        """What is done with them."""
        asked = {"keep": keep.on_workers()} | served.interval
        return ScreeningParts(self._space.as_json(), asked, pair["model"], ledger)

    def answered(self, shard: Shard, parts: list[Any], pair: Answer) -> pa.RecordBatch:
        """The rows that were kept of them, and the tally of all."""
        return of_kept(parts, pair)


@dataclass(frozen=True)
class ScreeningParts:
    """From part numbers to what is kept of their candidates, by one version of a model."""

    space: dict[str, Any]
    asked: dict[str, Any]
    model: dict[str, str]
    ledger: Ledger[Any] | None
    function: str = "screen_space"

    def __call__(self, calls: Calls, shard: Shard) -> Parts:
        """The step of some parts."""
        return halving(self._whole, calls, shard, self.ledger)

    def _whole(self, calls: Calls, shard: Shard, ledger: Ledger[Any] | None) -> Step[Answer]:
        ticket = ledger.ticket(shard.first, len(shard), self.function) if ledger else None
        which = {"name": self.model["name"], "version": self.model["version"]}
        return calls.call(self.function, [self.space, list(shard.rows)], which | self.asked, ticket)
