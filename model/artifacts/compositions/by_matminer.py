"""Matminer itself, for a configuration that is not computed here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .batch import Compositions


def load_matminer(names: list[str], preset: str) -> tuple[Any, list[str]]:
    """Matminer's own featurizer for any configuration, and the symbols by atomic number."""
    from matminer.featurizers import composition
    from matminer.featurizers.base import MultipleFeaturizer
    from pymatgen.core.periodic_table import Element

    makers = {
        "ElementProperty": lambda cls: cls.from_preset(preset),
        "ValenceOrbital": lambda cls: cls(props=["frac"]),
        "IonProperty": lambda cls: cls(fast=True),
    }
    unknown = [name for name in names if not hasattr(composition, name)]
    if unknown:
        raise ValueError(f"no matminer composition featurizer is called {', '.join(unknown)}")
    featurizers = [
        makers.get(name, lambda cls: cls())(getattr(composition, name)) for name in names
    ]
    symbols = ["", *(Element.from_Z(number).symbol for number in range(1, 119))]
    return MultipleFeaturizer(featurizers), symbols


def featurize_by_matminer(
    matminer: Any,
    symbols: list[str],
    group: Compositions,
    rows: npt.NDArray[np.intp],
    features: npt.NDArray[np.float64],
) -> dict[int, str]:
    """Fill the rows of features for a group, one composition at a time; why some cannot be."""
    from pymatgen.core.composition import Composition

    refused = {}
    for row, numbers, amounts in zip(
        rows.tolist(), group.numbers.T.tolist(), group.amounts.T.tolist(), strict=True
    ):
        names = [symbols[z] for z in numbers]
        composition = Composition(dict(zip(names, amounts, strict=True)))
        try:
            features[row] = matminer.featurize(composition)
        except Exception as error:  # noqa: BLE001 matminer's featurizers raise anything
            refused[row] = f"matminer cannot featurize it: {error}"
    return refused
