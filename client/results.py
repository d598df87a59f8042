"""What the client returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matminer_compute.errors.machine import packages

from .numerals import significant

if TYPE_CHECKING:
    import pandas as pd

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

    def __len__(self) -> int:
        return len(self.formulas)

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        lines = [
            f"<Predictions of {self.property} by {_name(self.model)}: "
            f"{len(self):,} formulas, {len(self.rejected):,} rejected>"
        ]
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
        for row, formula in enumerate(self.formulas):
            if row in self.rejected:
                rows.append({"formula": formula, "rejected": self.rejected[row]})
            else:
                value, std = float(self.values[row]), float(self.std[row])
                rows.append(
                    {"formula": formula, "value": value, "std": std if std == std else None}
                    | ({"outside": self.outside[row]} if row in self.outside else {})
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

        Raises:
            PackageMissing: pandas, which the client does not need otherwise, is not installed.
        """
        with packages():
            import pandas as pd

        value = self.property or "value"
        frame = pd.DataFrame(
            {
                "formula": list(self.formulas),
                value: self.values,
                f"{value}_std": self.std,
                "rejected": [self.rejected.get(row) for row in range(len(self))],
                "outside": [self.outside.get(row) for row in range(len(self))],
            }
        )
        frame.attrs = {"unit": self.unit, "model": self.model, "featurizer": self.featurizer}
        return frame


@dataclass(frozen=True, repr=False, eq=False)
class Features:
    """Features of the formulas asked, in the order asked.

    Attributes:
        formulas: what was asked, length n.
        matrix: float64 of shape (n, n_features); a row of NaN where rejected.
        labels: what each column is, length n_features.
        rejected: reason by index into ``formulas``.
        featurizer: name, version, run_id and schema of the featurizer that answered.
    """

    formulas: Sequence[Any]
    matrix: NDArray[np.float64]
    labels: list[str]
    rejected: dict[int, str]
    featurizer: dict[str, Any]

    def __len__(self) -> int:
        return len(self.formulas)

    def __repr__(self) -> str:
        return (
            f"<Features by {_name(self.featurizer)}: {len(self):,} formulas by "
            f"{len(self.labels)} features, {len(self.rejected):,} rejected>"
        )

    def to_pandas(self) -> "pd.DataFrame":
        """A frame with one column a feature, indexed by formula.

        Raises:
            PackageMissing: pandas, which the client does not need otherwise, is not installed.
        """
        with packages():
            import pandas as pd

        index = pd.Index(self.formulas, name="formula")
        return pd.DataFrame(self.matrix, columns=self.labels, index=index)


def _name(model: dict[str, Any]) -> str:
    return f"{model.get('name')} version {model.get('version')}"
