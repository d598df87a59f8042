"""The original design's featurizer: matminer itself behind MLflow's ``predict``, nothing else."""

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from matminer.featurizers import composition as cf
from matminer.featurizers.base import MultipleFeaturizer
from pymatgen.core import Composition


class OriginalFeaturizer(mlflow.pyfunc.PythonModel):
    """Features by ``featurize_many``, one process, as matminer's users write it."""

    def __init__(self) -> None:
        self.featurizer = MultipleFeaturizer(
            [
                cf.Stoichiometry(),
                cf.ElementProperty.from_preset("magpie"),
                cf.ValenceOrbital(props=["frac"]),
                cf.IonProperty(fast=True),
            ]
        )
        self.featurizer.set_n_jobs(1)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Features of the column ``formula``, one row each."""
        compositions = [Composition(formula) for formula in model_input["formula"]]
        return np.asarray(self.featurizer.featurize_many(compositions, pbar=False), dtype=float)


mlflow.models.set_model(OriginalFeaturizer())
