"""What one kind of site gives its publishers and workers."""

import uuid
from dataclasses import dataclass, field

from mlflow import MlflowClient
from worker.server import MlflowServer

from matminer_compute.model import TrainedRun, TrainOptions

from .bucket import Gate, Store

FORMULAS = ["NaCl", "Fe2O3", "Li0.5CoO2", "CuSO4·5H2O", "not a formula"]
SMALL = TrainOptions(rows=80, n_estimators=4, folds=2)


@dataclass(frozen=True)
class Site:
    """A registry, its store, and what signs in to both.

    Attributes:
        uri: of the registry.
        environment: the variables that a publisher and a worker are given.
        store: where the artifacts are.
        server: the registry's own process.
        gate: what stands before the registry, if anything does.
    """

    uri: str
    environment: dict[str, str]
    store: Store
    server: MlflowServer
    gate: Gate | None = None
    trained: list[TrainedRun] = field(default_factory=list)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def versions(self, name: str) -> int:
        """How many versions of a model and of its featurizer there are."""
        find = self.client.search_model_versions
        return len(find(f"name='{name}'")) + len(find(f"name='{name} Featurizer'"))


def new_name() -> str:
    return f"Model {uuid.uuid4().hex[:8]}"
