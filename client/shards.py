"""Cut formulas into tasks that fit the wire."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: What one task may weigh as it travels, in bytes: eight of them fit a request of the service's.
TASK_BYTES = 1_000_000
_ARGUMENTS = 8  # that a function is called with, at most
#: A formula longer than this is rejected on the worker, so no more of it need travel.
LONGEST = 1_001


class Shard(Protocol):
    """Formulas for one task, and the rows of what was asked that they stand for."""

    @property
    def formulas(self) -> list[str]:
        """As they travel."""
        ...

    @property
    def rows(self) -> Sequence[int]:
        """One for each formula, in order."""
        ...

    @property
    def first(self) -> int:
        """The first of the rows."""
        ...

    def __len__(self) -> int: ...

    def halves(self) -> "tuple[Shard, Shard]":
        """The same in two, for when one turned out too large."""
        ...


@dataclass(frozen=True)
class ListShard:
    """A shard of a list."""

    formulas: list[str]
    rows: list[int]

    @property
    def first(self) -> int:
        """The first of the rows."""
        return self.rows[0] if self.rows else 0

    def __len__(self) -> int:
        return len(self.rows)

    def halves(self) -> "tuple[ListShard, ListShard]":
        """The same in two, for when one turned out too large."""
        middle = len(self) // 2
        return (
            ListShard(self.formulas[:middle], self.rows[:middle]),
            ListShard(self.formulas[middle:], self.rows[middle:]),
        )


def wire_bytes(value: Any) -> int:
    """What ``value`` weighs as it travels: JSON, as a string in the JSON of a request."""
    return _inside(value) + len('""')


def _inside(value: Any) -> int:
    """The same without the quotes of that string."""
    if isinstance(value, list) and (plain := _of_plain_texts(value)):
        return plain
    if isinstance(value, list | tuple) and len(value) <= _ARGUMENTS:
        return sum(map(_inside, value)) + 2 * max(1, len(value))  # brackets, and between them ", "
    text = json.dumps(value)  # ASCII, of which that string escapes two characters
    return len(text) + text.count('"') + text.count("\\")


def _of_plain_texts(texts: list[Any]) -> int:
    """What a list of texts weighs in which nothing is escaped, without its JSON; 0 of any other."""
    try:
        joined = "".join(texts)
    except TypeError:
        return 0
    if not (joined.isascii() and joined.isprintable()) or '"' in joined or "\\" in joined:
        return 0
    return len(joined) + len('\\"\\", ') * len(texts)  # and a bracket at each end


def cut(formulas: Sequence[Any], most_rows: int, most_bytes: int) -> Iterator[ListShard]:
    """Shards in order, each of at most ``most_rows`` rows and ``most_bytes`` bytes as it travels.

    Rows that are not text are left out: they cannot all be JSON. See ``not_text``.
    """
    rows = [row for row, formula in enumerate(formulas) if isinstance(formula, str)]
    for start in range(0, len(rows), most_rows):
        part = rows[start : start + most_rows]
        yield from _light(ListShard([formulas[row][:LONGEST] for row in part], part), most_bytes)


def _light(shard: ListShard, most_bytes: int) -> Iterator[ListShard]:
    if len(shard) == 1 or wire_bytes(shard.formulas) <= most_bytes:
        yield shard
    else:
        for half in shard.halves():
            yield from _light(half, most_bytes)


def not_text(formulas: Sequence[Any]) -> dict[int, str]:
    """Why each row that is not text is rejected, in the worker's own words."""
    return {
        row: f"a formula must be text, not {type(formula).__name__}"
        for row, formula in enumerate(formulas)
        if not isinstance(formula, str)
    }
