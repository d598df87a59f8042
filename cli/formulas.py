"""Which formulas a command is asked for: its arguments, and lines of standard input."""

import codecs
import re
import shlex
import sys
from pathlib import Path

import click

#: No formula ends like this.
_TABLES = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".gz", ".cif"}


def asked(arguments: tuple[str, ...]) -> list[str]:
    """The formulas: for ``-``, and for no argument and a pipe, the lines of standard input.

    Raises:
        UsageError: there are none, an argument is a file, or the lines are a table or no UTF-8.
    """
    if not arguments and not sys.stdin.isatty():
        arguments = ("-",)
    formulas: list[str] = []
    for argument in arguments:
        if argument == "-":
            formulas += _lines(click.get_binary_stream("stdin").read())
        elif _is_file(argument):
            raise click.UsageError(
                f"{argument!r} is a file, not a formula. Predict what is in it with "
                f"'matminer-compute screen {shlex.quote(argument)} -o out.csv'; or write - and a "
                "formula a line on standard input."
            )
        else:
            formulas.append(argument)
    if not formulas:
        raise click.UsageError("Give formulas, or - and a formula a line on standard input.")
    return formulas


def _lines(data: bytes) -> list[str]:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise click.UsageError(
            f"Line {line} of standard input is not UTF-8: save the file as UTF-8."
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and _is_header(lines[0]):
        raise click.UsageError(
            "Standard input is a table, not a formula a line. Predict what is in it with "
            "'matminer-compute screen - -o out.csv'."
        )
    return lines


def _is_header(line: str) -> bool:
    from matminer_compute.client.spaces.formulas import COLUMNS

    cells = [cell.strip(' "').casefold() for cell in re.split("[,;\t]", line)]
    return len(cells) > 1 and not set(cells).isdisjoint(COLUMNS)


def _is_file(argument: str) -> bool:
    path = Path(argument)
    try:
        return path.suffix.lower() in _TABLES or ("/" in argument and path.is_file())
    except (OSError, ValueError):  # longer than a path may be, or with a NUL
        return False
