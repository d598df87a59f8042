"""A real server, three pairs of versions, and workers on the real engines."""

import os
import uuid
from dataclasses import replace

import pytest
from arrived import forget
from waiting import PATIENCE

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint

from .proxy import Proxy
from .registry import Promoter, Registry, expected
from .server import MlflowServer

OTHER_CODE = """

class Doubled(CompositionFeaturizer):
    def report(self, formulas):
        features, *rest = super().report(formulas)
        return features * 2, *rest


mlflow.models.set_model(Doubled())
"""


os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def registry(server, tmp_path_factory):
    """Version 1 with magpie, 2 with another preset, 3 with other featurizer code."""
    import matminer_compute.model.featurizer as featurizer
    from matminer_compute.model import TrainOptions, promote, train

    folder = tmp_path_factory.mktemp("pairs")
    code = folder / "composition_featurizer.py"
    code.write_text(featurizer.CODE.read_text() + OTHER_CODE)
    options = TrainOptions(rows=200, n_estimators=8, folds=2)
    train(options, tracking_uri=server.uri)
    train(replace(options, element_property_preset="megnet_el"), tracking_uri=server.uri)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featurizer, "CODE", code)
        # Trees do not mind doubled features, so that another seed is what tells them apart.
        train(replace(options, seed=1), tracking_uri=server.uri)
    promote(1, tracking_uri=server.uri)
    pairs = {v: expected(server.uri, v, str(folder)) for v in ("1", "2", "3")}
    assert pairs["1"].columns != pairs["2"].columns
    assert len({tuple(pair.values) for pair in pairs.values()}) == 3
    return Registry(server, pairs)


@pytest.fixture(scope="session")
def promoter(server):
    promoter = Promoter(server.uri)
    yield promoter
    promoter.close()


@pytest.fixture
def name(registry):
    """A registered name for this test alone, with all three pairs, 1 being Production."""
    name = registry.as_name(f"Model {uuid.uuid4().hex[:8]}")
    for half in (f"{name} Featurizer", name):
        registry.client.set_registered_model_alias(half, "Production", "1")
    return name


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.uri)
    yield proxy
    proxy.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The node's cache folder of this test; it does not exist yet."""
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MATMINER_COMPUTE_REFRESH_S", "0.2")
    before = dict(os.environ)
    forget()
    yield tmp_path / "cache"
    # The thread engine's workers are this process: what they keep in it goes with the test.
    forget()
    for variable in set(os.environ) - set(before):
        del os.environ[variable]


@pytest.fixture
def start(cache, proxy):
    """Start workers (of the proxied registry) and return a client of them; all end with the test.

    The endpoint is the client's ``endpoint``.
    """
    opened = []

    def start(name, engine="processes", workers=1, registry=proxy.uri, **options):
        endpoint = EmbeddedEndpoint(engine, workers=workers, registry=registry)
        opened.append(endpoint)
        client = CompositionClient(endpoint=endpoint, model=name, **options)
        client.endpoint = endpoint
        return client

    yield start
    for endpoint in opened:
        endpoint.close()


def run(endpoint, function, *args):
    """Run any self-contained function on a worker."""
    function_id = endpoint.register_function(function)
    return endpoint.submit_to_registered_function(function_id, args).result(PATIENCE)
