"""Formulas to features, on the worker."""

import time
from typing import Any

from .worker import models
from .worker.features import encoded


def featurize_composition(
    formulas: list[str],
    *,
    name: str = "Matminer Featurizer",
    version: str = "Production",
    encode: bool = True,
) -> dict:
    """Featurize compositions with a registered featurizer.

    Args:
        formulas: chemical formulas, any number; an unusable one is data, not an error.
        name: registered model name of the featurizer.
        version: an alias, a stage (older registries) or a version number.
        encode: ``False`` leaves the array as it is, one row per *distinct* composition with an
            ``index`` into it: for a step in the same task, where nothing crosses a wire.

    Returns:
        ``features``: base64 of a compressed ``.npz`` holding ``features``, float64 of shape
        (n_accepted, n_features); ``labels`` of its columns; ``rows``: index into ``formulas`` of
        each accepted row;
        ``rejected``: reason by row, the row as text; ``outside``: the same for accepted rows far
        from all that the model was trained on, and ``in_training``: the value by row that it was
        taught for the very composition (both empty if not known); ``featurizer``: name, version,
        run_id, schema; ``loading``: cold, stale, seconds, warnings; ``seconds`` of
        featurizing alone.

    Raises:
        TypeError: ``formulas`` is not a list.
        RuntimeError: ``[code] sentence``: the registry or the version is at fault.
    """
    if not isinstance(formulas, list):
        raise TypeError(
            f"[formulas-not-a-list] formulas must be a list of text, not {type(formulas).__name__};"
            " write ['NaCl'] for one."
        )
    featurizer = models.load(name, version)
    started = time.perf_counter()
    features, rows, index, rejected, outside, in_training = _examined(featurizer.model, formulas)
    result = {
        "features": encoded(features[index]) if encode else features,
        "rows": rows,
        "rejected": {str(row): reason for row, reason in rejected.items()},
        "outside": {str(row): reason for row, reason in outside.items()},
        "in_training": {str(row): value for row, value in in_training.items()},
        "featurizer": featurizer.version.as_json(),
        "loading": featurizer.loading(),
    }
    result |= {"labels": list(featurizer.model.labels)} if encode else {"index": index}
    result["seconds"] = time.perf_counter() - started
    return result


def _examined(model: Any, formulas: list[str]) -> tuple:
    """What the artifact says of formulas, also one of a time when they said less."""
    if hasattr(model, "report"):
        return model.report(formulas)
    if hasattr(model, "examine"):
        return *model.examine(formulas), {}
    return *model.featurize(formulas), {}, {}
