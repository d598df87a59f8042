"""The rows that a model is trained on and judged by, and what becomes of those that cannot be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matminer_compute.errors import TrainingError

from .domain import composition_keys
from .featurizer import Featurizer
from .options import TrainOptions
from .training_data import MINIMUM_ROWS, TrainingData, load_data, unusable_rows


@dataclass(frozen=True)
class Rows:
    """Rows that can be used.

    Attributes:
        formulas: as they were given.
        features: float64 (n_rows, n_features), NaN where a feature is not defined.
        target: float64 (n_rows,), in the data's unit.
        keys: uint64 (n_rows,), equal for equal reduced compositions.
    """

    formulas: list[str]
    features: np.ndarray
    target: np.ndarray
    keys: np.ndarray


def load_rows(options: TrainOptions, unusable: dict[int, str]) -> TrainingData:
    """The rows that options ask for; those of a file that cannot be read go into ``unusable``.

    Raises:
        TrainingError: as ``load_data``.
    """
    data = load_data(
        options.data,
        formula_column=options.formula_column,
        target_column=options.target_column or None,
        property_name=options.property_name or None,
        unit=options.unit or None,
        bad_rows=unusable,
    )
    return data.without(options.held_out).take(options.rows)


def featurized(
    featurizer: Featurizer, data: TrainingData, unusable: dict[int, str], skip: bool
) -> Rows:
    """The rows that can be featurized; the others are added to ``unusable``.

    Raises:
        TrainingError: some of a user's own file cannot, and are not to be skipped; or too few can.
    """
    features, rows, index, rejected = featurizer.featurize(data.formulas)
    for position, why in rejected.items():
        row = int(data.frame.index[position])
        unusable[row] = f"the formula {data.formulas[position]!r} is not understood: {why}"
    if unusable and data.is_users_own and not skip:
        raise unusable_rows(data.source, unusable)
    if len(rows) < MINIMUM_ROWS:
        raise TrainingError(
            f"Only {len(rows)} of {len(data.frame)} rows can be featurized; "
            f"at least {MINIMUM_ROWS} are needed."
        )
    formulas = data.frame["formula"].iloc[rows].tolist()
    keys = composition_keys(featurizer.loaded, formulas)
    return Rows(formulas, features[index], data.target[rows], keys)
