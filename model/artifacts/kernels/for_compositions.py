"""What the featurizer uses of this folder."""

from .compiling import notes
from .composition import featurize
from .distinct import distinct
from .element_property import STATS

__all__ = ["STATS", "distinct", "featurize", "notes"]
