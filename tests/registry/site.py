"""What one kind of site gives its publishers and workers."""

import uuid
from dataclasses import dataclass, field

from mlflow import MlflowClient
from worker.server import MlflowServer

from matminer_compute.client import CompositionClient, Predictions
from matminer_compute.model import TrainedRun, TrainOptions, promote

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


def promoted_and_rolled_back(client: CompositionClient, name: str) -> list[Predictions]:
    """Versions 1, 2 and 1 again are promoted, and each reaches the warm worker of a client."""
    answers = []
    for version in ("1", "2", "1"):
        promote(version, model=name, force=True)
        answer = client.predict(FORMULAS)
        while answer.model["version"] != version:  # as long as pytest-timeout lets it
            answer = client.predict(FORMULAS)
        assert not answer.stale
        assert list(answer.rejected) == [4]
        assert answer.warnings == []
        answers.append(answer)
    first, second, third = answers
    assert third.values[:4].tolist() == first.values[:4].tolist() != second.values[:4].tolist()
    assert len({answer.workers[0]["pid"] for answer in answers}) == 1
    return answers


def new_name() -> str:
    return f"Model {uuid.uuid4().hex[:8]}"
