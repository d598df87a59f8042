"""Which rows of a screening are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matminer_compute.client.foreign import in_our_words
from matminer_compute.functions.spaces.kept import MOST

from .table import floats

if TYPE_CHECKING:
    import pyarrow as pa


class Keep(BaseModel):
    """What is kept: all rows by default.

    Attributes:
        top: so many, in order, those with the lowest values unless ``order`` says otherwise.
        order: ``lowest`` or ``highest`` first, for ``top``.
        below: only values below this.
        above: only values above this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    top: int | None = Field(default=None, gt=0)
    order: Literal["lowest", "highest"] = "lowest"
    below: float | None = Field(default=None, allow_inf_nan=False)
    above: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _possible(self) -> Keep:
        if self.below is not None and self.above is not None and self.below <= self.above:
            raise ValueError(f"Nothing is below {self.below:g} and above {self.above:g}.")
        return self

    def on_workers(self) -> dict[str, Any]:
        """What a worker keeps of a space, so that nothing that is kept here is missing.

        Raises:
            ValueError: more are to be kept than an answer holds.
        """
        against = self.above if self.order == "lowest" else self.below
        if self.top is not None and against is None:
            if self.top > MOST:
                raise ValueError(f"top: of a space at most {MOST:,} are kept, not {self.top:,}.")
            return {"top": self.top, "order": self.order}
        if self.below is not None:
            return {"below": self.below}
        return {"all": True} if self.above is None else {"above": self.above}

    def has(self, order: Literal["lowest", "highest"]) -> bool:
        """Whether the rows with the lowest or highest values of all are kept."""
        against = self.above if order == "lowest" else self.below
        return against is None and (self.top is None or self.order == order)

    @property
    def everything(self) -> bool:
        """Whether every row is kept, the rejected among them."""
        return self.top is None and self.below is None and self.above is None


def keeping(
    *,
    top: int | None,
    order: Literal["lowest", "highest"],
    below: float | None,
    above: float | None,
) -> Keep:
    """What is kept, as a caller says it.

    Raises:
        ValueError: nothing can be so.
    """
    try:
        return Keep(top=top, order=order, below=below, above=above)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {in_our_words(first['msg'])}." if where else in_our_words(first["msg"])
        raise ValueError(said) from None


class Kept:
    """Rows as they come, of which some are passed on: at once, or when all have come.

    Args:
        keep: which.
        value: the column of values.
    """

    def __init__(self, keep: Keep, value: str) -> None:
        self._keep, self._value = keep, value
        self._best: list[pa.RecordBatch] = []
        self._many = 0

    def of(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take rows, in their order; those that may be passed on now."""
        if self._keep.everything:
            yield batch
            return
        import pyarrow as pa

        values = floats(batch, self._value)
        wanted = ~np.isnan(values)
        if self._keep.below is not None:
            wanted &= values < self._keep.below
        if self._keep.above is not None:
            wanted &= values > self._keep.above
        kept = batch if wanted.all() else batch.filter(pa.array(wanted))
        if self._keep.top is None:
            yield kept
            return
        self._best.append(kept)
        self._many += len(kept)
        if self._many > 2 * self._keep.top:
            self._best = [best(self._best, self._value, self._keep.top, self._keep.order)]
            self._many = len(self._best[0])

    def rest(self) -> Iterator[pa.RecordBatch]:
        """The rows that had to wait for all."""
        if self._best:
            assert self._keep.top is not None
            yield best(self._best, self._value, self._keep.top, self._keep.order)


def best(
    batches: list[pa.RecordBatch], value: str, top: int, order: Literal["lowest", "highest"]
) -> pa.RecordBatch:
    """The rows with the lowest or highest values, in that order; of equal ones the first.

    Rows without a value are none of them.
    """
    import pyarrow as pa

    parts = [batch for batch in batches if len(batch)] or batches[:1]
    values = np.concatenate([floats(batch, value) for batch in parts])
    values = np.where(np.isnan(values), np.inf, values if order == "lowest" else -values)
    rows = np.arange(len(values))
    if top < len(values):
        rows = np.flatnonzero(values <= np.partition(values, top - 1)[top - 1])
    rows = rows[np.argsort(values[rows], kind="stable")][:top]
    rows = rows[values[rows] < np.inf]
    table = pa.Table.from_batches(parts).take(pa.array(rows)).combine_chunks()
    return table.to_batches()[0] if len(rows) else parts[0].slice(0, 0)
