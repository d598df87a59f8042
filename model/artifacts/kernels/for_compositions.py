"""What the featurizer uses of this folder."""

from .compiling import notes
from .composition import featurize
from .distinct import distinct
from .element_property import STATS
from .plain_formulas import read_plain

__all__ = ["STATS", "distinct", "featurize", "notes", "read_plain"]
