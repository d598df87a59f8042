"""A server from before MLflow had aliases (2.3): stages mark what is Production there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from worker.server import MlflowServer

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.model import promote, train

from .site import FORMULAS, SMALL

pytestmark = pytest.mark.slow
#: What that version does not say it needs to be older, and cannot do with.
NEEDED = ("mlflow==2.2.2", "sqlalchemy<2.1", "setuptools<80", "numpy<2", "pandas<2")


@pytest.fixture
def server(tmp_path):
    uv, bin_folder = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin"
    python = str(bin_folder / "python")
    for command in (
        ["venv", "--python", sys.executable, str(bin_folder.parent)],
        ["pip", "install", "--python", python, *NEEDED],
    ):
        done = subprocess.run([str(uv), *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    path = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}  # for its gunicorn
    with MlflowServer(tmp_path, environment=path, python=python) as server:
        yield server


def test_what_is_published_there_is_promoted_and_served(server):
    first = train(SMALL, tracking_uri=server.uri)
    promote(force=True, tracking_uri=server.uri)
    with (
        EmbeddedEndpoint(workers=1, registry=server.uri) as endpoint,
        CompositionClient(endpoint=endpoint) as client,
    ):
        answer = client.predict(FORMULAS)
    assert answer.model["run_id"] == first.run_id
    assert np.isfinite(answer.values[:4]).all()
    (production,) = MlflowClient(server.uri).get_latest_versions("Matminer", ["Production"])
    assert production.version == first.published.version
    second = train(SMALL, tracking_uri=server.uri)
    promote(force=True, tracking_uri=server.uri)
    (production,) = MlflowClient(server.uri).get_latest_versions("Matminer", ["Production"])
    assert production.version == second.published.version
