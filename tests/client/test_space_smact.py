"""Neutral compositions beside SMACT's, for the same oxidation states and electronegativities."""

import pytest
import smact
from smact.screening import smact_filter

from matminer_compute.client import Space
from matminer_compute.client.spaces.elements import elements

SYSTEMS = [
    ("Na", "Cl"),
    ("Fe", "O"),
    ("Cs", "Pb", "I"),
    ("Li", "Fe", "O"),
    ("Ca", "Ti", "O"),
    ("Cu", "In", "Se"),
    ("Ba", "Bi", "O"),
    ("Mn", "S", "O"),
    ("Li", "Fe", "P", "O"),
    ("Na", "Zr", "Si", "O"),
    ("La", "Sr", "Mn", "O"),
    ("K", "Cu", "C", "N"),
    ("Ag", "Bi", "S", "I"),
    ("Zn", "Ga", "N", "O"),
]


def found_by(space):
    """Amounts by element of each candidate, as it is enumerated."""
    candidates = space._candidates
    for _, rows in candidates.parts(list(range(space.parts))):
        for places, amounts in zip(rows.places.tolist(), rows.amounts.tolist(), strict=True):
            yield frozenset(
                (candidates.symbols[p], a) for p, a in zip(places, amounts, strict=True)
            )


def by_smact(symbols, states, most):
    atoms = [smact.Element(symbol) for symbol in symbols]
    for atom in atoms:  # Bi has 1.9 there, 2.02 in pymatgen, and 12 others differ as well
        atom.pauling_eneg = elements()[atom.symbol]["electronegativity"]
    made = smact_filter(
        atoms,
        threshold=most,
        species_unique=False,
        oxidation_states_set=states,
    )
    return {frozenset(zip(some, ratio, strict=True)) for some, ratio in made}


@pytest.fixture(scope="module")
def table_file(tmp_path_factory):
    """Our table of all states, in SMACT's format."""
    path = tmp_path_factory.mktemp("states") / "states.txt"
    lines = (f"{symbol} {' '.join(map(str, e['all']))}" for symbol, e in elements().items())
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("symbols", SYSTEMS, ids="-".join)
def test_they_are_those_of_smact_filter_by_our_table(symbols, table_file):
    most = 6 if len(symbols) < 4 else 4
    space = Space.ratios(
        symbols,
        max_atoms=most * len(symbols),
        max_amount=most,
        min_elements=len(symbols),
        max_elements=len(symbols),
        neutral={"states": "all", "electronegativity": True},
    )
    found = list(found_by(space))
    assert set(found) == by_smact(symbols, table_file, most)
    assert len(found) == len(set(found)) > 0


@pytest.mark.parametrize("symbols", SYSTEMS, ids="-".join)
def test_they_are_those_of_smact_filter_by_its_own_table(symbols):
    own = {s: smact.Element(s).oxidation_states_icsd24 for s in symbols}
    space = Space.ratios(
        symbols,
        max_atoms=4 * len(symbols),
        max_amount=4,
        min_elements=len(symbols),
        max_elements=len(symbols),
        neutral={"own": own, "electronegativity": True},
    )
    assert set(found_by(space)) == by_smact(symbols, "icsd24", 4)
