"""A real registry with a small trained model, shared by the tests that only read it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from matminer_compute.model import TrainedRun

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before anything imports mlflow


def pytest_configure(config):
    """Compile the artifacts' kernels once for all tests, also those on workers, and all runs."""
    if "NUMBA_CACHE_DIR" not in os.environ and config.pluginmanager.hasplugin("cacheprovider"):
        os.environ["NUMBA_CACHE_DIR"] = str(config.cache.mkdir("numba"))


#: Folders whose tests share servers, so that one process runs them; the rest share a registry.
TOGETHER = {
    "service": "service",
    "slurm": "service",
    "worker": "worker",
    "model": "model",
    "registry": "registry",
}
#: The longest first, or one process would be left with it alone at the end.
ORDER = ("service", "client", "model", "worker", "readme", "registry")


def _scope(nodeid):
    if "test_other_pythons" in nodeid:  # it shares nothing with anybody
        return nodeid
    if "test_readme" in nodeid:
        return "readme"
    return TOGETHER.get(nodeid.split("/")[1], "client")


def pytest_collection_modifyitems(items):
    """Begin with what takes longest: the service and Slurm, which mostly wait."""
    place = {scope: at for at, scope in enumerate(ORDER)}
    # Each of the other Pythons is a scope of its own, about as long as that of the workers.
    items.sort(key=lambda item: place.get(_scope(item.nodeid), place["worker"]))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    """Let what mostly waits run beside what computes."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _scope(nodeid)

    return ByFolder(config, log)


@dataclass(frozen=True)
class Registry:
    """A registry in a folder, with one trained model, version 1, which is Production."""

    folder: Path
    trained: TrainedRun
    trees: int

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'registry.db'}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Registry:
    """Train on a few hundred real rows and promote. Read only: publish into a registry of yours."""
    from matminer_compute.model import TrainOptions, promote, train

    folder, trees = tmp_path_factory.mktemp("registry"), 12
    uri = f"sqlite:///{folder / 'registry.db'}"
    trained = train(TrainOptions(rows=300, n_estimators=trees), tracking_uri=uri)
    promote(tracking_uri=uri)
    return Registry(folder, trained, trees)


@pytest.fixture
def empty_uri(tmp_path) -> str:
    """Tracking URI of a registry that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty' / 'registry.db'}"


class Fault:
    """One fault made for real: what the caller saw, what was lost, how long until all was well."""

    rows: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self._since = time.monotonic()

    def strikes(self) -> None:
        """The clock starts."""
        self._since = time.monotonic()

    def is_over(self, name: str, sees: str, lost: str = "nothing") -> None:
        """The answer is there: keep the figure for the end of the run."""
        seconds = time.monotonic() - self._since
        self.rows.append(f"| {name} | {sees} | {lost} | {seconds:.1f} |")


@pytest.fixture
def fault() -> Fault:
    """A clock for a fault; its figures are printed at the end, as docs/reliability.md has them."""
    return Fault()


def pytest_terminal_summary(terminalreporter):
    if Fault.rows:
        terminalreporter.section("faults made")
        terminalreporter.line("| fault | the caller sees | lost | seconds until answered |")
        for row in Fault.rows:
            terminalreporter.line(row)
