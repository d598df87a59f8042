"""A real Slurm, a real registry server, and the whole path to an endpoint of our template."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from service.agent import NAME, Agent
from service.conftest import broker, running_service, service  # noqa: F401  fixtures
from waiting import PATIENCE
from worker.proxy import Proxy
from worker.server import MlflowServer

from matminer_compute.client import CompositionClient, ServiceEndpoint
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.registration import Bundle, register
from matminer_compute.registration.service import service_registrar

from .cluster import Cluster
from .functions import meet, stay, where

FORMULAS = ["NaCl", "Fe2O3", "Li0.5CoO2", "CuSO4·5H2O", "BaTiO3", "GaAs", "SiO2", "not a formula"]
REGISTRY = "http://registry:5000"
CACHE = "cache=/tmp/matminer-compute-$(id -u)\n"
EXTRAS = (meet, stay, where)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in cluster.environment.items():
            patch.setenv(variable, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    """A registry server with a small model, which is Production."""
    from matminer_compute.model import TrainOptions, promote, train

    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        train(TrainOptions(rows=200, n_estimators=8, folds=2), tracking_uri=server.uri)
        promote(tracking_uri=server.uri)
        yield server


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.uri)
    yield proxy
    proxy.close()


@pytest.fixture
def expected(server):
    """What the embedded endpoint answers to ``FORMULAS``."""
    with EmbeddedEndpoint(workers=1, registry=server.uri) as embedded:
        return CompositionClient(endpoint=embedded).predict(FORMULAS)


@pytest.fixture(scope="package")
def registered(running_service, tmp_path_factory):  # noqa: F811
    """The bundle of our functions, and the ids of those of these tests."""
    running_service.reset()
    registrar = service_registrar()
    bundle = register(registrar, tmp_path_factory.mktemp("bundle") / "bundle.json")
    return bundle, {function: registrar.register_function(function) for function in EXTRAS}


@dataclass
class Endpoint:
    """A running endpoint of ours, and its callers."""

    agent: Agent
    bundle: Bundle
    ids: dict
    tasks: ServiceEndpoint

    def submit(self, function, *args):
        """Send one of ``EXTRAS`` to a worker, as the bare SDK would."""
        return self.tasks.submit_to_registered_function(self.ids[function], args)

    def client(self):
        return CompositionClient(self.bundle, self.tasks)

    def logs(self, name):
        """What its logs of this name hold, one by one."""
        return [log.read_text() for log in self.agent.folder.rglob(name)]

    def log(self, name):
        """The same, one after the other."""
        return "".join(self.logs(name))

    def all_workers(self, folder: Path, count=4):
        """Wait until so many workers are up at once; what each of them sees."""
        folder.mkdir()
        futures = [self.submit(meet, str(folder), count) for _ in range(count)]
        return [future.result(PATIENCE) for future in futures]


@pytest.fixture
def start(cluster, service, registered, proxy, tmp_path, monkeypatch):  # noqa: F811
    """Start the endpoint of our Slurm template; it ends with the test, its jobs too.

    ``start(registry, exports, **settings)``: another registry than the server behind the proxy,
    what ``worker_init.sh`` exports besides, and what its operator changes in the template.
    """
    bundle, extras = registered
    opened = []

    def start(registry=None, exports=MappingProxyType({}), **settings):
        home = tmp_path / "endpoint"
        with monkeypatch.context() as patch:
            patch.setenv("GLOBUS_COMPUTE_USER_DIR", str(home))
            options = EndpointOptions(
                bundle, REGISTRY, queue="batch", max_blocks=2, workers_per_node=2
            )
            adapt(init_endpoint(NAME, options), extras.values(), settings, tmp_path)
            # Its nodes are this machine, so to them, and only to them, the registry is here.
            script = home / NAME / "worker_init.sh"
            change(script, REGISTRY, registry or proxy.uri)
            with script.open("a") as more:
                more.writelines(f"\nexport {each}={value}" for each, value in exports.items())
        agent = Agent(home, service)
        tasks = None
        try:
            agent.start()
            tasks = ServiceEndpoint(agent.endpoint_id)
        finally:
            opened.append((agent, tasks))
        return Endpoint(agent, bundle, extras, tasks)

    yield start
    for agent, tasks in opened:
        if tasks is not None:
            tasks.close()
        agent.stop()
    cluster.has_no_job()


def adapt(folder: Path, extras, settings, caches: Path):
    """What the operator of this cluster changes in the files of ``endpoint init``."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["allowed_functions"] += extras
    config["email"] = "tester@example.org"  # as root the agent insists on one
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    # Both nodes are this machine, so what is local to a node is named after it.
    change(
        folder / "worker_init.sh", re.escape(CACHE), f"cache='{caches}'/cache-$SLURMD_NODENAME\n"
    )
    for key, value in settings.items():
        change(folder / "user_config_template.yaml.j2", rf"\b{key}: .*", f"{key}: {value}")


def change(file: Path, pattern, text):
    changed, times = re.subn(pattern, lambda _: text, file.read_text())
    assert times == 1, f"{pattern} is {times} times in {file.name}"
    file.write_text(changed)
