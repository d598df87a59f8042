"""What the tests of screening share."""

import csv

VALUE = "formation_energy_per_atom (eV/atom)"
DIRTY = [
    "not a formula",
    "Xx2O3",
    "",
    "NaN",
    "Ti02",
    "H2O,1",
    "Fe[2]O",
    "\u00e9\u00e9",
    "a" * 3000,
    "NaCl",
]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def beside(output):
    return sorted(
        path.name for path in output.parent.iterdir() if path.name.startswith(output.name)
    )
