"""Publish a scikit-learn estimator that was trained elsewhere on the featurizer's columns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from matminer_compute.errors import TrainingError

from .featurizer import Featurizer, build_featurizer
from .options import FEATURIZERS, MODEL_NAME, check_name
from .publish import EXAMPLE_FORMULAS, Published, publish_pair
from .registry import connected, refuse_moved, told
from .runs import active_run
from .serialize import load_pipeline
from .versions import refuse_other_property


def publish_estimator(
    path: str | Path,
    *,
    property_name: str,
    unit: str,
    name: str = MODEL_NAME,
    element_property_preset: str = "magpie",
    featurizers: tuple[str, ...] = FEATURIZERS,
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
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        TrainingError: the file cannot be trusted or read, or what it holds does not take the
            featurizer's columns. Nothing was published.
        RegistryUnreachable: the registry does not answer.
    """
    for label, text in (("property_name", property_name), ("unit", unit), ("name", name)):
        if not text.strip():
            raise TrainingError(f"{label} is empty: say what the model predicts, and in what unit.")
    check_name(name)
    pipeline = _as_pipeline(load_pipeline(Path(path)), Path(path))
    with connected(tracking_uri, create=True) as client, tempfile.TemporaryDirectory() as folder:
        refuse_moved(client)
        refuse_other_property(client, name, property_name, unit)
        featurizer = build_featurizer(element_property_preset, featurizers, Path(folder))
        _check_fits(pipeline, featurizer)
        estimator = type(pipeline[-1]).__name__
        about = (
            f"Predicts the {property_name.replace('_', ' ')} ({unit}) of a composition, by a "
            f"{estimator} trained elsewhere ({Path(path).name}); its errors are not known here."
        )
        with (
            active_run(client, f"{name}: {estimator}, published", about) as run,
            told(after="Nothing was published."),
        ):
            mlflow.log_params(
                {
                    "element_property_preset": element_property_preset,
                    "featurizers": ", ".join(featurizers),
                    "estimator": estimator,
                    "published_from": Path(path).name,
                }
            )
            mlflow.set_tags({"property": property_name, "unit": unit})
            mlflow.log_dict({"labels": featurizer.labels}, "features.json")
            return publish_pair(
                client,
                featurizer,
                pipeline,
                run_id=run.info.run_id,
                property_name=property_name,
                unit=unit,
                name=name,
                description=about,
            )


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
