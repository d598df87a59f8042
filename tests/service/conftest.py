"""One broker, one service and one endpoint for all tests of this folder."""

import pytest

from matminer_compute.registration import register
from matminer_compute.registration.service import service_registrar

from .agent import Agent
from .broker import Broker
from .standin import ComputeService


@pytest.fixture(scope="package")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.close()


@pytest.fixture(scope="package")
def running_service(broker, tmp_path_factory):
    """The service, and this process as a machine of one of its users."""
    service = ComputeService(broker)
    try:
        service.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path_factory.mktemp("user")))
            for variable, value in service.environment.items():
                patch.setenv(variable, value)
            yield service
    finally:
        service.close()


@pytest.fixture
def service(running_service):
    """The service as it should be, whatever the test before did to it."""
    running_service.reset()
    yield running_service
    running_service.reset()


@pytest.fixture(scope="package")
def endpoint(running_service, registry, tmp_path_factory):
    """A running endpoint whose workers load models from a small real registry."""
    running_service.reset()
    folder = tmp_path_factory.mktemp("endpoint")
    environment = {
        "MLFLOW_TRACKING_URI": registry.uri,
        "MATMINER_COMPUTE_CACHE": str(folder / "cache"),
    }
    agent = Agent(folder / "agent", running_service, environment=environment)
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture(scope="package")
def bundle(running_service, tmp_path_factory):
    """Our functions, registered with the service."""
    running_service.reset()
    path = tmp_path_factory.mktemp("bundle") / "bundle.json"
    register(service_registrar(), path)
    return path
