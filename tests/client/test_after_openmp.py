"""A process that has used OpenMP, as training boosted trees does, can still predict on a pool."""

import os
import subprocess
import sys

SCRIPT = """
from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.model import TrainOptions, promote, train

train(TrainOptions(rows=200, n_estimators=5, folds=2, estimator="hist-gradient-boosting"))
promote()
with EmbeddedEndpoint(workers=1) as endpoint, CompositionClient(endpoint=endpoint) as client:
    predictions = client.predict(["NaCl"] * 3, timeout=300)
assert predictions.rejected == {}
assert (predictions.std != predictions.std).all()  # no trees to compare
"""


def test_predicting_in_the_process_that_trained_boosted_trees(tmp_path):
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'registry.db'}",
        "MATMINER_COMPUTE_CACHE": str(tmp_path / "cache"),
    }
    environment.pop("OMP_NUM_THREADS", None)
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, timeout=500)
