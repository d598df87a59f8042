"""What the client returns."""

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
from .row import Row
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
        std: float64 of shape (n,), the standard deviation over the model's trees, in ``unit``;
            NaN where rejected, and where the estimator has no trees to compare.
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
        lower: float64 of shape (n,), where the model's interval begins, in ``unit``; NaN where a
            row has none. None where the model has none.
        upper: float64 of shape (n,), where it ends.

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
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None

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
            rejected=_taken(self.rejected, range(len(self))[index]),
            outside=_taken(self.outside, range(len(self))[index]),
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
                std = self.std[row]
                spread = f" ± {significant(std, 3)}" if std == std else ""
                lines.append(f"  {formula}: {significant(self.values[row])}{spread}{unit}")
                if row in self.outside:
                    lines[-1] += f" (outside the training data: {self.outside[row]})"
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
                )
        return {
            "predictions": rows,
            "property": self.property,
            "unit": self.unit,
            "model": self.model,
            "featurizer": self.featurizer,
            "worker": self.workers[0] if self.workers else None,
            **({"workers": self.workers} if len(self.workers) > 1 else {}),
            "stale": self.stale,
            "warnings": self.warnings,
        }

    def to_pandas(self) -> "pd.DataFrame":
        """A frame with columns formula, the property, its std, rejected, outside (None where not).

        The interval's ``_lower`` and ``_upper`` stand beside the std where the model has one.

        Raises:
            PackageMissing: pandas, which the client does not need otherwise, is not installed.
        """
        with packages():
            import pandas as pd

        value = self.property or "value"
        spreads = {"std": self.std, "lower": self.lower, "upper": self.upper}
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
        """Write CSV into a file or onto a stream: formula, value (unit), std, rejected, outside.

        Raises:
            FileUnusable: the file cannot be written.
        """
        interval = [] if self.lower is None else ["lower", "upper"]
        write_csv(
            where,
            ["formula", self.label(), "std", *interval, "rejected", "outside"],
            (
                [row.formula, _number(row.value), row.std]
                + ([row.lower, row.upper] if interval else [])
                + [row.rejected, row.outside]
                for row in self
            ),
        )

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the values: up to 40 in order, with intervals or else ± std; more as a histogram.

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
            f"{self.property} by {_name(self.model)}: "
            f"{len(self):,} formulas, {len(self.rejected):,} rejected"
        )

    def _row(self, at: int) -> Row:
        return Row(
            self.formulas[at],
            float(self.values[at]),
            _number(self.std[at]),
            None if self.lower is None else _number(self.lower[at]),
            None if self.upper is None else _number(self.upper[at]),
            self.outside.get(at),
            self.rejected.get(at),
        )


@dataclass(frozen=True, repr=False, eq=False)
class Features:
    """Features of the formulas asked, in the order asked.

    Attributes:
        formulas: what was asked, length n.
        matrix: float64 of shape (n, n_features); a row of NaN where rejected.
        labels: what each column is, length n_features.
        rejected: reason by index into ``formulas``.
        featurizer: name, version, run_id and schema of the featurizer that answered.

    An index gives one row's features by label; a slice is of the same kind.
    """

    formulas: Sequence[Any]
    matrix: NDArray[np.float64]
    labels: list[str]
    rejected: dict[int, str]
    featurizer: dict[str, Any]

    def __len__(self) -> int:
        return len(self.formulas)

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "dict[str, float] | Self":
        if not isinstance(index, slice):
            row = self.matrix[range(len(self))[operator.index(index)]]
            return dict(zip(self.labels, row.tolist(), strict=True))
        return replace(
            self,
            formulas=self.formulas[index],
            matrix=self.matrix[index],
            rejected=_taken(self.rejected, range(len(self))[index]),
        )

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        return f"<{self.about()}>"

    def to_pandas(self) -> "pd.DataFrame":
        """A frame with one column a feature, indexed by formula.

        Raises:
            PackageMissing: pandas, which the client does not need otherwise, is not installed.
        """
        with packages():
            import pandas as pd

        index = pd.Index(self.formulas, name="formula")
        return pd.DataFrame(self.matrix, columns=self.labels, index=index)

    def to_csv(self, where: str | os.PathLike[str] | TextIO) -> None:
        """Write CSV into a file or onto a stream: formula, then a column a feature.

        Raises:
            FileUnusable: the file cannot be written.
        """
        rows = zip(self.formulas, self.matrix.tolist(), strict=True)
        write_csv(
            where,
            ["formula", *self.labels],
            ([formula, *map(_number, values)] for formula, values in rows),
        )

    def _repr_html_(self) -> str:
        return notebook.features_table(self)

    def about(self) -> str:
        """Who featurized how many formulas."""
        return (
            f"Features by {_name(self.featurizer)}: {len(self):,} formulas by "
            f"{len(self.labels)} features, {len(self.rejected):,} rejected"
        )


def _name(model: dict[str, Any]) -> str:
    return f"{model.get('name')} version {model.get('version')}"


def _number(value: float) -> float | None:
    return float(value) if value == value else None


def _taken(reasons: dict[int, str], rows: range) -> dict[int, str]:
    return {new: reasons[old] for new, old in enumerate(rows) if old in reasons}
