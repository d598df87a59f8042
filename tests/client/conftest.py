"""Fixtures of the caller's tests."""

import csv
import gzip
import random

import pytest
from screening import DIRTY

from matminer_compute.client import CompositionClient
from matminer_compute.client.screening import inputs
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.model.training_data import BUNDLED_FILE


@pytest.fixture(scope="module")
def endpoint(registry, tmp_path_factory):
    """A pool of two workers on the shared registry."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATMINER_COMPUTE_CACHE", str(cache))
        with EmbeddedEndpoint("processes", workers=2, registry=registry.uri) as endpoint:
            yield endpoint


@pytest.fixture
def client(endpoint):
    with CompositionClient(endpoint=endpoint) as client:
        yield client


@pytest.fixture
def small_tasks(monkeypatch):
    """Many tasks, of few rows."""
    monkeypatch.setattr(inputs, "ROWS_AT_FIRST", 50)
    monkeypatch.setattr(inputs, "MOST_ROWS", 50)


@pytest.fixture(scope="module")
def formulas():
    with gzip.open(BUNDLED_FILE, "rt", encoding="utf-8") as file:
        return [row["formula"] for row, _ in zip(csv.DictReader(file), range(1000), strict=False)]


@pytest.fixture
def source(tmp_path, formulas):
    """A file of two columns, some of its rows unusable."""
    path = tmp_path / "candidates.csv"
    rows = [*formulas, *DIRTY]
    random.Random(0).shuffle(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "Formula"), *enumerate(rows)])
    return path
