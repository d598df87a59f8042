"""Fixtures of the publisher's tests."""

import shutil
from dataclasses import replace

import pytest


@pytest.fixture
def own_registry(registry, tmp_path):
    """Copy the shared registry, so that a test may publish, promote and delete.

    The artifacts are not copied: their locations are absolute, and nothing here changes them.
    """
    shutil.copy(registry.folder / "registry.db", tmp_path / "registry.db")
    return replace(registry, folder=tmp_path)
