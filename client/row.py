"""One row of a result."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One formula and what was predicted for it, in the unit of the result it is of.

    ``value`` is NaN where the formula was ``rejected``, with the reason; ``lower`` and ``upper``
    are the interval where the model gives one; ``outside`` says why the formula is outside what the
    model was trained on.
    """

    formula: Any
    value: float
    std: float | None = None
    lower: float | None = None
    upper: float | None = None
    outside: str | None = None
    rejected: str | None = None
