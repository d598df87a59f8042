"""Matminer itself, for a configuration that is not computed here."""

from __future__ import annotations

from typing import Any


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
