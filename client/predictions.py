"""What the client returns for predictions."""

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TextIO, overload

import numpy as np
from numpy.typing import NDArray

from matminer_compute.errors.machine import packages

from . import notebook, plots
from .numerals import significant
from .row import Row, named, number, taken
from .spreadsheet import write_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHOWN = 6


@dataclass(frozen=True, repr=False, eq=False)
class Predictions:
    """Predicted values for the formulas asked, in the order asked.

    Attributes:
        formulas: what was asked, length n.
        values: float64 of shape (n,), in ``unit``; NaN where rejected.
        std: float64 of shape (n,), the standard deviation over the model's trees or members, in
            ``unit``; NaN where rejected, and where the estimator has none to compare.
        rejected: reason by index into ``formulas``.
        property: what is predicted, for example ``formation_energy_per_atom``.
        unit: for example ``eV/atom``.
        model: name, version, run_id and schema of the model that answered.
        featurizer: the same of its featurizer.
        workers: host, python, pid, task, cold and seconds, one for each task.
        stale: the registry was away and a worker's last known version answered.
        warnings: what a worker found worth saying, each once.
        outside: reason by index into ``formulas`` for rows far from all that the model was trained
            on: their values are guesses. Empty also where training left no record of that.
        in_training: by index into ``formulas``, the value in ``unit`` that the model was taught for
            the very composition: what it says of that is no prediction.
        lower: float64 of shape (n,), where the interval begins that holds the true value with
            ``interval``, in ``unit``; NaN for rows rejected or outside. None: the model has none.
        upper: float64 of shape (n,), where it ends.
        interval: the share of intervals that hold the true value, such as 0.9; None: no interval.
        no_interval: why there is none.

    ``len``, iteration and an index go by rows (``Row``); a slice is of the same kind.
    """

    formulas: Sequence[Any]
    values: NDArray[np.float64]
    std: NDArray[np.float64]
    rejected: dict[int, str]
    property: str | None
    unit: str | None
    model: dict[str, Any]
    featurizer: dict[str, Any]
    workers: list[dict[str, Any]]
    stale: bool = False
    warnings: list[str] = field(default_factory=list)
    outside: dict[int, str] = field(default_factory=dict)
    in_training: dict[int, float] = field(default_factory=dict)
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    interval: float | None = None
    no_interval: str | None = None

    def __len__(self) -> int:
        return len(self.formulas)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "Row | Self":
        if not isinstance(index, slice):
            return self._row(range(len(self))[operator.index(index)])
        return replace(
            self,
            formulas=self.formulas[index],
            values=self.values[index],
            std=self.std[index],
            rejected=taken(self.rejected, range(len(self))[index]),
            outside=taken(self.outside, range(len(self))[index]),
            in_training=taken(self.in_training, range(len(self))[index]),
            lower=None if self.lower is None else self.lower[index],
            upper=None if self.upper is None else self.upper[index],
        )

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        lines = [f"<Predictions of {self.about()}>"]
        for row, formula in enumerate(self.formulas[:_SHOWN]):
            if row in self.rejected:
                lines.append(f"  {formula}: rejected, {self.rejected[row]}")
            else:
                lines.append(f"  {formula}: {_value(self[row])}{unit}{_remark(self[row])}")
        if len(self) > _SHOWN:
            lines.append(f"  … and {len(self) - _SHOWN:,} more")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready data: one prediction a formula, and who gave them."""
        rows: list[dict[str, Any]] = []
        for row in self:
            if row.rejected is not None:
                rows.append({"formula": row.formula, "rejected": row.rejected})
            else:
                rows.append(
                    {"formula": row.formula, "value": row.value, "std": row.std}
                    | ({} if self.lower is None else {"lower": row.lower, "upper": row.upper})
                    | ({} if row.outside is None else {"outside": row.outside})
                    | ({} if row.in_training is None else {"in_training": row.in_training})
                )
        return {
            "predictions": rows,
            "property": self.property,
            "unit": self.unit,
            "interval": self.interval,
            **({} if self.no_interval is None else {"no_interval": self.no_interval}),
            "model": self.model,
            "featurizer": self.featurizer,
            "worker": self.workers[0] if self.workers else None,
            **({"workers": self.workers} if len(self.workers) > 1 else {}),
            "stale": self.stale,
            "warnings": self.warnings,
        }

    def to_pandas(self) -> "pd.DataFrame":
        """A frame with columns formula, the property, its std, rejected, outside (None where not).

        The interval's ``_lower`` and ``_upper`` stand beside the std where the model has one, and
        ``_in_training`` where one of the formulas was trained on.

        Raises:
            PackageMissing: pandas, which the client does not need otherwise, is not installed.
        """
        with packages():
            import pandas as pd

        value = self.property or "value"
        spreads = {"std": self.std, "lower": self.lower, "upper": self.upper}
        if self.in_training:
            taught = [self.in_training.get(row, np.nan) for row in range(len(self))]
            spreads["in_training"] = np.array(taught)
        frame = pd.DataFrame(
            {
                "formula": list(self.formulas),
                value: self.values,
                **{f"{value}_{what}": some for what, some in spreads.items() if some is not None},
                "rejected": [self.rejected.get(row) for row in range(len(self))],
                "outside": [self.outside.get(row) for row in range(len(self))],
            }
        )
        frame.attrs = {"unit": self.unit, "model": self.model, "featurizer": self.featurizer}
        return frame

    def to_csv(self, where: str | os.PathLike[str] | TextIO) -> None:
        """Write CSV into a file or onto a stream, a formula a line.

        Columns: formula, value (unit), std, lower and upper if the model has intervals,
        in_training, rejected, outside.

        Raises:
            FileUnusable: the file cannot be written.
        """
        interval = [] if self.lower is None else ["lower", "upper"]
        write_csv(
            where,
            ["formula", self.label(), "std", *interval, "in_training", "rejected", "outside"],
            (
                [row.formula, number(row.value), row.std]
                + ([row.lower, row.upper] if interval else [])
                + [row.in_training, row.rejected, row.outside]
                for row in self
            ),
        )

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the values: up to 40 in order, with intervals or else ± std; more as a histogram.

        Rows outside the training data are hollow, and have neither.

        Args:
            ax: where; a new figure of pyplot's by default.

        Raises:
            PackageMissing: matplotlib is not installed.
        """
        return plots.plot(self, ax)

    def _repr_html_(self) -> str:
        return notebook.predictions_table(self)

    def label(self) -> str:
        """What the values are, with their unit."""
        return (self.property or "value") + (f" ({self.unit})" if self.unit else "")

    def about(self) -> str:
        """Who answered how many formulas."""
        return (
            f"{self.property} by {named(self.model)}: "
            f"{len(self):,} formulas, {len(self.rejected):,} rejected"
        )

    def _row(self, at: int) -> Row:
        return Row(
            self.formulas[at],
            float(self.values[at]),
            number(self.std[at]),
            None if self.lower is None else number(self.lower[at]),
            None if self.upper is None else number(self.upper[at]),
            self.outside.get(at),
            self.in_training.get(at),
            self.rejected.get(at),
        )


def _value(row: Row) -> str:
    """The value with its interval, or else its spread."""
    value = significant(row.value)
    if row.lower is not None and row.upper is not None:
        return f"{value} [{significant(row.lower)}, {significant(row.upper)}]"
    return value if row.std is None else f"{value} ± {significant(row.std, 3)}"


def _remark(row: Row) -> str:
    if row.outside:
        return f" (outside the training data: {row.outside})"
    return "" if row.in_training is None else f" (trained on as {significant(row.in_training)})"
