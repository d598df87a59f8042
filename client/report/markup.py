"""Text and numbers as they stand in the page: foreign text is escaped here and nowhere else."""

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape

from matminer_compute.client.foreign import printable
from matminer_compute.client.numerals import significant

_AMOUNT = re.compile(r"(?<=[A-Za-z)\]}])([0-9]+(?:\.[0-9]+)?)")


def text(value: object) -> str:
    """Foreign text as HTML, with what cannot be seen, or turns the line around, written out."""
    return escape(printable(value))


def formula(value: object) -> str:
    """A formula as HTML, with its amounts as subscripts."""
    pieces = _AMOUNT.split(str(value))
    return "".join(
        f"<sub>{piece}</sub>" if at % 2 else text(piece) for at, piece in enumerate(pieces)
    )


def short(number: int) -> str:
    """A count where there is little room: ``1.2k``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def share(part: int, whole: int) -> str:
    """A part of a whole in percent; what is not nothing is never shown as nothing."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "under 0.1%"
    if 99.9 < percent < 100:
        return "over 99.9%"
    return f"{percent:.1f}%" if 0 < percent < 100 else f"{percent:.0f}%"


def number(value: float, digits: int = 4) -> str:
    """A value, with a true minus."""
    return significant(value, digits).replace("-", "\u2212")


def quantity(value: float, unit: str, digits: int = 4) -> str:
    """A value with its unit, kept on one line."""
    return f"{number(value, digits)}&nbsp;{text(unit)}" if unit else number(value, digits)


def moment(when: datetime) -> str:
    """A date and a time with its zone."""
    return text(when.strftime("%Y-%m-%d %H:%M:%S %Z").rstrip())


def duration(length: timedelta) -> str:
    """``3 h 20 min``: the two largest units that a length of time has."""
    seconds = length.total_seconds()
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def rate(rows_a_second: float) -> str:
    """Rows a second, which a screening that took no time does not have."""
    if not math.isfinite(rows_a_second):
        return "\u2013"
    return f"{rows_a_second:,.0f}" if rows_a_second >= 10 else f"{rows_a_second:.2g}"


def lines(pieces: Iterable[str]) -> str:
    """Pieces of HTML, a line each."""
    return "\n".join(pieces)
