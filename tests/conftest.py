"""A real registry with a small trained model, shared by the tests that only read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matminer_compute.model import TrainedRun

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before anything imports mlflow


@dataclass(frozen=True)
class Registry:
    """A registry in a folder, with one trained model, version 1, which is Production."""

    folder: Path
    trained: TrainedRun
    trees: int

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'registry.db'}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Registry:
    """Train on a few hundred real rows and promote. Read only: publish into a registry of yours."""
    from matminer_compute.model import TrainOptions, promote, train

    folder, trees = tmp_path_factory.mktemp("registry"), 12
    uri = f"sqlite:///{folder / 'registry.db'}"
    trained = train(TrainOptions(rows=300, n_estimators=trees), tracking_uri=uri)
    promote(tracking_uri=uri)
    return Registry(folder, trained, trees)


@pytest.fixture
def empty_uri(tmp_path) -> str:
    """Tracking URI of a registry that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty' / 'registry.db'}"
