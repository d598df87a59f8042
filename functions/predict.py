"""Features to property values, on the worker."""

import bisect
import os
import platform
import time
from typing import Any

from .worker import answers, models, refusals
from .worker.features import taken_apart


def predict(
    featurized: dict | None,
    *,
    name: str = "Matminer",
    version: str = "Production",
    interval: float = 0.9,
) -> dict:
    """Predict a property from features with a registered model.

    Args:
        featurized: what ``featurize_composition`` returned. ``None`` asks only which pair of
            versions would answer, without any rows.
        name: registered model name.
        version: an alias, a stage (older registries) or a version number.
        interval: share of the intervals that hold the true value, one of those that the model has.

    Returns:
        ``values`` and ``std`` (over trees or members; None where the estimator has none), in
        ``unit``, one per accepted row, and ``lower`` and ``upper``, their intervals (None for rows
        outside); ``interval``, their level, or None and ``no_interval``, the reason;
        ``property``; ``rows``, ``rejected``, ``outside`` and ``in_training``, carried through;
        ``featurizer`` and ``model``: name, version, run_id, schema; ``worker``: host, python, pid,
        task, cold, seconds; ``stale``: the registry was away and the last known version answered;
        ``warnings``.

    Raises:
        ValueError: ``[bad-features]``: ``featurized`` is not of that form.
        RuntimeError: ``[feature-schema-mismatch]``: the features are another featurizer's;
            ``[unknown-interval]``: the model has none of that level; any other ``[code] sentence``:
            the registry or the version is at fault.
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
    said = answers.interval(model, interval)
    outside = featurized.get("outside", {})
    started = time.perf_counter()
    numbers = _numbers(model.model, features, index, said["interval"])
    for row in map(int, outside):
        at = bisect.bisect_left(rows, row)  # rows ascend
        numbers["lower"][at] = numbers["upper"][at] = None
    before = featurized.get("loading") or {"cold": False, "seconds": 0.0, "warnings": []}
    loading = model.loading()
    seconds = {
        "load": loading["seconds"] + before["seconds"],
        "featurize": featurized.get("seconds", 0.0),
        "predict": time.perf_counter() - started,
    }
    return {
        **numbers,
        **said,
        "property": model.version.tags.get("property"),
        "unit": model.version.tags.get("unit"),
        "rows": rows,
        "rejected": featurized.get("rejected", {}),
        "outside": outside,
        "in_training": featurized.get("in_training", {}),
        "featurizer": featurizer,
        "model": model.version.as_json(),
        "worker": _worker(loading["cold"] or before["cold"], seconds),
        "stale": loading["stale"],
        "warnings": [*before["warnings"], *loading["warnings"]],
    }


def _numbers(model: Any, features: Any, index: list[int], level: float | None) -> dict:
    """Values, deviations and bounds of the rows in ``index``, each a list."""
    if not len(index):
        return {name: [] for name in answers.NUMBERS}
    distinct = answers.by_name(answers.regressed(model, features, level))
    return {name: [some[row] for row in index] for name, some in distinct.items()}


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
