"""What the regressor uses of this folder."""

from .compiling import notes
from .forest_walk import LANES, NODE, is_sound, leaves, walk

__all__ = ["LANES", "NODE", "is_sound", "leaves", "notes", "walk"]
