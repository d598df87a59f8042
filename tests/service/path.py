"""The whole path at once, for whoever is not a test."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .agent import Agent
from .broker import Broker
from .standin import ComputeService


@contextmanager
def whole_path(folder: Path, registry: str) -> Iterator[str]:
    """Broker, service and agent in ``folder``, this process logged in; the endpoint's id."""
    with ExitStack() as stack:
        broker = Broker(folder / "broker")
        stack.callback(broker.close)
        broker.start()
        service = ComputeService(broker)
        stack.callback(service.close)
        service.start()
        os.environ |= service.environment | {"GLOBUS_COMPUTE_USER_DIR": str(folder / "user")}
        cache = str(folder / "cache")
        workers = {"MLFLOW_TRACKING_URI": registry, "MATMINER_COMPUTE_CACHE": cache}
        agent = Agent(folder / "agent", service, environment=workers)
        stack.callback(agent.kill)
        agent.start()
        yield agent.endpoint_id
