"""Cut a list of formulas into tasks that fit the wire."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: A formula longer than this is rejected on the worker, so no more of it need travel.
_LONGEST = 1_001


@dataclass(frozen=True)
class Shard:
    """Formulas for one task, and the rows of the caller's list that they stand for."""

    formulas: list[str]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def halves(self) -> "tuple[Shard, Shard]":
        """The same in two, for when one turned out too large."""
        middle = len(self) // 2
        return (
            Shard(self.formulas[:middle], self.rows[:middle]),
            Shard(self.formulas[middle:], self.rows[middle:]),
        )


def cut(formulas: Sequence[Any], most_rows: int, most_bytes: int) -> Iterator[Shard]:
    """Shards in order, each of at most ``most_rows`` rows and ``most_bytes`` bytes of JSON.

    Rows that are not text are left out: they cannot all be JSON. See ``not_text``.
    """
    texts: list[str] = []
    rows: list[int] = []
    size = 0
    for row, formula in enumerate(formulas):
        if not isinstance(formula, str):
            continue
        text = formula[:_LONGEST]
        weight = len(json.dumps(text)) + 2  # the comma and the space after it
        if texts and (len(texts) == most_rows or size + weight > most_bytes):
            yield Shard(texts, rows)
            texts, rows, size = [], [], 0
        texts.append(text)
        rows.append(row)
        size += weight
    if texts:
        yield Shard(texts, rows)


def not_text(formulas: Sequence[Any]) -> dict[int, str]:
    """Why each row that is not text is rejected, in the worker's own words."""
    return {
        row: f"a formula must be text, not {type(formula).__name__}"
        for row, formula in enumerate(formulas)
        if not isinstance(formula, str)
    }
