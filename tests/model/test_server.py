"""Publishing to a real ``mlflow server`` over HTTP, and what is said once it is gone."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest

from matminer_compute.errors import RegistryUnreachable
from matminer_compute.model import TrainOptions, list_versions, promote, train
from matminer_compute.model.card.markdown import markdown
from matminer_compute.model.card.page import page
from matminer_compute.model.card.store import find
from matminer_compute.model.digest import artifact_digest

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    """Start a server on loopback that also serves the artifacts; end it and its workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"),
        *("--artifacts-destination", str(tmp_path / "stored")),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, tmp_path / "server.log")
        yield f"http://127.0.0.1:{port}", process
    finally:
        _end(process)
        log.close()


def _wait_until_healthy(url, process, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"the server did not come up: {log.read_text()}")


def _end(process):
    """End the server's own process group, which holds its workers, and wait."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def test_train_promote_and_list_over_http(server, registry, tmp_path, monkeypatch):
    uri, process = server
    secretive = uri.replace("//", "//me:secret@")
    run = train(
        TrainOptions(rows=registry.trained.rows, n_estimators=registry.trees),
        tracking_uri=secretive,
    )
    assert run.registry == uri
    assert run.metrics == registry.trained.metrics
    assert run.published.schema == registry.trained.published.schema
    done = promote(tracking_uri=uri)
    assert (done.version, done.featurizer_version, done.staged) == ("1", "1", True)
    described = find(tracking_uri=secretive)
    for text in (markdown(described.card), page(described), described.card.model_dump_json()):
        assert run.published.name in text
        assert "secret" not in text
        assert "127.0.0.1" not in text
    (version,) = list_versions(tracking_uri=uri)
    assert version.aliases == ("Production",)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    for name in ("Matminer Featurizer", "Matminer"):
        stored = mlflow.artifacts.download_artifacts(
            f"models:/{name}/1", dst_path=str(tmp_path / name)
        )
        assert artifact_digest(Path(stored)) == client.get_model_version(name, "1").tags["digest"]
    loaded = mlflow.sklearn.load_model("models:/Matminer@Production")
    rows = np.random.default_rng(0).normal(size=(5, 145))
    served = mlflow.pyfunc.load_model("models:/Matminer/1").unwrap_python_model()
    np.testing.assert_array_equal(served.regress(rows)[0], loaded.predict(rows))

    _end(process)
    with pytest.raises(RegistryUnreachable, match="does not answer") as caught:
        list_versions(tracking_uri=secretive)
    assert "secret" not in str(caught.value)
