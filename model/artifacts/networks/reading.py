"""An ensemble of networks in a folder: how it is written, and read where it is used.

``weights.npy``
    float32 (n_members, n_parameters), memory-mapped: all workers of a node share one copy.
``columns.npy``
    of each column that is read, its place among the features, mean and scale.
``network.json``
    format, number of features, units of each layer, centre and unit of the target.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .ensemble import COLUMN, Ensemble

NETWORK_FORMAT = 1


def write(ensemble: Ensemble, folder: str | os.PathLike[str]) -> None:
    """Write it; the folder is made if missing."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    np.save(path / "weights.npy", ensemble.weights, allow_pickle=False)
    np.save(path / "columns.npy", ensemble.columns, allow_pickle=False)
    about = {
        "format": NETWORK_FORMAT,
        "n_features": ensemble.n_features,
        "layers": list(ensemble.layers),
        "centre": ensemble.centre,
        "unit": ensemble.unit,
    }
    (path / "network.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def read(folder: str | os.PathLike[str]) -> Ensemble:
    """Read what `write` wrote, its weights memory-mapped.

    Raises:
        ValueError: it is of another format, or damaged.
    """
    path = Path(folder)
    about = json.loads((path / "network.json").read_text(encoding="utf-8"))
    if about["format"] != NETWORK_FORMAT:
        raise ValueError(f"network of format {about['format']}, expected {NETWORK_FORMAT}")
    ensemble = Ensemble(
        int(about["n_features"]),
        _map(path / "columns.npy", COLUMN, 1),
        tuple(map(int, about["layers"])),
        _map(path / "weights.npy", np.dtype("<f4"), 2),
        float(about["centre"]),
        float(about["unit"]),
    )
    ensemble.check()
    return ensemble


def _map(path: Path, dtype: np.dtype[Any], dimensions: int) -> npt.NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != dtype or array.ndim != dimensions:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape}, expected {dtype}")
    return np.asarray(array)
