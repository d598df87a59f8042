"""How amounts are written, and how small and large they may be."""

MIN_AMOUNT, MAX_AMOUNT = 1e-8, 1e12  # pymatgen drops an element below the first

NUMBER = r"(?:[0-9]+(?:\.[0-9]+|\.(?!\s*[A-Z(\[{]))?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
FACTOR = rf"(?:(?:[0-9]+\s+)?[0-9]+\s*/\s*[0-9]+|{NUMBER})"  # 2½ is 2 1/2 by now


class FormulaError(ValueError):
    """A text that is not a composition; the message says why in words a chemist understands."""
