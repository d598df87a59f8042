"""Formulas to features, on the worker."""

import time

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
        from all that the model was trained on (empty if that is not known); ``featurizer``:
        name, version, run_id, schema; ``loading``: cold, stale, seconds, warnings; ``seconds`` of
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
    if hasattr(featurizer.model, "examine"):
        features, rows, index, rejected, outside = featurizer.model.examine(formulas)
    else:  # published before there were domains
        features, rows, index, rejected = featurizer.model.featurize(formulas)
        outside = {}
    result = {
        "features": encoded(features[index]) if encode else features,
        "rows": rows,
        "rejected": {str(row): reason for row, reason in rejected.items()},
        "outside": {str(row): reason for row, reason in outside.items()},
        "featurizer": featurizer.version.as_json(),
        "loading": featurizer.loading(),
    }
    result |= {"labels": list(featurizer.model.labels)} if encode else {"index": index}
    result["seconds"] = time.perf_counter() - started
    return result
