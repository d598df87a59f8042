"""What a model answers for rows of features: values, their spread, and their intervals."""

from typing import Any

from . import refusals

#: The columns of what ``regressed`` gives.
NUMBERS = ("values", "std", "lower", "upper")


def interval(model: Any, level: float) -> dict:
    """What is said of all intervals: their level, or None and ``no_interval``, the reason.

    Args:
        model: as ``models.load`` gives it.
        level: the share of them that is to hold the true value.

    Raises:
        RuntimeError: ``[unknown-interval]``: the model has intervals, but none of that level.
    """
    held = getattr(model.model, "intervals", None)
    if held is None:
        said = getattr(model.model, "no_interval", "")
        why = said or "it was published before models had intervals; train it again"
        return {"interval": None, "no_interval": f"{model.version} has no intervals: {why}."}
    if level not in held.levels:
        raise refusals.unknown_interval(str(model.version), level, held.levels)
    return {"interval": level}


def regressed(model: Any, features: Any, level: float | None) -> Any:
    """The numbers (n, 4) of features (n, n_features), NaN where there is none.

    Args:
        model: the regressor's artifact.
        features: float64.
        level: of the intervals; None: there are none.
    """
    import numpy as np

    numbers = np.full((len(features), len(NUMBERS)), np.nan)
    values, std = model.regress(features)
    numbers[:, 0], numbers[:, 1] = values, std
    if level is not None:
        numbers[:, 2], numbers[:, 3] = model.intervals.of(features, values, std, level)
    return numbers


def by_name(numbers: Any) -> dict:
    """The same as lists by name, None where there is none."""
    columns = zip(NUMBERS, numbers.T.tolist(), strict=True)
    return {name: [None if x != x else x for x in column] for name, column in columns}
