"""Uses another module of the package."""

from .units import as_kilojoules


def above_hull(value):
    """Zero below zero."""
    return max(0.0, as_kilojoules(value))
