"""The featurizer artifact before it is published: its code, its tables, and a loaded copy.

Training rows are featurized by the very code that will serve, loaded as a worker loads it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from matminer_compute.errors import TrainingError

from .digest import schema_digest
from .tables import VECTORISED, write_tables

ARTIFACTS = Path(__file__).parent / "artifacts"
CODE = ARTIFACTS / "composition_featurizer.py"
COMPOSITIONS, KERNELS = ARTIFACTS / "compositions", ARTIFACTS / "kernels"  # they travel beside code

Featurized = tuple[np.ndarray, list[int], list[int], dict[int, str]]


class _LoadedFeaturizer(Protocol):
    labels: list[str]
    symbols: list[str]
    parser: Any

    def featurize(self, formulas: list[object]) -> Featurized: ...


@dataclass(frozen=True)
class Featurizer:
    """A featurizer that can be published and that has featurized what the model is trained on.

    Attributes:
        code: its source file, a copy that stays as it is while the model is being trained.
        configuration: what the artifact's code is told (its ``model_config``).
        artifacts: files and folders it needs, by name.
        labels: names of the features, in order.
        schema: fingerprint of labels, configuration, code and tables.
        loaded: the artifact, loaded.
    """

    code: Path
    configuration: dict[str, Any]
    artifacts: dict[str, str]
    labels: list[str]
    schema: str
    loaded: _LoadedFeaturizer

    @property
    def needs_matminer(self) -> bool:
        """Whether a worker needs matminer itself to run it."""
        return not set(self.configuration["featurizers"]) <= set(VECTORISED)

    @property
    def elements(self) -> int | None:
        """Which feature is the number of elements; None if there is no such."""
        return self.labels.index("0-norm") if "0-norm" in self.labels else None

    def elements_of(self, features: np.ndarray) -> np.ndarray | None:
        """The number of elements of each row of features, int64 (n_rows,); None if unknown."""
        return None if self.elements is None else features[:, self.elements].astype(np.int64)

    def featurize(self, formulas: Sequence[object]) -> Featurized:
        """Featurize formulas.

        Returns:
            features: float64 (n_distinct, n_features), NaN where a feature is not defined.
            rows: positions in ``formulas`` of those accepted, ascending.
            index: for each of ``rows``, its row in ``features``.
            rejected: for each other position, why.
        """
        return self.loaded.featurize(list(formulas))

    @property
    def signature(self) -> ModelSignature:
        """Formulas in, one column for each feature out."""
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(DataType.double, label) for label in self.labels
        ]
        return ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "formula")]), outputs=Schema(columns)
        )


def build_featurizer(preset: str, featurizers: Sequence[str], folder: Path) -> Featurizer:
    """Write the featurizer's tables into ``folder`` and load its artifact from there.

    Args:
        preset: element data of ElementProperty, such as ``magpie``.
        featurizers: matminer's composition featurizers, by class name, in order.
        folder: an existing folder; it must outlive the featurizer.

    Raises:
        TrainingError: matminer has no such featurizer.
    """
    refuse_unknown(featurizers)
    configuration = {"featurizers": list(featurizers), "element_property_preset": preset}
    beside = [copy_sources(part, folder) for part in (COMPOSITIONS, KERNELS)]
    artifacts = {part.name: str(part) for part in beside}
    if set(featurizers) <= set(VECTORISED):  # others run in matminer itself, which has its tables
        tables = folder / "tables.npz"
        write_tables(tables, list(featurizers), preset)
        artifacts["tables"] = str(tables)
    code = Path(shutil.copy(CODE, folder))
    saved = folder / "featurizer"
    mlflow.pyfunc.save_model(
        saved,
        python_model=str(code),
        artifacts=artifacts,
        model_config=configuration,
        pip_requirements=["mlflow"],  # this copy stays here; naming one spares mlflow's guessing
    )
    loaded: _LoadedFeaturizer = mlflow.pyfunc.load_model(str(saved)).unwrap_python_model()
    labels = list(loaded.labels)
    table_file = Path(artifacts["tables"]) if "tables" in artifacts else None
    sources = {code.name: code}
    sources |= {f"{part.name}/{file.name}": file for part in beside for file in part.glob("*.py")}
    schema = schema_digest(labels, configuration, sources, table_file)
    return Featurizer(code, configuration, artifacts, labels, schema, loaded)


def refuse_unknown(featurizers: Sequence[str]) -> None:
    """Raise TrainingError unless matminer has composition featurizers of these names."""
    if set(featurizers) <= set(VECTORISED):
        return
    from matminer.featurizers import composition  # a second to import

    for name in featurizers:
        if not hasattr(composition, name):
            raise TrainingError(
                f"matminer has no composition featurizer called {name!r}; computed here are "
                f"{', '.join(VECTORISED)}."
            )


def copy_sources(part: Path, folder: Path) -> Path:
    """Copy a folder of source files, and nothing that Python left there, into ``folder``."""
    copied = folder / part.name
    shutil.copytree(part, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied
