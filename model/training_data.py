"""Where the training rows come from: the bundled set, a CSV of the user's own, or matminer.

Whatever is wrong with the rows is said before anything is trained, in a sentence that names the
row as a spreadsheet numbers it (the header is row 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from matminer_compute.errors import TrainingError

BUNDLED = "bundled"
BUNDLED_FILE = Path(__file__).parent / "data" / "mp_e_form.csv.gz"
BUNDLED_ATTRIBUTION = (
    "Formation energies from the Materials Project (CC BY 4.0), as collected in matbench v0.1, "
    "matbench_mp_e_form, reduced to the lowest energy of each composition. Cite: A. Jain et al., "
    "APL Materials 1, 011002 (2013), doi:10.1063/1.4812323; A. Dunn et al., npj Computational "
    "Materials 6, 138 (2020), doi:10.1038/s41524-020-00406-3."
)
MINIMUM_ROWS = 50
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
) -> TrainingData:
    """Load training rows from wherever ``source`` says.

    Args:
        source: ``None`` or ``"bundled"`` for the set that comes with this package; a path that
            exists or ends in ``.csv`` or ``.csv.gz``; otherwise the name of a matminer data set.
        formula_column: column of the formulas.
        target_column: column of the property; may be left out where only one is possible.
        property_name: what to call the property (default: the target column).
        unit: unit of the property (default: known for a few columns, else "unit not stated").

    Raises:
        TrainingError: the rows cannot be trained on; the sentence says which and why.
    """
    if source in (None, "", BUNDLED):
        frame = _read_csv(BUNDLED_FILE, "formula", "formation_energy_per_atom")
        return _build(
            frame, "formation_energy_per_atom", "eV/atom", str(BUNDLED_FILE), BUNDLED_ATTRIBUTION
        )
    assert source is not None
    if Path(source).exists() or source.lower().endswith((".csv", ".csv.gz")):
        path = Path(source)
        target = target_column or _only_other_column(path, formula_column)
        frame = _read_csv(path, formula_column, target)
        attribution = ""
    else:
        from .matminer_data import load_matminer  # matminer costs a second to import

        frame, target, attribution = load_matminer(source, formula_column, target_column)
    name = property_name or target
    return _build(frame, name, unit or _UNITS.get(target, UNSTATED_UNIT), source, attribution)


def _build(
    frame: pd.DataFrame, name: str, unit: str, source: str, attribution: str
) -> TrainingData:
    if len(frame) < MINIMUM_ROWS:
        raise TrainingError(
            f"{source} has {len(frame)} rows; at least {MINIMUM_ROWS} are needed to train a model "
            "and to judge it."
        )
    return TrainingData(frame, name, unit, source, attribution, _digest(frame))


def _with_frame(data: TrainingData, frame: pd.DataFrame) -> TrainingData:
    return replace(data, frame=frame, digest=_digest(frame))


def _digest(frame: pd.DataFrame) -> str:
    rows = (f"{f},{t!r}\n" for f, t in zip(frame["formula"], frame["target"].tolist(), strict=True))
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _read_text_columns(path: Path, rows: int | None = None) -> pd.DataFrame:
    """Read every cell as text; sodium nitride is written ``NaN`` and must not become missing."""
    try:
        return pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,  # else the rows below a blank one would be numbered wrongly
            encoding="utf-8-sig",
            nrows=rows,
        )
    except FileNotFoundError:
        raise TrainingError(f"There is no file {path}.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, ValueError) as error:
        # UnicodeDecodeError is a ValueError
        raise TrainingError(f"{path} cannot be read as a CSV file: {error}") from error


def _only_other_column(path: Path, formula_column: str) -> str:
    columns = [c for c in _read_text_columns(path, rows=1).columns if c != formula_column]
    if len(columns) == 1:
        return str(columns[0])
    raise TrainingError(
        f"{path} has several columns besides {formula_column!r}: name the one to learn "
        f"(target_column), one of {', '.join(map(repr, columns)) or 'none'}."
    )


def _read_csv(path: Path, formula_column: str, target_column: str) -> pd.DataFrame:
    cells = _read_text_columns(path)
    for column in (formula_column, target_column):
        if column not in cells.columns:
            raise TrainingError(
                f"{path} has no column {column!r}; row 1 names "
                f"{', '.join(repr(str(c)) for c in cells.columns)}."
            )
    cells.index = cells.index + 2  # row 1 is the header
    cells = cells[(cells != "").any(axis=1)]
    target = _numbers(path, cells[target_column], target_column)
    formulas = cells[formula_column].str.strip()
    if (empty := formulas.index[formulas == ""]).size:
        raise TrainingError(f"{path}, row {empty[0]}: the formula is empty.")
    return pd.DataFrame({"formula": formulas, "target": target}, index=cells.index)


def _numbers(path: Path, cells: pd.Series[str], column: str) -> pd.Series[float]:
    numbers = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    bad = numbers.index[~np.isfinite(numbers)]
    if bad.size:
        more = f" (and {bad.size - 1} more rows)" if bad.size > 1 else ""
        raise TrainingError(
            f"{path}, row {bad[0]}: {column} is {cells[bad[0]]!r}, which is not a finite "
            f"number{more}."
        )
    return numbers
