"""Fixtures of the tests that call the functions in this process, as a worker would."""

import pytest
from arrived import forget


@pytest.fixture
def worker(registry, tmp_path, monkeypatch):
    """This process as a worker of the shared registry; returns a fresh, empty one each time."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    forget()
    yield registry
    forget()
