"""The functions that travel to a Globus Compute endpoint as source text.

What you import from here is what travels: ``inspect.getsource(predict)`` is the whole of it, and a
worker needs nothing of this package. The modules beside this file, and those in ``worker`` and
``spaces``, are that text as it is written; an import at the top of one is of the standard library
or of another that goes along, and what a worker must have (mlflow, numpy) is imported where it is
used.
``travelling`` makes the one of the other, also for a function of your own that calls these.
Nothing here imports the rest of this package.
"""

from . import featurize_composition as _featurize_composition
from . import inspect_worker as _inspect_worker
from . import predict as _predict
from . import predict_composition as _predict_composition
from . import screen_space as _screen_space
from .travelling import together, travelling

featurize_composition, predict, predict_composition, screen_space, inspect_worker = together(
    _featurize_composition.featurize_composition,
    _predict.predict,
    _predict_composition.predict_composition,
    _screen_space.screen_space,
    _inspect_worker.inspect_worker,
)

__all__ = [
    "featurize_composition",
    "inspect_worker",
    "predict",
    "predict_composition",
    "screen_space",
    "travelling",
]
