"""MLflow flavor of our artifacts: code and data files, and for a model also scikit-learn's face.

``mlflow.models.Model.log`` calls :func:`save_model`. The pipeline's skops file is stored once and
has two faces: ``python_function``, our regressor's code, and ``sklearn``, so that
``mlflow.sklearn.load_model("models:/Matminer@Production")`` returns the pipeline itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import sklearn
from mlflow.models import Model, ModelSignature

PIPELINE = "pipeline"  # the artifact's name for the skops file


def save_model(
    path: str,
    mlflow_model: Model,
    *,
    code: Path,
    artifacts: dict[str, str],
    configuration: dict[str, Any],
    requirements: Sequence[str],
    signature: ModelSignature,
    input_example: Any,
    skops_trusted_types: Sequence[str] = (),
    validate_serving_input: bool = False,
) -> None:
    """Save an artifact; the arguments are those of ``mlflow.pyfunc.save_model`` by other names.

    Args:
        path: folder to make.
        mlflow_model: the description to add to.
        code: source file of the model.
        artifacts: its data files and folders, by name; ``pipeline`` also gets the sklearn flavor.
        configuration: what the code is told (``model_config``).
        requirements: pip requirements.
        signature: inputs and outputs.
        input_example: inputs that work.
        skops_trusted_types: types that ``pipeline`` may hold besides those skops trusts itself.
        validate_serving_input: read by MLflow, which would load and run the model once more.
    """
    mlflow.pyfunc.save_model(
        path,
        mlflow_model=mlflow_model,
        python_model=str(code),
        artifacts=artifacts or None,
        model_config=configuration,
        pip_requirements=list(requirements),
        signature=signature,
        input_example=input_example,
    )
    if PIPELINE not in artifacts:
        return
    saved = mlflow_model.flavors[mlflow.pyfunc.FLAVOR_NAME]["artifacts"][PIPELINE]["path"]
    mlflow_model.add_flavor(
        mlflow.sklearn.FLAVOR_NAME,
        pickled_model=saved,  # MLflow's key for the file, whatever its format
        sklearn_version=sklearn.__version__,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=list(skops_trusted_types),
        code=None,
    )
    mlflow_model.save(str(Path(path) / "MLmodel"))
