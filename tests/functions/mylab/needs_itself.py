"""Names its own package in full, so that it cannot go under another name."""

from mylab.units import as_kilojoules


def by_full_name(value):
    """Kilojoules once more."""
    return as_kilojoules(value)
