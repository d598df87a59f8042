"""An ensemble of small networks: what it is in memory, and what it answers.

Every member is a multilayer perceptron with rectified units on the same standardised columns:

    x = clip((feature - mean) / scale, -6, 6), 0 where a feature is missing
    h = max(0, h @ W + b) for each layer but the last; the last gives one number
    answer = centre + unit * number, in the target's unit

A member's parameters are one flat row, W row by row and then b, layer after layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

CLIP = 6.0  # standard deviations
BLOCK_ROWS = 128  # rows whose activations are in cache together

COLUMN = np.dtype([("column", "<i4"), ("mean", "<f8"), ("scale", "<f8")])


@dataclass(frozen=True)
class Ensemble:
    """Fitted networks.

    Attributes:
        n_features: columns that a caller hands over.
        columns: (n_columns,), those that are read, with mean and scale of each.
        layers: units of each layer, from n_columns to 1.
        weights: float32 (n_members, n_parameters).
        centre: added to what the networks give, in the target's unit.
        unit: by which it is multiplied before, in the target's unit.
    """

    n_features: int
    columns: npt.NDArray[np.void]
    layers: tuple[int, ...]
    weights: Float32
    centre: float
    unit: float

    def predict_members(self, features: Float64) -> Float64:
        """Features (n, n_features), NaN where one is missing, to answers (n_members, n).

        A row's answer depends on the other rows of its block only by the rounding of float32
        (under 1e-5 of the target's spread): BLAS adds in an order of its own.

        Raises:
            ValueError: another number of features, or infinite ones.
        """
        if features.shape[1] != self.n_features:
            raise ValueError(f"X has {features.shape[1]} features, expected {self.n_features}")
        members = [layers_of(row, self.layers) for row in self.weights]
        answers = np.empty((len(members), len(features)))
        for start in range(0, len(features), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            x = standardised(features[block], self.columns)
            for member, layers in enumerate(members):
                answers[member, block] = forward(x, layers)
        return self.centre + self.unit * answers

    def regress(self, features: Float64) -> tuple[Float64, Float64]:
        """Mean and population standard deviation over the members, both (n,)."""
        answers = self.predict_members(features)
        return answers.mean(axis=0), answers.std(axis=0)

    def check(self) -> None:
        """Raise ValueError unless the parts fit together and every number is finite."""
        columns, sizes = self.columns, self.layers
        sound = len(sizes) > 1 and sizes[0] == len(columns) and sizes[-1] == 1 and min(sizes) > 0
        sound = sound and self.weights.shape[0] > 0
        sound = sound and self.weights.shape[1] == n_parameters(sizes)
        sound &= bool(((columns["column"] >= 0) & (columns["column"] < self.n_features)).all())
        sound &= bool(np.isfinite(columns["mean"]).all() and (columns["scale"] > 0).all())
        sound &= math.isfinite(self.centre) and math.isfinite(self.unit) and self.unit > 0
        if not sound or not np.isfinite(self.weights).all():
            raise ValueError("the network is damaged: its arrays do not form one")


def n_parameters(layers: tuple[int, ...]) -> int:
    """Weights and biases of one member."""
    return sum((rows + 1) * columns for rows, columns in pairwise(layers))


def layers_of(flat: Float32, layers: tuple[int, ...]) -> list[tuple[Float32, Float32]]:
    """Views (W, b) of each layer into one member's flat parameters."""

    def views() -> Iterator[tuple[Float32, Float32]]:
        start = 0
        for rows, columns in pairwise(layers):
            middle, end = start + rows * columns, start + (rows + 1) * columns
            yield flat[start:middle].reshape(rows, columns), flat[middle:end]
            start = end

    return list(views())


def standardised(features: Float64, columns: npt.NDArray[np.void]) -> Float32:
    """The columns that are read (n, n_columns), as the networks take them.

    Raises:
        ValueError: a feature is infinite.
    """
    if np.isinf(features).any():
        raise ValueError("Input X contains infinity.")
    x = (features[:, columns["column"]] - columns["mean"]) / columns["scale"]
    np.copyto(x, 0.0, where=np.isnan(x))
    taken: Float32 = np.clip(x, -CLIP, CLIP).astype(np.float32)
    return taken


def forward(x: Float32, layers: list[tuple[Float32, Float32]]) -> Float32:
    """Inputs (n, n_columns) to one number each, (n,), of one member."""
    for weight, bias in layers[:-1]:
        x = x @ weight
        x += bias
        np.maximum(x, 0, out=x)
    weight, bias = layers[-1]
    answer: Float32 = (x * weight[:, 0]).sum(axis=1) + bias
    return answer
