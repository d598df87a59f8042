"""The functions that travel to a Globus Compute endpoint as source text.

Each stands alone in a file of its own: every import inside, no globals, JSON in and out. Nothing
here imports the rest of this package, and a worker needs none of it.
"""

from .featurize_composition import featurize_composition
from .inspect_worker import inspect_worker
from .predict import predict
from .predict_composition import predict_composition

__all__ = ["featurize_composition", "inspect_worker", "predict", "predict_composition"]
