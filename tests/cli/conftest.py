"""Fixtures of the command's tests."""

import shutil

import pytest
from click.testing import CliRunner

from matminer_compute.cli import main


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Run the command on a copy of the shared registry; nothing of the user's is touched."""
    shutil.copy(registry.folder / "registry.db", tmp_path / "registry.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'registry.db'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MATMINER_COMPUTE_ENDPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments, **more: runner.invoke(main, arguments, **more)
