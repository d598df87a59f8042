"""Formulas to property values in one task: both halves, chained on the worker."""

from .featurize_composition import featurize_composition
from .predict import predict


def predict_composition(
    formulas: list[str],
    *,
    name: str = "Matminer",
    version: str = "Production",
    interval: float = 0.9,
) -> dict:
    """Predict a property from formulas; the features never leave the endpoint.

    The model's version is the only pointer: it names the featurizer version it was trained with,
    so a promotion in mid-call cannot mix two pairs.

    Args:
        formulas: chemical formulas, any number; an unusable one is data, not an error.
        name: registered model name.
        version: an alias, a stage (older registries) or a version number.
        interval: as ``predict`` takes it.

    Returns:
        What ``predict`` returns; ``rows``, and the rows of ``rejected``, ``outside`` and
        ``in_training``, are indexes into ``formulas``.

    Raises:
        TypeError, RuntimeError: as its two steps do.
    """
    pair = predict(None, name=name, version=version, interval=interval)
    featurizer = pair["featurizer"]
    featurized = featurize_composition(
        formulas, name=featurizer["name"], version=featurizer["version"], encode=False
    )
    answer = predict(featurized, name=name, version=pair["model"]["version"], interval=interval)
    answer["stale"] = pair["stale"]
    answer["warnings"] = list(dict.fromkeys(pair["warnings"] + answer["warnings"]))
    answer["worker"]["cold"] |= pair["worker"]["cold"]
    answer["worker"]["seconds"]["load"] += pair["worker"]["seconds"]["load"]
    return answer
