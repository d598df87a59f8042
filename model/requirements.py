"""What a worker must have installed, pinned to what the model was trained with."""

from __future__ import annotations

import platform
from importlib.metadata import version

_FEATURIZER = ("mlflow", "numba", "numpy", "pandas", "pymatgen")
_SKLEARN = ("scikit-learn", "skops")


def featurizer_requirements(needs_matminer: bool) -> list[str]:
    """Return pip requirements, exact, for running the featurizer alone."""
    return pinned({*_FEATURIZER, *(("matminer",) if needs_matminer else ())})


def model_requirements(needs_matminer: bool, needs_sklearn: bool) -> list[str]:
    """Return pip requirements, exact, for running the model *and* its featurizer.

    ``mlflow models prepare-env`` on the model then makes an environment for both functions.
    """
    more = pinned(set(_SKLEARN)) if needs_sklearn else []
    return sorted({*featurizer_requirements(needs_matminer), *more})


def trained_with(needs_matminer: bool, needs_sklearn: bool) -> dict[str, str]:
    """Return library versions by name, and Python's as ``3.11``, for a worker to compare with."""
    pins = dict(pin.split("==") for pin in model_requirements(needs_matminer, needs_sklearn))
    return {**pins, "python": ".".join(platform.python_version_tuple()[:2])}


def pinned(names: set[str]) -> list[str]:
    """Return the requirement of each, exact: the version that is installed here."""
    return sorted(f"{name}=={version(name)}" for name in names)
