"""Features to property values, on the worker."""

import os
import platform
import time
from typing import Any

from .worker import models, refusals
from .worker.features import taken_apart


def predict(
    featurized: dict | None,
    *,
    name: str = "Matminer",
    version: str = "Production",
) -> dict:
    """Predict a property from features with a registered model.

    Args:
        featurized: what ``featurize_composition`` returned. ``None`` asks only which pair of
            versions would answer, without any rows.
        name: registered model name.
        version: an alias, a stage (older registries) or a version number.

    Returns:
        ``values`` and ``std`` (over the trees; None where the estimator has none), in ``unit``, one
        per accepted row; ``property``; ``rows``, ``rejected`` and ``outside``, carried through;
        ``featurizer`` and ``model``: name, version, run_id, schema; ``worker``: host, python, pid,
        task, cold, seconds; ``stale``: the registry was away and the last known version answered;
        ``warnings``.

    Raises:
        ValueError: ``[bad-features]``: ``featurized`` is not of that form.
        RuntimeError: ``[feature-schema-mismatch]``: the features are another featurizer's;
            any other ``[code] sentence``: the registry or the version is at fault.
    """
    model = models.load(name, version)
    if "featurizer" not in model.version.tags:
        raise refusals.not_a_model(name)
    if featurized is None:
        featurized = {"features": None, "rows": [], "featurizer": model.version.featurizer()}
    features, rows, index, featurizer = taken_apart(featurized)
    if featurizer["schema"] != model.version.tags["schema"]:
        wanted = model.version.featurizer()
        raise refusals.another_schema(featurizer, model.version.as_json(), wanted)
    started = time.perf_counter()
    values, std = _regressed(model.model, features, index)
    before = featurized.get("loading") or {"cold": False, "seconds": 0.0, "warnings": []}
    loading = model.loading()
    seconds = {
        "load": loading["seconds"] + before["seconds"],
        "featurize": featurized.get("seconds", 0.0),
        "predict": time.perf_counter() - started,
    }
    return {
        "values": values,
        "std": std,
        "property": model.version.tags.get("property"),
        "unit": model.version.tags.get("unit"),
        "rows": rows,
        "rejected": featurized.get("rejected", {}),
        "outside": featurized.get("outside", {}),
        "featurizer": featurizer,
        "model": model.version.as_json(),
        "worker": _worker(loading["cold"] or before["cold"], seconds),
        "stale": loading["stale"],
        "warnings": [*before["warnings"], *loading["warnings"]],
    }


def _regressed(model: Any, features: Any, index: list[int]) -> tuple[list, list]:
    """Values and deviations of the rows in ``index``; None where there is none."""
    if not len(index):
        return [], []
    numbers = [[None if x != x else x for x in some.tolist()] for some in model.regress(features)]
    values, std = ([some[row] for row in index] for some in numbers)
    return values, std


def _worker(cold: bool, seconds: dict) -> dict:
    """Who answers, and how long that took."""
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "task": os.environ.get("GC_TASK_UUID"),
        "cold": cold,
        "seconds": seconds,
    }
