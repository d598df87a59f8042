"""A CSV file as a spreadsheet shows it: every cell as text, every row by its number.

Sodium nitride is written ``NaN``, so no cell is taken for a missing value, and none for a number,
before somebody asks for one.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from matminer_compute.errors import TrainingError

_SAVE_AS = (
    "save it as CSV in UTF-8 (in a spreadsheet: Save as, 'CSV UTF-8'; in a shell: "
    "iconv -f {encoding} -t UTF-8 {name} > new.csv)"
)


@dataclass(frozen=True)
class Sheet:
    """The rows of a CSV file below its header.

    Attributes:
        path: the file.
        header: names of the columns, without surrounding spaces.
        rows: each row's number in a spreadsheet (the header is 1) and its cells; blank rows are
            left out.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def column(self, name: str) -> int:
        """Return the position of a column, whose name need not have the same case.

        Raises:
            TrainingError: there is no such column, or there are several.
        """
        for same in (str, str.casefold):
            found = [i for i, column in enumerate(self.header) if same(column) == same(name)]
            if len(found) == 1:
                return found[0]
            if found:
                raise TrainingError(f"{self.path} has {len(found)} columns called {name!r}.")
        raise TrainingError(f"{self.path} has no column {name!r}; row 1 names {self._named()}.")

    def only_other(self, position: int) -> int:
        """Return the position of the one named column besides another.

        Raises:
            TrainingError: there is none, or there are several to choose from.
        """
        others = [i for i, name in enumerate(self.header) if name and i != position]
        if len(others) == 1:
            return others[0]
        listed = ", ".join(repr(self.header[i]) for i in others)
        if not others:
            raise TrainingError(f"{self.path} has no column to learn: row 1 names {self._named()}.")
        raise TrainingError(
            f"{self.path} has several columns besides {self.header[position]!r}: name the one to "
            f"learn (--target-column), one of {listed}."
        )

    def _named(self) -> str:
        return ", ".join(map(repr, self.header))


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file, plain or gzipped, separated by commas, semicolons or tabs.

    Raises:
        TrainingError: it cannot be read, is no CSV file in UTF-8, or has no header.
    """
    text = _text(path)
    first = text.partition("\n")[0]
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise TrainingError(f"{path} cannot be read as a CSV file: {error}.") from error
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise TrainingError(f"{path} cannot be read as a CSV file: its first row is empty.")
    header = [cell.strip() for cell in lines[0]]
    if any(_is_number(cell) for cell in header):
        raise TrainingError(
            f"{path} has no header: row 1 is {', '.join(map(repr, header))}. Put a row of names "
            "above it, such as formula,gap."
        )
    numbered = [(number, row) for number, row in enumerate(lines[1:], 2) if any(row)]
    return Sheet(path, header, numbered)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise TrainingError(f"There is no file {path}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TrainingError(
            f"{path} is cut off or damaged ({error}): copy or download it again."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be read as a CSV file: {error.strerror or error}."
        ) from error
    if content.startswith(b"PK\x03\x04"):
        raise TrainingError(f"{path} is a workbook or another zip file: save it as CSV.")
    if b"\x00" in content[:4096]:
        how = _SAVE_AS.format(encoding="UTF-16", name=path.name)
        raise TrainingError(f"{path} cannot be read as a CSV file: it looks like UTF-16; {how}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        how = _SAVE_AS.format(encoding="LATIN1", name=path.name)
        raise TrainingError(
            f"{path} cannot be read as a CSV file: line {line} is not UTF-8, so it is probably "
            f"Latin-1; {how}."
        ) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.lower() != "nan"
