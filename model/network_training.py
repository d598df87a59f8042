"""How one network learns: Adam on the absolute error, with a warm-up, then a cosine.

All parameters of a network are one flat array, so a step of the optimiser is a few operations on it
(D. P. Kingma and J. Ba, arXiv:1412.6980). The absolute error, not its square, is what a model of
materials is judged by, and outliers pull it less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matminer_compute.errors import TrainingError

from .artifacts.networks.ensemble import Float32, forward, layers_of, n_parameters

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as its authors have them


@dataclass(frozen=True)
class Recipe:
    """What a network is trained with.

    Attributes:
        layers: units of each layer, from the columns to 1.
        epochs: passes over the rows.
        batch_size: rows of a step.
        learning_rate: of Adam, at its highest.
        warm_up: steps until it is reached; a tenth of all if these are fewer.
        alpha: strength of the L2 penalty; a step adds ``alpha / batch_size * W`` to the gradient.
    """

    layers: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    warm_up: int
    alpha: float


def train_member(
    x: Float32, y: Float32, recipe: Recipe, seed: np.random.SeedSequence, go_on: Callable[[], bool]
) -> Float32:
    """The parameters of one network, float32 (n_parameters,).

    Args:
        x: standardised columns (n, n_columns).
        y: standardised target (n,).
        recipe: how to train.
        seed: of the first weights and of the order of rows.
        go_on: asked before every step; False ends the training.

    Raises:
        TrainingError: the training diverges, or was told to end.
    """
    random = np.random.default_rng(seed)
    optimiser = _Adam(_glorot(recipe.layers, random), recipe)
    batch = min(recipe.batch_size, len(y))
    per_epoch = len(y) // batch  # the rest of a shuffle comes in another epoch
    total = recipe.epochs * per_epoch
    step = 0
    for _ in range(recipe.epochs):
        order = random.permutation(len(y))
        for start in range(0, per_epoch * batch, batch):
            if not go_on():
                raise TrainingError("The training of a network was broken off.")
            rows = order[start : start + batch]
            optimiser.gradient_of(x[rows], y[rows])
            optimiser.step(_rate(step, total, recipe))
            step += 1
        if not np.isfinite(optimiser.flat).all():
            raise TrainingError(_diverged("its weights are no longer finite"))
    return optimiser.flat


def refuse_useless(x: Float32, y: Float32, flat: Float32, layers: tuple[int, ...]) -> None:
    """Raise TrainingError if a network is further from its own training rows than their median."""
    views = layers_of(flat, layers)
    error = np.concatenate(
        [np.abs(forward(x[i : i + 4096], views) - y[i : i + 4096]) for i in range(0, len(y), 4096)]
    ).mean()
    trivial = np.abs(y - np.median(y)).mean()
    if not error < trivial:
        raise TrainingError(
            _diverged(f"it is {error / trivial:.3g} times as far off as the median")
        )


def _diverged(how: str) -> str:
    return (
        f"The training of a network diverged: {how}. Look for absurd values of the target or of "
        "the features, or choose another estimator."
    )


def _glorot(layers: tuple[int, ...], random: np.random.Generator) -> Float32:
    """Weights uniform within sqrt(6 / (in + out)), biases zero (X. Glorot, AISTATS 2010)."""
    flat = np.zeros(n_parameters(layers), np.float32)
    for weight, _ in layers_of(flat, layers):
        bound = math.sqrt(6 / sum(weight.shape))
        weight[...] = random.uniform(-bound, bound, weight.shape)
    return flat


def _rate(step: int, total: int, recipe: Recipe) -> float:
    """The learning rate of a step: a ramp, then a cosine down to zero."""
    warm_up = min(recipe.warm_up, total // 10)
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    done = (step - warm_up) / max(1, total - warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


class _Adam:
    """Parameters of a network, their gradient, and the steps that follow from it."""

    def __init__(self, flat: Float32, recipe: Recipe) -> None:
        self.flat = flat
        self._layers = layers_of(flat, recipe.layers)
        self._gradient, self._first, self._second, self._work = (
            np.zeros_like(flat) for _ in "gmvw"
        )
        self._slopes = layers_of(self._gradient, recipe.layers)
        self._alpha = np.float32(recipe.alpha / recipe.batch_size)
        self._steps = 0

    def gradient_of(self, x: Float32, y: Float32) -> None:
        """Leave the gradient of the mean absolute error over a batch in ``_gradient``."""
        activations = [x]
        for weight, bias in self._layers[:-1]:
            x = x @ weight
            x += bias
            np.maximum(x, 0, out=x)
            activations.append(x)
        weight, bias = self._layers[-1]
        slope = np.sign(x @ weight + bias - y[:, None]) / np.float32(len(y))
        for layer in reversed(range(len(self._layers))):
            weight, _ = self._layers[layer]
            to_weight, to_bias = self._slopes[layer]
            np.matmul(activations[layer].T, slope, out=to_weight)
            np.sum(slope, axis=0, out=to_bias)
            to_weight += self._alpha * weight
            if layer:
                slope = slope @ weight.T
                slope *= activations[layer] > 0

    def step(self, rate: float) -> None:
        """One step of Adam."""
        self._steps += 1
        first, second, work = self._first, self._second, self._work
        first *= BETA_1
        np.multiply(self._gradient, np.float32(1 - BETA_1), out=work)
        first += work
        second *= BETA_2
        np.square(self._gradient, out=work)
        work *= np.float32(1 - BETA_2)
        second += work
        correction = math.sqrt(1 - BETA_2**self._steps)
        np.sqrt(second, out=work)
        work += np.float32(EPSILON * correction)
        np.divide(first, work, out=work)
        work *= np.float32(rate * correction / (1 - BETA_1**self._steps))
        self.flat -= work
