"""The pod that Parsl asks a Kubernetes server for, of our template.

The client of Kubernetes is installed beside the environment of the tests, not into it: Parsl would
import it in every worker.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from endpoint_folder import render_user_config
from test_sites import options

from matminer_compute.endpoint.configure import init_endpoint

pytestmark = pytest.mark.slow

SUBMIT = """
import pathlib, sys
from globus_compute_endpoint.endpoint.config.utils import load_config_yaml
engine = load_config_yaml(pathlib.Path(sys.argv[1]).read_text()).engine
assert not engine.encrypted
engine.provider.submit("pool of workers", 1, "test")
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder)]
    subprocess.run([*install, "kubernetes>=30"], check=True)
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that takes pods; a list of what it was asked for."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, json.loads(body)))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(known))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield asked
    server.shutdown()
    server.server_close()


def test_the_pod_has_the_image_the_memory_and_the_script(client, server, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    init_endpoint("pods", options("kubernetes", workers_per_node=2, mem_per_node=6))
    file = tmp_path / "configuration.yaml"
    file.write_text(render_user_config("pods").stdout)
    environment = os.environ | {"PYTHONPATH": str(client)}
    subprocess.run([sys.executable, "-c", SUBMIT, str(file)], check=True, env=environment)
    ((path, pod),) = server
    assert path == "/api/v1/namespaces/default/pods"
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.example.org/matminer:1"
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "6Gi"}
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "6Gi"}
    shell, script = container["command"], container["args"]
    assert (shell, script[0]) == (["/bin/bash"], "-c")
    assert script[1].rstrip().endswith("pool of workers")
    read = subprocess.run(["bash", "-n", "-c", script[1]], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")
    assert "export MLFLOW_TRACKING_URI=http://registry:5000" in script[1]
