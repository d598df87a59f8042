"""The result of a finished screening: what is said of it, beside the file that holds its rows."""

import builtins
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .row import Row
from .tally import Tally


@dataclass(frozen=True)
class Screening:
    """A finished screening.

    Attributes:
        output: the file that holds the rows kept.
        property: what was predicted, for example ``formation_energy_per_atom``.
        unit: of every value here, for example ``eV/atom``.
        tally: statistics of all rows that came back, kept or not.
        lowest: the rows with the lowest values, ascending, at most ten.
        highest: those with the highest, descending, at most ten.
        first: the first rows of the output, at most ten.
        kept: how many rows the output holds.
        failed: how many rows are in shards that were set aside and have no answer.
        model: name, version, run_id and schema of the model that answered all of it.
        featurizer: the same of its featurizer.
        endpoints: the UUID of each that took part, or ``embedded``.
        command: the line that asked for it, where it was one.
        started: when the first row was asked, with its time zone.
        ended: when the output got its name.
    """

    output: Path
    property: str
    unit: str
    tally: Tally
    lowest: list[Row]
    highest: list[Row]
    first: list[Row]
    kept: int
    failed: int
    model: dict[str, Any]
    featurizer: dict[str, Any]
    endpoints: list[str]
    command: str | None
    started: datetime
    ended: datetime

    @builtins.property  # a field has the name
    def rows(self) -> int:
        """How many were asked: those that came back and those set aside."""
        return self.tally.rows + self.failed

    @builtins.property
    def rejected(self) -> int:
        """How many came back without a value, because they could not be used."""
        return self.tally.rejected.total()

    @builtins.property
    def rate(self) -> float:
        """Rows that came back, a second."""
        seconds = (self.ended - self.started).total_seconds()
        return self.tally.rows / seconds if seconds > 0 else float("inf")
