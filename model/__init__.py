"""Publisher side: train a model on compositions, register it with its featurizer, promote both.

The names below are loaded when they are first used: mlflow, scikit-learn and matplotlib take two
seconds to import, and whoever only asks for the options should not wait for them.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from matminer_compute.errors.machine import packages

# MLflow reads it as it is imported: no usage reports from a publisher's machine unless asked for.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

if TYPE_CHECKING:
    from .external import publish_estimator
    from .options import (
        ESTIMATORS,
        FEATURIZERS,
        MODEL_NAME,
        PRESETS,
        WITH_ELEMENTS,
        TrainOptions,
        featurizer_name,
    )
    from .promotion import Promotion, promote
    from .publish import Published
    from .removal import Removal, delete_version
    from .training import TrainedRun, train
    from .training_data import TrainingData, load_data
    from .versions import VersionInfo, list_versions

_HOMES = {
    "ESTIMATORS": "options",
    "FEATURIZERS": "options",
    "MODEL_NAME": "options",
    "PRESETS": "options",
    "Promotion": "promotion",
    "Published": "publish",
    "TrainOptions": "options",
    "TrainedRun": "training",
    "TrainingData": "training_data",
    "Removal": "removal",
    "VersionInfo": "versions",
    "WITH_ELEMENTS": "options",
    "delete_version": "removal",
    "featurizer_name": "options",
    "list_versions": "versions",
    "load_data": "training_data",
    "promote": "promotion",
    "publish_estimator": "external",
    "train": "training",
}

__all__ = [
    "ESTIMATORS",
    "FEATURIZERS",
    "MODEL_NAME",
    "PRESETS",
    "WITH_ELEMENTS",
    "Promotion",
    "Published",
    "Removal",
    "TrainOptions",
    "TrainedRun",
    "TrainingData",
    "VersionInfo",
    "delete_version",
    "featurizer_name",
    "list_versions",
    "load_data",
    "promote",
    "publish_estimator",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with packages():
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
