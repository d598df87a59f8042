"""Spaces: enumerating beside SMACT's filter, and screening where the candidates are enumerated.

``python benchmarks/spaces.py [--folder KEEP] [--parts 60]`` prints two tables. Both enumerators
take the same oxidation states and electronegativities, and their sets are compared in the run.
Times are of the processor, in turn, so that a busy machine spoils the ratios less.
"""

import argparse
import itertools
import os
import sys
import time
import warnings
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import smact
from designs import folder_for, prepare
from smact.screening import smact_filter

from matminer_compute.client import Space
from matminer_compute.client.spaces.elements import elements
from matminer_compute.functions import predict_composition, screen_space
from matminer_compute.functions.spaces.candidates import Candidates

CATIONS = ["Li", "Na", "K", "Mg", "Ca", "Sr", "Ba", "Al", "Ti", "Zr"]
CATIONS += ["V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Y", "La"]
MOST = 8  # atoms of one element, SMACT's threshold
SAMPLE = 20  # systems that SMACT is given
HUNDRED_MILLION = 100_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", type=int, default=60, help="parts of the space to screen")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    beside_smact()
    with folder_for(options.folder) as folder:
        prepare(folder, 4000)
        screening(options.parts)


def beside_smact() -> None:
    """Seconds a quaternary oxide system of both, by table of states."""
    print("| quaternary oxides, up to 8 atoms of an element | `smact_filter` | ours | times |")
    print("|---|---|---|---|")
    default = {s: smact.Element(s).oxidation_states_icsd24 for s in (*CATIONS, "O")}
    common = {s: elements()[s]["common"] for s in default}
    for name, states in (("common states", common), ("states of SMACT's default", default)):
        space = Space.ratios(
            [*CATIONS, "O"],
            required=["O"],
            max_atoms=4 * MOST,
            max_amount=MOST,
            min_elements=4,
            max_elements=4,
            neutral={"own": states, "electronegativity": True},
        )
        systems = list(itertools.combinations(CATIONS, 3))
        sample = systems[:: len(systems) // SAMPLE][:SAMPLE]
        theirs: dict[Any, set[frozenset[tuple[str, int]]]] = {}
        taken, ours = [], []
        for system in sample:
            started = time.process_time()
            theirs[system] = by_smact((*system, "O"), states)
            taken.append(time.process_time() - started)
            started = time.process_time()
            exhaust(space)
            ours.append((time.process_time() - started) / len(systems))
        check(space, theirs)
        print(
            f"| {name}: {len(systems):,} systems, {space.count():,} candidates "
            f"| {mean(taken) * 1e3:.1f} ms a system | {mean(ours) * 1e3:.3f} ms "
            f"| {mean(taken) / mean(ours):,.0f} |"
        )


def exhaust(space: Space) -> None:
    """All candidates as arrays."""
    candidates = Candidates(space.as_json())
    for _, rows in candidates.parts(list(range(space.parts))):
        candidates.arrays(rows)


def by_smact(
    symbols: tuple[str, ...], states: dict[str, list[int]]
) -> set[frozenset[tuple[str, int]]]:
    """What SMACT finds, with our states and electronegativities."""
    atoms = [smact.Element(symbol) for symbol in symbols]
    for atom in atoms:
        atom.oxidation_states_icsd24 = states[atom.symbol]
        atom.pauling_eneg = elements()[atom.symbol]["electronegativity"]
    found = smact_filter(atoms, threshold=MOST, species_unique=False)
    return {frozenset(zip(some, ratio, strict=True)) for some, ratio in found}


def check(space: Space, theirs: dict[Any, set[frozenset[tuple[str, int]]]]) -> None:
    """Whether both find the same in the sample."""
    candidates = Candidates(space.as_json())
    ours: dict[frozenset[str], set[frozenset[tuple[str, int]]]] = {}
    for _, rows in candidates.parts(list(range(space.parts))):
        for places, amounts in zip(rows.places.tolist(), rows.amounts.tolist(), strict=True):
            symbols = [candidates.symbols[place] for place in places]
            found = frozenset(zip(symbols, amounts, strict=True))
            ours.setdefault(frozenset(symbols), set()).add(found)
    for system, found in theirs.items():
        if ours.get(frozenset((*system, "O")), set()) != found:
            raise SystemExit(f"{system}: not what smact_filter finds")


def screening(parts: int) -> None:
    """What a candidate costs a worker, and what 100 million cost."""
    symbols = [s for s, e in elements().items() if e["common"] and e["number"] <= 83]
    space = Space.ratios(
        symbols, required=["O"], max_atoms=16, min_elements=4, max_elements=4, neutral=True
    )
    keep = {"top": 10_000}
    screen_space(space.as_json(), [0], keep=keep)
    step = space.parts // (parts + 1)
    chosen = [step * (k + 1) for k in range(parts)]
    started, busy = time.perf_counter(), time.process_time()
    answer = screen_space(space.as_json(), chosen, keep=keep)
    busy, taken = time.process_time() - busy, time.perf_counter() - started
    count, spent = answer["tally"]["rows"], answer["worker"]["seconds"]
    sent = time.process_time()
    predict_composition(answer["formulas"])
    sent = (time.process_time() - sent) / len(answer["formulas"])
    print(f"\n| {count:,} candidates of {parts} parts out of {space.parts:,}, one core | µs each |")
    print("|---|---|")
    for what in ("enumerate", "featurize", "predict"):
        note = ", count and keep" if what == "enumerate" else ""
        print(f"| {what}{note} | {spent[what] / count * 1e6:.2f} |")
    print(f"| together | {taken / count * 1e6:.2f} |")
    print(f"| together, processor time | {busy / count * 1e6:.2f} |")
    print(f"| 10,000 of them as formulas, `predict_composition`, the same | {sent * 1e6:.2f} |")
    minutes = busy / count * HUNDRED_MILLION / 2 / 60
    print(f"\n100 million on two cores, computed from the processor time: {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
