"""Results as a CSV file."""

import csv
import os
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from matminer_compute.errors.machine import files, whole_file


def write_csv(
    where: str | os.PathLike[str] | TextIO, headings: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows into a file that is there when it is whole, or onto a stream.

    None leaves a cell empty; numbers have every digit.

    Raises:
        FileUnusable: the file cannot be written.
    """
    if not isinstance(where, str | os.PathLike):
        writer = csv.writer(where)
        writer.writerow(headings)
        writer.writerows(rows)
        return
    with (
        whole_file(where) as part,
        files(f"{where} cannot be written"),
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        write_csv(file, headings, rows)
