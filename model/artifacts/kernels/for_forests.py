"""What the regressor uses of this folder."""

from .compiling import notes
from .forest_walk import NODE, is_sound, leaves, walk

__all__ = ["NODE", "is_sound", "leaves", "notes", "walk"]
