"""Units."""

KILOJOULES = 96.485


def as_kilojoules(value):
    """Kilojoules a mole of atoms, from eV/atom."""
    return KILOJOULES * value
