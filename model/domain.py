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


def with_domain(
    featurizer: Featurizer, formulas: Sequence[object], target: Floats, folder: Path
) -> Featurizer:
    """The featurizer with the domain of these training formulas among its artifacts.

    Args:
        featurizer: what featurized them.
        formulas: (n_rows,), the training formulas, all of which it accepts.
        target: (n_rows,), the value that each is taught.
        folder: where to write; it must outlive the result.
    """
    domain, trained = folder / "domain.json", folder / "trained.npz"
    texts = [str(formula) for formula in formulas]
    domain.write_text(json.dumps(domain_of(featurizer.loaded, texts), indent=1), encoding="utf-8")
    keys, at, counts = np.unique(
        composition_keys(featurizer.loaded, texts), return_inverse=True, return_counts=True
    )
    values = np.bincount(at, weights=target) / counts  # one that comes more than once: the mean
    np.savez_compressed(trained, keys=keys, values=values)
    beside = {"domain": str(domain), "trained": str(trained)}
    return replace(featurizer, artifacts={**featurizer.artifacts, **beside})


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
        ``formulas``: how many; ``by_element``: how many hold each symbol; ``by_size``: for each
        number of elements the largest share of one element (``fraction``, its 0.995 quantile) and
        the largest amount, whole amounts without a common divisor (``amount``).
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
    return {
        "formulas": sum(len(group.texts) for group in groups),
        "by_element": {loaded.symbols[z]: int(held[z]) for z in np.flatnonzero(held).tolist()},
        "by_size": by_size,
    }
