"""Publish a scikit-learn estimator that was trained elsewhere on the featurizer's columns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from matminer_compute.errors import TrainingError

from .card.making import errors_of, of_published
from .card.record import Errors
from .card.store import log_card
from .domain import with_domain
from .estimators import answers
from .featurizer import Featurizer, build_featurizer
from .intervals import Calibration, calibrate
from .options import FEATURIZERS, MODEL_NAME, check_featurizers, check_name
from .publish import EXAMPLE_FORMULAS, Published, publish_pair
from .registry import connected, refuse_moved, told
from .runs import active_run
from .serialize import load_pipeline
from .training_data import TrainingData, load_data, unusable_rows
from .versions import refuse_other_property

#: Errors below this share of the values' spread are no model's on rows that it has not seen.
_KNOWN_BY_HEART = 1e-6


def publish_estimator(
    path: str | Path,
    *,
    property_name: str,
    unit: str,
    name: str = MODEL_NAME,
    element_property_preset: str = "magpie",
    featurizers: tuple[str, ...] = FEATURIZERS,
    calibrate_on: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Published:
    """Register a fitted regressor from a skops file, with the featurizer it was trained on.

    Args:
        path: the file; a ``Pipeline`` is published as it is, a bare estimator becomes the only
            step of one.
        property_name: what it predicts.
        unit: in which unit.
        name: registered name for it.
        element_property_preset: preset of the features it was trained on.
        featurizers: featurizers of the features it was trained on, in order.
        calibrate_on: a CSV with a column ``formula`` and one of known values, of rows that it was
            **not** trained on: it is judged by them, its intervals are learned from them, and a
            composition far from all of them is ``outside``. Without it, it has none of these.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        TrainingError: the file cannot be trusted or read, what it holds does not take the
            featurizer's columns, or the rows to calibrate it by cannot be used. Nothing was
            published.
        RegistryUnreachable: the registry does not answer.
    """
    for label, text in (("property_name", property_name), ("unit", unit), ("name", name)):
        if not text.strip():
            raise TrainingError(f"{label} is empty: say what the model predicts, and in what unit.")
    check_name(name)
    check_featurizers(featurizers)
    pipeline = _as_pipeline(load_pipeline(Path(path)), Path(path))
    with connected(tracking_uri, create=True) as client, tempfile.TemporaryDirectory() as folder:
        refuse_moved(client)
        refuse_other_property(client, name, property_name, unit)
        featurizer = build_featurizer(element_property_preset, featurizers, Path(folder))
        _check_fits(pipeline, featurizer)
        judged = None
        if calibrate_on is not None:
            data = load_data(str(calibrate_on), property_name=property_name, unit=unit)
            judged = _judged(pipeline, featurizer, data)
            formulas = list(map(str, data.formulas))
            featurizer = with_domain(featurizer, formulas, Path(folder), "calibration")
        model = _Elsewhere(Path(path).name, pipeline, featurizer, property_name, unit, name, judged)
        return _publish(client, model)


@dataclass(frozen=True)
class _Judged:
    """How well a published model does on rows that it was not trained on."""

    digest: str
    errors: Errors
    calibration: Calibration

    def as_metrics(self) -> dict[str, float]:
        overall = self.errors.overall
        metrics = {"MAE": overall.mae, "RMSE": overall.rmse, "R2": overall.r2}
        known = {name: value for name, value in metrics.items() if value is not None}
        return known | self.calibration.as_metrics()

    def sentence(self, unit: str) -> str:
        overall = self.errors.overall
        return f"on {overall.rows:,} rows it was not trained on: **MAE {overall.mae:.4g} {unit}**."


@dataclass(frozen=True)
class _Elsewhere:
    """A model that was trained elsewhere, and what is known of it."""

    source: str  # the name of its file
    pipeline: Pipeline
    featurizer: Featurizer
    property_name: str
    unit: str
    name: str
    judged: _Judged | None

    @property
    def estimator(self) -> str:
        return type(self.pipeline[-1]).__name__

    @property
    def about(self) -> str:
        judged = self.judged
        return (
            f"Predicts the {self.property_name.replace('_', ' ')} ({self.unit}) of a composition, "
            f"by a {self.estimator} trained elsewhere ({self.source}); its errors "
            + ("are not known here." if judged is None else judged.sentence(self.unit))
        )


def _publish(client: MlflowClient, model: _Elsewhere) -> Published:
    """Register it, in a run that says what it is and how well it does."""
    calibration = model.judged.calibration if model.judged else None
    title = f"{model.name}: {model.estimator}, published"
    with active_run(client, title, model.about) as run:
        with told(after="Nothing was published."):
            _log_facts(model)
            published = publish_pair(
                client,
                model.featurizer,
                model.pipeline,
                run_id=run.info.run_id,
                property_name=model.property_name,
                unit=model.unit,
                name=model.name,
                description=model.about,
                calibration=calibration,
            )
        log_card(
            of_published(
                published,
                model.featurizer,
                model.estimator,
                model.property_name,
                model.unit,
                judged=model.judged.errors if model.judged else None,
                calibration=calibration,
            )
        )
        return published


def _log_facts(model: _Elsewhere) -> None:
    configuration = model.featurizer.configuration
    mlflow.log_params(
        {
            "element_property_preset": configuration["element_property_preset"],
            "featurizers": ", ".join(configuration["featurizers"]),
            "estimator": model.estimator,
            "published_from": model.source,
        }
    )
    mlflow.set_tags({"property": model.property_name, "unit": model.unit})
    mlflow.log_dict({"labels": model.featurizer.labels}, "features.json")
    if model.judged is not None:
        mlflow.log_metrics(model.judged.as_metrics())
        mlflow.set_tag("data_digest", model.judged.digest)


def _judged(pipeline: Pipeline, featurizer: Featurizer, data: TrainingData) -> _Judged:
    features, rows, index, rejected = featurizer.featurize(data.formulas)
    if rejected:
        numbered = {int(data.frame.index[at]): why for at, why in rejected.items()}
        raise unusable_rows(data.source, numbered)
    features, known = features[index], data.target[rows]
    values, std = answers(pipeline, features, "mean")
    if np.quantile(np.abs(values - known), 0.9) < _KNOWN_BY_HEART * np.std(known):
        raise TrainingError(
            f"The model gives nine in ten values of {data.source} exactly, which it can only where "
            "it was trained on them: calibrate it by rows that it has not seen."
        )
    elements = featurizer.elements_of(features)
    calibration = calibrate(values - known, std, elements, seed=0)
    return _Judged(data.digest, errors_of(known, values, elements), calibration)


def _as_pipeline(estimator: Any, path: Path) -> Pipeline:
    if not hasattr(estimator, "predict") or not is_regressor(estimator):
        raise TrainingError(
            f"{path} holds a {type(estimator).__name__}, which is not a scikit-learn regressor."
        )
    pipeline = estimator
    if not isinstance(estimator, Pipeline):
        pipeline = Pipeline([("regressor", estimator)])
    try:
        check_is_fitted(pipeline[-1])
    except NotFittedError:
        raise TrainingError(f"The {type(estimator).__name__} in {path} is not fitted.") from None
    last = pipeline[-1]
    if "n_jobs" in last.get_params(deep=False):
        last.set_params(n_jobs=None)  # a worker answers on the cores it is given, not on all
    return pipeline


def _check_fits(pipeline: Pipeline, featurizer: Featurizer) -> None:
    """Raise TrainingError unless the pipeline takes the featurizer's columns."""
    labels = featurizer.labels
    takes = getattr(pipeline, "n_features_in_", len(labels))
    if takes != len(labels):
        raise TrainingError(
            f"The model takes {takes} columns, the featurizer gives {len(labels)}: name the "
            "preset and the featurizers it was trained with."
        )
    names = getattr(pipeline, "feature_names_in_", None)
    if names is not None and list(names) != labels:
        at = next(i for i, pair in enumerate(zip(names, labels, strict=True)) if pair[0] != pair[1])
        raise TrainingError(
            f"The model's columns are not the featurizer's: column {at + 1} is {names[at]!r} "
            f"for the one and {labels[at]!r} for the other."
        )
    for _, step in pipeline.steps:
        if "feature_names_in_" in vars(step):
            # the columns are the same, so the names have served; workers send plain arrays, and
            # scikit-learn would warn of that on every call
            del step.feature_names_in_
    features, _, index, _ = featurizer.featurize(EXAMPLE_FORMULAS)
    try:
        values = np.asarray(pipeline.predict(features[index]), dtype=np.float64)
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"The model fails on the featurizer's columns: {error}") from error
    if values.shape != (len(index),) or not np.isfinite(values).all():
        raise TrainingError(
            f"The model should give one finite number a row; for {', '.join(EXAMPLE_FORMULAS)} it "
            f"gave {values.tolist()}."
        )
    gap = features[index][:1].copy()
    gap[0, ::2] = np.nan
    try:
        pipeline.predict(gap)
    except ValueError as error:
        raise TrainingError(
            "The model takes no missing values, and the featurizer gives some where an element "
            "lacks a property: publish a Pipeline that begins with a SimpleImputer."
        ) from error
