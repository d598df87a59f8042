"""Formulas that a space refers to: a list of them, or a file."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from matminer_compute.errors import SpaceError
from matminer_compute.errors.machine import files

from .elements import elements
from .pattern import Amounts, amounts_of

_PLAIN = re.compile(r"(?:[A-Z][a-z]?(?:[1-9][0-9]*)?)+")
_TERM = re.compile(r"([A-Z][a-z]?)([0-9]*)")
#: Names that a column of formulas has, in any case.
COLUMNS = ("formula", "composition", "pretty_formula", "reduced_formula")


def given(formulas: str | list[str], folder: Path, key: str) -> list[str]:
    """The formulas, from a file if one is named.

    Args:
        formulas: themselves, or the name of a file: CSV or TSV with a column of formulas, or text
            with a formula a line; also compressed by gzip.
        folder: where a relative name begins.
        key: of the space, to be named by an error.

    Raises:
        SpaceError: the file cannot be read.
    """
    if not isinstance(formulas, str):
        return formulas
    path = folder / formulas
    with files(f"{key}: {path} cannot be read", SpaceError):
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            try:
                data, path = gzip.decompress(data), path.with_suffix("")
            except (EOFError, zlib.error) as error:
                raise SpaceError(
                    f"{key}: {path} is cut off or damaged ({error}): copy or download it again."
                ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpaceError(f"{key}: {path} is not UTF-8; save it as such.") from error
    if path.suffix.lower() not in (".csv", ".tsv"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max("\t;,", key=head.count))
    names = {name.strip().lower(): name for name in rows.fieldnames or []}
    column = next((names[name] for name in COLUMNS if name in names), None)
    if column is None:
        raise SpaceError(f"{key}: {path} has no column of formulas; call one 'formula'.")
    return [row[column].strip() for row in rows if row[column]]


def read(formulas: list[str]) -> Iterator[tuple[str, Amounts | None]]:
    """Each formula with its amounts by element; None where it cannot be read."""
    table = elements()
    for formula in formulas:
        try:
            amounts = _plain(formula) or amounts_of(formula)
        except ValueError:
            yield formula, None
            continue
        positive = {symbol: amount for symbol, amount in amounts.items() if amount > 0}
        yield formula, positive if positive and positive.keys() <= table.keys() else None


def _plain(formula: str) -> Amounts:
    """The amounts of what is nothing but symbols, each once, and whole numbers; else none."""
    if not _PLAIN.fullmatch(formula):
        return {}
    terms = _TERM.findall(formula)
    amounts = {symbol: Fraction(int(amount or 1)) for symbol, amount in terms}
    return amounts if len(amounts) == len(terms) else {}
