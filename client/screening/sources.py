"""What a screening reads: a file of formulas, or a space of which workers make the candidates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from matminer_compute.client.ledger import Ledger
from matminer_compute.client.served import Served
from matminer_compute.client.steps import Answer, OfShard, Part

from .cutting import Pace, TableShard
from .keep import Keep

if TYPE_CHECKING:
    import pyarrow as pa


class Source(Protocol):
    """Candidates of any number, in rows: formulas of a file, or parts of a space."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def digest(self) -> str:
        """What is the same as long as its candidates are."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns that an output has of it."""
        ...

    @property
    def column(self) -> str:
        """The one of them that holds formulas."""
        ...

    @property
    def weighed(self) -> str | None:
        """The column of its batches whose texts travel, if they do."""
        ...

    @property
    def rows(self) -> int:
        """About how many rows it has."""
        ...

    @property
    def unit(self) -> str:
        """What one is called: ``row`` or ``part``."""
        ...

    @property
    def whole(self) -> bool:
        """Whether all its candidates come back, or only what is kept."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, with ``readers.REFUSED``."""
        ...

    def pace(self) -> Pace:
        """How many rows the next task has."""
        ...

    def step(self, pair: Answer, keep: Keep, served: Served, ledger: Ledger[Any] | None) -> OfShard:
        """What is done with some of its rows."""
        ...

    def answered(self, shard: TableShard, parts: list[Part], pair: Answer) -> pa.RecordBatch:
        """The rows of the output that answers give."""
        ...
