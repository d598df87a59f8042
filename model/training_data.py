"""Where the training rows come from: the bundled set, a CSV of the user's own, or matminer.

Whatever is wrong with the rows is said before anything is trained, in a sentence that names the
row as a spreadsheet numbers it (the header is row 1).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from matminer_compute.errors import TrainingError

from .spreadsheet import read_sheet

BUNDLED = "bundled"
BUNDLED_FILE = Path(__file__).parent / "data" / "mp_e_form.csv.gz"
BUNDLED_ATTRIBUTION = (
    "Formation energies from the Materials Project (CC BY 4.0), as collected in matbench v0.1, "
    "matbench_mp_e_form, reduced to the lowest energy of each composition. Cite: A. Jain et al., "
    "APL Materials 1, 011002 (2013), doi:10.1063/1.4812323; A. Dunn et al., npj Computational "
    "Materials 6, 138 (2020), doi:10.1038/s41524-020-00406-3."
)
BUNDLED_LICENCE = "CC BY 4.0"
MINIMUM_ROWS = 50
LARGEST_TARGET, SMALLEST_SPREAD = 1e100, 1e-100  # their squares are float64 too
_ROWS_SHOWN = 20
UNSTATED_UNIT = "unit not stated"

_SHUFFLE_SEED = 20200815  # fixed: the rows of --rows N must be the same for everyone, whatever seed
_UNITS = {
    "formation_energy_per_atom": "eV/atom",
    "e_form": "eV/atom",
    "e_above_hull": "eV/atom",
    "gap expt": "eV",
    "gap pbe": "eV",
    "band_gap": "eV",
}


@dataclass(frozen=True)
class TrainingData:
    """Formulas and one measured or computed property of each.

    Attributes:
        frame: columns ``formula`` (text) and ``target`` (float64, in ``unit``), one row each; its
            index is the row's number in a spreadsheet of the source.
        property_name: name of the target, such as ``formation_energy_per_atom``.
        unit: unit of the target, such as ``eV/atom``.
        source: where the rows came from: a file or a data set's name.
        attribution: whom to credit, in a sentence; empty if the source says nothing.
        digest: sha256 over the rows, in order.
    """

    frame: pd.DataFrame
    property_name: str
    unit: str
    source: str
    attribution: str
    digest: str

    @property
    def is_file(self) -> bool:
        """Whether the rows came from a file, rather than from a data set known by name."""
        return Path(self.source).exists()

    @property
    def is_users_own(self) -> bool:
        """Whether a row that cannot be used is a mistake its owner wants to hear about.

        Reference sets hold elements that some presets have no data for; their rows are left out.
        """
        return self.is_file and Path(self.source) != BUNDLED_FILE

    @property
    def formulas(self) -> list[object]:
        """The formulas, one for each row, as the featurizer takes them."""
        return list(self.frame["formula"])

    @property
    def target(self) -> np.ndarray:
        """The property, float64 of shape (n_rows,), in ``unit``."""
        return self.frame["target"].to_numpy(dtype=np.float64)

    def without(self, formulas: Collection[str]) -> TrainingData:
        """Return the same data less the rows of these formulas (compared as they are written)."""
        if not formulas:
            return self
        return _with_frame(self, self.frame[~self.frame["formula"].isin(list(formulas))])

    def take(self, rows: int | None) -> TrainingData:
        """Return the first ``rows`` rows of a fixed shuffle, or everything for ``None`` or 0.

        Raises:
            TrainingError: fewer rows are asked for than a model can be judged on.
        """
        if not rows:
            return self
        if rows < MINIMUM_ROWS:
            raise TrainingError(
                f"{rows} rows are too few to train on and to judge the result by: "
                f"ask for at least {MINIMUM_ROWS}."
            )
        order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(self.frame))[:rows]
        return _with_frame(self, self.frame.iloc[order])


def load_data(
    source: str | None = None,
    *,
    formula_column: str = "formula",
    target_column: str | None = None,
    property_name: str | None = None,
    unit: str | None = None,
    bad_rows: dict[int, str] | None = None,
) -> TrainingData:
    """Load training rows from wherever ``source`` says.

    Args:
        source: ``None`` or ``"bundled"`` for the set that comes with this package; a path that
            exists or ends in ``.csv`` or ``.csv.gz``; otherwise the name of a matminer data set.
        formula_column: column of the formulas.
        target_column: column of the property; may be left out where only one is possible.
        property_name: what to call the property (default: the target column).
        unit: unit of the property (default: known for a few columns, else "unit not stated").
        bad_rows: takes the numbers of the rows that cannot be used, and why; without it, one such
            row is an error.

    Raises:
        TrainingError: the rows cannot be trained on; the sentence says which and why.
    """
    bad: dict[int, str] = {} if bad_rows is None else bad_rows
    attribution = ""
    if not source or source == BUNDLED:
        _refuse_names(formula_column, target_column, property_name, unit)
        source, attribution = str(BUNDLED_FILE), BUNDLED_ATTRIBUTION
        frame, target = _read_csv(BUNDLED_FILE, "formula", "formation_energy_per_atom", bad)
    elif Path(source).exists() or source.lower().endswith((".csv", ".csv.gz")):
        frame, target = _read_csv(Path(source), formula_column, target_column, bad)
        if bad and (bad_rows is None or len(frame) < MINIMUM_ROWS):
            raise unusable_rows(source, bad)
    else:
        from .matminer_data import load_matminer  # matminer costs a second to import

        frame, target, attribution = load_matminer(source, formula_column, target_column)
    name = property_name or target
    return _build(frame, name, unit or _UNITS.get(target, UNSTATED_UNIT), source, attribution)


def _refuse_names(formula: str, target: str | None, name: str | None, unit: str | None) -> None:
    """The bundled set's columns, property and unit are what they are."""
    given = {
        "--formula-column": formula != "formula",
        "--target-column": target,
        "--property-name": name,
        "--unit": unit,
    }
    if named := [option for option, value in given.items() if value]:
        raise TrainingError(
            f"{', '.join(named)} would change what the bundled set is (formation_energy_per_atom, "
            "eV/atom): leave that out, or name a file of yours (--data)."
        )


def unusable_rows(source: str, bad: Mapping[int, str]) -> TrainingError:
    """The error that names all rows that cannot be used, or the first twenty and how many."""
    shown = [f"  row {number}: {bad[number]}" for number in sorted(bad)[:_ROWS_SHOWN]]
    if len(bad) > _ROWS_SHOWN:
        shown.append(f"  and {len(bad) - _ROWS_SHOWN} more")
    rows = "1 row" if len(bad) == 1 else f"{len(bad)} rows"
    listed = "\n".join(shown)
    return TrainingError(
        f"{source}: {rows} cannot be used:\n{listed}\nFix them, or leave them out with "
        "--skip-bad-rows."
    )


def _build(
    frame: pd.DataFrame, name: str, unit: str, source: str, attribution: str
) -> TrainingData:
    if len(frame) < MINIMUM_ROWS:
        raise TrainingError(
            f"{source} has {len(frame)} rows; at least {MINIMUM_ROWS} are needed to train a model "
            "and to judge it."
        )
    spread = float(np.ptp(frame["target"].to_numpy()))
    if spread == 0:
        raise TrainingError(
            f"{source}: {name} is {frame['target'].iloc[0]:g} in every row; there is nothing to "
            "learn."
        )
    if spread < max(SMALLEST_SPREAD, 1e-12 * float(frame["target"].abs().max())):
        raise TrainingError(
            f"{source}: the values of {name} differ by {spread:.2g} at most: give them in another "
            "unit, or subtract what they have in common."
        )
    return TrainingData(frame, name, unit, source, attribution, _digest(frame))


def _with_frame(data: TrainingData, frame: pd.DataFrame) -> TrainingData:
    return replace(data, frame=frame, digest=_digest(frame))


def _digest(frame: pd.DataFrame) -> str:
    rows = (f"{f},{t!r}\n" for f, t in zip(frame["formula"], frame["target"].tolist(), strict=True))
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _read_csv(
    path: Path, formula_column: str, target_column: str | None, bad: dict[int, str]
) -> tuple[pd.DataFrame, str]:
    """Return the rows that can be used and the target's name; the others go into ``bad``."""
    sheet = read_sheet(path)
    formula_at = sheet.column(formula_column)
    target_at = sheet.column(target_column) if target_column else sheet.only_other(formula_at)
    target_name, width = sheet.header[target_at], len(sheet.header)
    numbers, formulas, targets = [], [], []
    for number, cells in sheet.rows:
        row = cells + [""] * (width - len(cells))
        formula, target = row[formula_at].strip(), _number(row[target_at])
        if any(row[width:]):
            bad[number] = (
                f"it has {len(row)} cells, the header {width} (a cell that holds a comma needs "
                "quotes)"
            )
        elif not formula:
            if any(row):
                bad[number] = "the formula is empty"
        elif not abs(target) <= LARGEST_TARGET:
            bad[number] = f"{target_name} is {row[target_at]!r}, {_unlike_a_number(target)}"
        else:
            numbers.append(number)
            formulas.append(formula)
            targets.append(target)
    columns = {"formula": formulas, "target": np.array(targets, dtype=np.float64)}
    return pd.DataFrame(columns, index=numbers), target_name


def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan


def _unlike_a_number(target: float) -> str:
    if math.isfinite(target):
        return f"beyond {LARGEST_TARGET:g}: no unit makes that sensible"
    return "which is not a finite number"
