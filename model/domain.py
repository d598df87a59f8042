"""The domain of a model: what its training formulas hold, and how far they go.

A value for a composition far from all of these is a guess, and says so (``outside``). One that was
trained on is no prediction, and says what it was taught (``in_training``). The look-ups themselves
are in the featurizer's artifact, which is the half that sees compositions.

The bounds were chosen on the bundled data, in three shuffles: trained on 80% of its 89,866
formulas, 0.3% to 0.4% of the other 20% are outside; trained on 4,000 of these, 0.4% to 0.7%.
``Fe203``, ``H20``, ``U99999``, ``CaCl22H2O`` and ``CuSO45H2O`` are outside in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .featurizer import Featurizer

Floats = npt.NDArray[np.float64]

#: Of the training formulas with as many elements, this many have no larger share of one element.
QUANTILE = 0.995
#: Fewer formulas that hold an element are few, where there are two hundred times as many in all. Of
#: less data, fewer: there, rows of rare elements are a good part of those that intervals are
#: learned from, and so inside these as often as others.
FEW, OF_ALL = 5, 200


def with_domain(
    featurizer: Featurizer, formulas: Sequence[str], folder: Path, what: str = "training"
) -> Featurizer:
    """The featurizer with the domain of some formulas among its artifacts.

    Args:
        featurizer: what featurized them.
        formulas: (n_rows,), all of which it accepts.
        folder: where to write; it must outlive the result.
        what: the formulas are: of ``training``, or of the ``calibration`` of a model whose training
            is not known.
    """
    path = folder / "domain.json"
    about = {"what": what, **domain_of(featurizer.loaded, formulas)}
    path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return replace(featurizer, artifacts={**featurizer.artifacts, "domain": str(path)})


def with_trained(
    featurizer: Featurizer, formulas: Sequence[str], target: Floats, folder: Path
) -> Featurizer:
    """The featurizer with what its model is taught among its artifacts.

    Args:
        featurizer: what featurized the formulas.
        formulas: (n_rows,), the training formulas, all of which it accepts.
        target: (n_rows,), the value that each is taught.
        folder: where to write; it must outlive the result.
    """
    path = folder / "trained.npz"
    keys, at, counts = np.unique(
        composition_keys(featurizer.loaded, formulas), return_inverse=True, return_counts=True
    )
    values = np.bincount(at, weights=target) / counts  # one that comes more than once: the mean
    np.savez_compressed(path, keys=keys, values=values)
    return replace(featurizer, artifacts={**featurizer.artifacts, "trained": str(path)})


def composition_keys(loaded: Any, formulas: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A number (n_rows,) for each formula, equal where the reduced compositions are."""
    keys = np.zeros(len(formulas), np.uint64)
    for group in loaded.parser.parse(formulas)[0]:
        keys[group.texts] = loaded.beside.keys(group)
    return keys


def domain_of(loaded: Any, formulas: Sequence[str]) -> dict[str, Any]:
    """The facts and bounds that ``outside`` goes by.

    Args:
        loaded: the featurizer's artifact.
        formulas: the training formulas.

    Returns:
        ``formulas``: how many; ``few``: an element that fewer hold is hardly known;
        ``by_element``: how many hold each symbol; ``by_size``: for each number of elements the
        largest share of one element (``fraction``, its 0.995 quantile) and the largest amount,
        whole amounts without a common divisor (``amount``).
    """
    groups, _ = loaded.parser.parse(formulas)
    held = np.zeros(len(loaded.symbols), np.intp)
    by_size = {}
    for group in sorted(groups, key=lambda group: len(group.numbers)):
        held += np.bincount(group.numbers.ravel(), minlength=len(held))
        fractions = (group.amounts / group.amounts.sum(axis=0)).max(axis=0)
        by_size[str(len(group.numbers))] = {
            "formulas": len(group.texts),
            "fraction": float(np.quantile(fractions, QUANTILE)),
            "amount": float((group.amounts.max(axis=0) / group.common_divisor()).max()),
        }
    count = sum(len(group.texts) for group in groups)
    return {
        "formulas": count,
        "few": min(FEW, 1 + count // OF_ALL),
        "by_element": {loaded.symbols[z]: int(held[z]) for z in np.flatnonzero(held).tolist()},
        "by_size": by_size,
    }
