"""One row of a result, and what results have in common."""

from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Row:
    """One formula and what was predicted for it, in the unit of the result it is of.

    ``value`` is NaN where the formula was ``rejected``, with the reason; ``lower`` and ``upper``
    are the interval where the model gives one; ``outside`` says why the formula is outside what the
    model was trained on; ``in_training`` is the value that it was taught for this composition.
    """

    formula: Any
    value: float
    std: float | None = None
    lower: float | None = None
    upper: float | None = None
    outside: str | None = None
    in_training: float | None = None
    rejected: str | None = None


def named(model: dict[str, Any]) -> str:
    """A model or featurizer that answered, with its version."""
    return f"{model.get('name')} version {model.get('version')}"


def number(value: float) -> float | None:
    """A number, None for NaN."""
    return float(value) if value == value else None


def taken(said: dict[int, _T], rows: range) -> dict[int, _T]:
    """What is said of rows by index, of some of these rows by their new one."""
    return {new: said[old] for new, old in enumerate(rows) if old in said}
