"""Cards of versions that have just been registered, from facts that are at hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from matminer_compute.model.estimators import CrossValidation
from matminer_compute.model.featurizer import Featurizer
from matminer_compute.model.intervals import Calibration
from matminer_compute.model.options import TrainOptions
from matminer_compute.model.publish import Published
from matminer_compute.model.requirements import trained_with
from matminer_compute.model.training_data import BUNDLED_FILE, BUNDLED_LICENCE, TrainingData

from .limits import limits_of
from .record import Card, Data, Domain, Errors, Features, Figures, Intervals, Protocol

Floats = npt.NDArray[np.float64]

_ROWS_OF_R2 = 10  # fewer give any number from 1 to far below 0


def of_training(
    published: Published,
    options: TrainOptions,
    data: TrainingData,
    featurizer: Featurizer,
    rows: tuple[Floats, Floats],
    judged: CrossValidation,
    features: Features,
    *,
    left_out: int,
    calibration: Calibration | None = None,
) -> Card:
    """The card of what ``train`` has just registered.

    Args:
        published: the versions.
        options: as it was trained.
        data: what it was trained on.
        featurizer: with the domain of the training formulas among its artifacts.
        rows: those that could be used: features (n_rows, n_features), values (n_rows,).
        judged: what was predicted for them.
        features: what the last fold's model goes by.
        left_out: how many rows could not be used.
        calibration: of its intervals; None: it has none.
    """
    matrix, target = rows
    elements = featurizer.elements_of(matrix)
    said = options.as_params()
    bundled = data.is_file and Path(data.source) == BUNDLED_FILE
    card = _begun(published, featurizer, data.property_name, data.unit, "training").model_copy(
        update={
            "data": Data(
                source=Path(data.source).name,
                rows=len(target),
                left_out=left_out,
                digest=data.digest,
                attribution=data.attribution,
                licence=BUNDLED_LICENCE if bundled else None,
                computed=True if bundled else None,
            ),
            "protocol": Protocol(
                estimator=options.estimator,
                size=options.size,
                aggregate=said.get("aggregate"),
                featurizers=tuple(options.featurizers),
                preset=options.element_property_preset,
                columns=len(featurizer.labels),
                folds=options.folds,
                held_out=judged.held_out,
                seed=options.seed,
            ),
            "errors": errors_of(target, judged.predicted, elements),
            "intervals": intervals_of(calibration),
            "domain": _domain(featurizer),
            "features": features,
        }
    )
    return _with_limits(card, featurizer)


def of_published(
    published: Published,
    featurizer: Featurizer,
    estimator: str,
    property_name: str,
    unit: str,
    *,
    judged: Errors | None = None,
    calibration: Calibration | None = None,
) -> Card:
    """The card of what was trained elsewhere: little is known of it, and the card says so.

    Args:
        published: the versions.
        featurizer: whose columns it takes.
        estimator: its class.
        property_name: what it predicts.
        unit: in which unit.
        judged: its errors on rows that it was not trained on; None: they are not known.
        calibration: as for :func:`of_training`.
    """
    card = _begun(published, featurizer, property_name, unit, "publish").model_copy(
        update={
            "protocol": Protocol(
                estimator=estimator,
                featurizers=tuple(featurizer.configuration["featurizers"]),
                preset=featurizer.configuration["element_property_preset"],
                columns=len(featurizer.labels),
            ),
            "errors": judged,
            "intervals": intervals_of(calibration),
            "domain": _domain(featurizer),
        }
    )
    return _with_limits(card, featurizer)


def errors_of(target: Floats, predicted: Floats, elements: npt.NDArray[Any] | None) -> Errors:
    """The errors of all rows judged, and by number of elements where that is known.

    Args:
        target: known values, (n_rows,).
        predicted: values of models that had not seen the row, (n_rows,); NaN where not judged.
        elements: (n_rows,), the number of elements of each row.
    """
    judged = np.isfinite(predicted)
    if elements is None:
        return Errors(overall=_figures(target[judged], predicted[judged]))
    sizes = np.unique(elements[judged]).astype(int).tolist()
    rows = {size: judged & (elements == size) for size in sizes}
    return Errors(
        overall=_figures(target[judged], predicted[judged]),
        by_elements={size: _figures(target[w], predicted[w]) for size, w in rows.items()},
    )


def intervals_of(calibration: Calibration | None) -> Intervals | None:
    """What a calibration says of its intervals, with levels as text: ``0.9``."""
    if calibration is None:
        return None
    return Intervals(
        rows=calibration.rows,
        coverage={f"{level:g}": said for level, said in calibration.coverage.items()},
        width={f"{level:g}": said for level, said in calibration.width.items()},
    )


def _begun(
    published: Published, featurizer: Featurizer, property_name: str, unit: str, origin: str
) -> Card:
    """What is known of every version."""
    software = trained_with(featurizer.needs_matminer, needs_sklearn=True)
    return Card.model_validate(
        {
            "origin": origin,
            "name": published.name,
            "version": published.version,
            "property": property_name,
            "unit": unit,
            "created": datetime.now(UTC).replace(microsecond=0),
            "run_id": published.run_id,
            "featurizer": published.featurizer,
            "featurizer_version": published.featurizer_version,
            "software": {**_own_version(), **software},
        }
    )


def _own_version() -> dict[str, str]:
    """Ours by name, unless this runs as an MLflow project, from a checkout nobody installed."""
    try:
        return {"matminer-compute": version("matminer-compute")}
    except PackageNotFoundError:
        return {}


def _with_limits(card: Card, featurizer: Featurizer) -> Card:
    """The whole card, validated as one."""
    limits = limits_of(card, featurizer.loaded.symbols[1:])
    return Card.model_validate(card.model_copy(update={"limits": limits}).model_dump())


def _domain(featurizer: Featurizer) -> Domain | None:
    path = featurizer.artifacts.get("domain")
    if path is None:
        return None
    held = json.loads(Path(path).read_text(encoding="utf-8"))
    never = tuple(s for s in featurizer.loaded.symbols[1:] if s not in held["by_element"])
    return Domain.model_validate({**held, "never": never})


def _figures(target: Floats, predicted: Floats) -> Figures:
    """Figures of some rows, at least one."""
    enough = len(target) >= _ROWS_OF_R2
    return Figures(
        rows=len(target),
        mae=float(mean_absolute_error(target, predicted)),
        rmse=float(root_mean_squared_error(target, predicted)),
        r2=float(r2_score(target, predicted)) if enough and np.ptp(target) > 0 else None,
    )
