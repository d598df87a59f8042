"""The registry the workers of these tests load from, and what each of its versions must answer."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from matminer_compute.model.digest import artifact_digest

from .server import MlflowServer

FORMULAS = ["NaCl", "Fe2O3", "Li0.5CoO2", "CuSO4·5H2O"]


@dataclass(frozen=True)
class Pair:
    """A model's version and its featurizer's, and their exact answer for ``FORMULAS``."""

    version: str
    featurizer_version: str
    values: list[float]
    columns: int


@dataclass
class Registry:
    """A server with three pairs that differ in preset and in featurizer code.

    Tests that change something use a registered name of their own: ``as_name`` gives the same
    artifacts, in versions 1, 2 and 3, other names.
    """

    server: MlflowServer
    pairs: dict[str, Pair]

    @cached_property
    def client(self) -> MlflowClient:
        return MlflowClient(self.server.uri)

    def as_name(self, name: str, *versions: str, **tags: str) -> str:
        """Register the artifacts of ``versions`` (all by default) also as ``name``.

        ``tags`` replaces tags of the model's versions.
        """
        half = f"{name} Featurizer"
        self.client.create_registered_model(name)
        self.client.create_registered_model(half)
        for version in versions or self.pairs:
            model, featurizer = self.originals[version]
            made = self._register(half, featurizer.source, featurizer.run_id, featurizer.tags)
            renamed = {"featurizer": half, "featurizer_version": made}
            self._register(name, model.source, model.run_id, model.tags | renamed | tags)
        return name

    @cached_property
    def originals(self) -> dict[str, tuple[ModelVersion, ModelVersion]]:
        """Both halves of each pair as they were trained."""
        find = self.client.get_model_version
        return {
            pair.version: (
                find("Matminer", pair.version),
                find("Matminer Featurizer", pair.featurizer_version),
            )
            for pair in self.pairs.values()
        }

    def altered(self, name: str, alter: Callable[[Path], None], *, tell: bool) -> str:
        """Register version 1's model as ``name``, its files changed by ``alter``.

        ``tell`` decides whether the version's digest is that of the changed files.
        """
        model, _ = self.originals["1"]
        self.client.create_registered_model(name)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "model")
            shutil.copytree(download(self.server.uri, "Matminer", "1", folder), copy)
            (copy / "registered_model_meta").unlink(missing_ok=True)
            alter(copy)
            self.client.log_artifacts(model.run_id, str(copy), name)
            digest = {"digest": artifact_digest(copy)} if tell else {}
        root = self.client.get_run(model.run_id).info.artifact_uri
        self._register(name, f"{root}/{name}", model.run_id, model.tags | digest)
        return name

    def _register(self, name: str, source: str, run_id: str, tags: dict[str, str]) -> str:
        logged = source.removeprefix("models:/")
        made = self.client.create_model_version(
            name,
            source,
            run_id,
            tags=dict(tags),
            model_id=logged if logged != source else None,
            await_creation_for=None,
        )
        return str(made.version)


class Promoter:
    """A publisher's process: ``promote`` there leaves this process's addresses alone."""

    def __init__(self, uri: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("promoter.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PUBLISHER_URI": uri},
        )

    def promote(self, name: str, version: str) -> None:
        """Point Production of both halves at a version; returns when that is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}\t{version}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == version

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def download(uri: str, name: str, version: str, folder: str) -> Path:
    """A version's artifact, fetched without any code of ours."""
    at = MlflowClient(uri).get_model_version_download_uri(name, version)
    target = tempfile.mkdtemp(dir=folder)
    return Path(mlflow.artifacts.download_artifacts(at, dst_path=target, tracking_uri=uri))


def expected(uri: str, version: str, folder: str) -> Pair:
    """What a pair answers, asked of its artifacts without the code under test."""
    number = MlflowClient(uri).get_model_version("Matminer", version).tags["featurizer_version"]
    featurizer = _load(download(uri, "Matminer Featurizer", number, folder))
    features, _, index, _ = featurizer.featurize(FORMULAS)
    matrix = np.asarray(features)[index]
    model = download(uri, "Matminer", version, folder)
    values = mlflow.sklearn.load_model(str(model)).predict(matrix)
    # Also: numba is then warm in this process, and in the workers that are forked from it.
    np.testing.assert_array_equal(_load(model).regress(matrix)[0], values)
    return Pair(version, number, values.tolist(), matrix.shape[1])


def _load(folder: Path) -> Any:
    return mlflow.pyfunc.load_model(str(folder)).unwrap_python_model()
