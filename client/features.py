"""What the client returns for features."""

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TextIO, overload

import numpy as np
from numpy.typing import NDArray

from matminer_compute.errors.machine import packages

from . import notebook
from .row import named, number, taken
from .spreadsheet import write_csv

if TYPE_CHECKING:
    import pandas as pd


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
            rejected=taken(self.rejected, range(len(self))[index]),
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
            ([formula, *map(number, values)] for formula, values in rows),
        )

    def _repr_html_(self) -> str:
        return notebook.features_table(self)

    def about(self) -> str:
        """Who featurized how many formulas."""
        return (
            f"Features by {named(self.featurizer)}: {len(self):,} formulas by "
            f"{len(self.labels)} features, {len(self.rejected):,} rejected"
        )
