"""Publishers who meet at a registry, and a model too large to be sent at once."""

import os
import subprocess
import sys
import threading

import pytest
from waiting import PATIENCE
from worker.registry import Pair, Registry, download
from worker.test_node_cache import versions, whole

from matminer_compute.functions import predict_composition

from .site import FORMULAS, new_name

pytestmark = pytest.mark.slow

LARGE = 200_000_000  # bytes


def test_two_publishers_at_once_make_two_whole_pairs(enter, tmp_path):
    site = enter("direct")
    name = new_name()
    [model] = download(site.uri, "Matminer", "1", str(tmp_path)).rglob("*.skops")
    meet = threading.Barrier(2, timeout=PATIENCE)

    def both_are_here(method, path, body):
        """Each name and each version is asked for by both at the same time."""
        if path.endswith(("registered-models/create", "model-versions/create")):
            meet.wait()
        return False

    site.gate.refuses = both_are_here
    command = [sys.executable, "-m", "matminer_compute.cli", "model", "publish", str(model)]
    command += ["--property", "formation_energy_per_atom", "--unit", "eV/atom", "--name", name]
    publishers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [publisher.communicate(timeout=PATIENCE)[0] for publisher in publishers]
    site.gate.reset()
    assert [publisher.returncode for publisher in publishers] == [0, 0], said

    found = {v.version: v for v in site.client.search_model_versions(f"name='{name}'")}
    assert sorted(map(int, found)) == [1, 2]
    assert {v.tags["featurizer_version"] for v in found.values()} == {"1", "2"}
    for number, version in found.items():
        answer = predict_composition(FORMULAS, name=name, version=str(number))
        assert answer["featurizer"]["version"] == version.tags["featurizer_version"]
        # Both halves are of one publisher.
        assert answer["featurizer"]["run_id"] == answer["model"]["run_id"] == version.run_id


def test_a_large_artifact_comes_through_the_server_and_is_cached_whole(enter, cache):
    site = enter("proxied", MLFLOW_HTTP_REQUEST_TIMEOUT="60")
    name = new_name()
    known = site.trained[0].published
    pair = Pair(known.version, known.featurizer_version, [], 0)

    def grow(folder):
        (folder / "ballast").write_bytes(os.urandom(1_000_000) * (LARGE // 1_000_000))

    asked = len(site.store.gate.requests)
    Registry(site.server, {known.version: pair}).altered(name, grow, tell=True)
    # The server cut it into parts for the store.
    assert len({p for p in site.store.gate.requests[asked:] if "partNumber=" in p}) > 1
    answer = predict_composition(FORMULAS, name=name, version="1")
    assert answer["model"]["name"] == name
    assert whole(cache)
    [large] = [v for v in versions(cache) if (v / "ballast").exists()]
    assert (large / "ballast").stat().st_size == LARGE
