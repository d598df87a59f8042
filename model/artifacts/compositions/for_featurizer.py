"""What the featurizer uses of this folder."""

from .arrays import arrange, place_distinct
from .batch import Parser
from .by_blas import add_deviations, neutral_possible
from .by_matminer import featurize_by_matminer, load_matminer
from .domain import Domain
from .tables import read_tables, unfit
from .trained import Trained, keys

__all__ = [
    "Domain",
    "Parser",
    "Trained",
    "add_deviations",
    "arrange",
    "featurize_by_matminer",
    "keys",
    "load_matminer",
    "neutral_possible",
    "place_distinct",
    "read_tables",
    "unfit",
]
