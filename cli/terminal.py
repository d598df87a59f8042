"""What the commands print: results for a person or for a pipe, and foreign text made harmless.

A terminal gets tables that give way where it is narrow; a pipe gets tab-separated lines with every
digit. Formulas, units and names come from elsewhere: nothing in them is markup, and nothing in them
steers a terminal.
"""

import codecs
import io
import json
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.table import Table

Cell = str | float | None

#: The plain forms that Unicode does not know of.
_PLAIN = {"·": "*", "±": "+/-", "×": "x", "−": "-", "–": "-"}
#: What a column of text keeps, at least, where all is narrow.
_TEXT = 8


@dataclass(frozen=True)
class Column:
    """One column: its heading, which a pipe may be told in full, and how it is shown.

    ``digits`` makes it one of numbers, which are never cut; of one that is ``whole`` no word is
    broken; one that ``yields`` is left out where the terminal is too narrow for all.
    """

    heading: str
    in_full: str = ""
    digits: int = 0
    yields: bool = False
    whole: bool = False


def show(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str = "") -> None:
    """Print rows on standard output: a table on a terminal, tab-separated lines elsewhere.

    A cell without anything is None. On a terminal a column without anything is left out.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not is_for_a_person():
        print("\t".join(plain(column.in_full or column.heading) for column in columns))
        for row in rows:
            print("\t".join("" if cell is None else plain(str(cell)) for cell in row))
        return
    filled = [c for c in range(len(columns)) if any(row[c] is not None for row in rows)]
    kept = filled or list(range(len(columns)))
    shown = [[_shown(row[c], columns[c]) for c in range(len(columns))] for row in rows]
    while _least_width(columns, shown, kept) > console.width:
        yielding = [c for c in kept if columns[c].yields]
        if not yielding:
            break
        kept.remove(yielding[-1])
    if title:
        console.print(Text(plain(title), style="italic"))
    console.print(_table([columns[c] for c in kept], [[row[c] for c in kept] for row in shown]))


def is_for_a_person() -> bool:
    """Whether ``show`` makes a table."""
    from rich.console import Console

    return Console().is_terminal


def print_json(value: Any) -> None:
    """Print one JSON object, as text where standard output can carry it and escaped elsewhere."""
    unicode = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not unicode))


def say(text: str) -> None:
    """Say something beside the results, on standard error."""
    print("\n".join(map(plain, text.split("\n"))), file=sys.stderr)


def plain(text: str) -> str:
    """Foreign text on one line, with what would steer a terminal or a pipe written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def make_legible(stream: TextIO) -> None:
    """Let ``stream`` write what its encoding lacks in the nearest plain form, and never fail."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="matminer-compute")


def _nearest(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = ""
    for character in error.object[error.start : error.end]:
        near = _PLAIN.get(character) or unicodedata.normalize("NFKD", character)
        near = near.encode(error.encoding, "ignore").decode(error.encoding)
        text += near or character.encode("ascii", "backslashreplace").decode()
    return text, error.end


codecs.register_error("matminer-compute", _nearest)


def _shown(cell: Cell, column: Column) -> str:
    from matminer_compute.client.numerals import significant

    if isinstance(cell, float) and column.digits:
        return significant(cell, column.digits)
    return "" if cell is None else plain(str(cell))


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for at, column in enumerate(columns):
        number = bool(column.digits)
        table.add_column(
            Text(plain(column.heading)),
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
            min_width=_least(column, [row[at] for row in rows]) if column.whole else None,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _least_width(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], kept: Sequence[int]
) -> int:
    """What a table of the ``kept`` columns needs, at least, so that no number is cut."""
    width = 1 + 3 * len(kept)
    return width + sum(_least(columns[c], [row[c] for row in rows]) for c in kept)


def _least(column: Column, cells: Sequence[str]) -> int:
    """What a column needs, at least."""
    from rich.cells import cell_len

    texts = [plain(column.heading), *cells]
    if column.whole:
        texts = [word for text in texts for word in text.split()]
    longest = max(map(cell_len, texts), default=0)
    return longest if column.digits or column.whole else min(longest, _TEXT)
