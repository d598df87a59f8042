"""What the featurizer uses of this folder."""

from .arrays import arrange, place_distinct
from .batch import Parser
from .by_blas import neutral_possible, weighted_deviation
from .by_matminer import load_matminer
from .domain import Domain
from .tables import read_tables, unfit
from .trained import Trained, keys

__all__ = [
    "Domain",
    "Parser",
    "Trained",
    "arrange",
    "keys",
    "load_matminer",
    "neutral_possible",
    "place_distinct",
    "read_tables",
    "unfit",
    "weighted_deviation",
]
