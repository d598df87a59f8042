"""A space of candidates to the best of them in one task: enumerated, predicted, counted there."""

import time

from .predict import predict
from .spaces.candidates import Candidates
from .spaces.kept import Kept
from .spaces.tally import Tally
from .worker import answers, models, refusals

_BLOCK = 1 << 14  # candidates predicted together


def screen_space(
    space: dict,
    parts: list[int],
    *,
    keep: dict,
    name: str = "Matminer",
    version: str = "Production",
    interval: float = 0.9,
) -> dict:
    """Predict a property of all candidates in parts of a space, and keep what is asked for.

    The model's version is the only pointer, as in ``predict_composition``, and the values are those
    that it gives for the formulas, to the last bit.

    Args:
        space: what ``matminer_compute.client.Space.as_json`` gives.
        parts: the numbers of the parts to enumerate, from 0.
        keep: ``{"top": 100, "order": "lowest"}`` or ``"highest"``; ``{"below": x}``,
            ``{"above": x}``: what has such a value; ``{"all": True}``.
        name: registered model name.
        version: an alias, a stage (older registries) or a version number.
        interval: as ``predict`` takes it.

    Returns:
        ``formulas``, ``values``, ``std``, ``lower`` and ``upper`` (None where there is none) of
        what is kept, a top in its order; ``outside`` and ``in_training`` of these, by row, the row
        as text; ``interval``, as ``predict`` gives it; ``tally`` of all candidates: rows, rejected
        (how many by reason), outside (how many), histogram (width of a bin, and counts by
        floor(value / width)), elements (by symbol, how many rows hold it and the sum of their
        values); and ``property``, ``unit``, ``featurizer``, ``model``, ``worker``, ``stale``,
        ``warnings`` as ``predict`` gives them.

    Raises:
        ValueError: ``[bad-space]``, ``[bad-part]``, ``[bad-keep]``: an argument is no such thing.
        RuntimeError: ``[too-many-kept]``: more than an answer carries, so ask for fewer parts; any
            other ``[code] sentence``: the registry or the version is at fault.
    """
    candidates = Candidates(space)
    kept, tally = Kept(keep, candidates.texts), Tally()
    answer = predict(None, name=name, version=version, interval=interval)
    model = models.load(name, answer["model"]["version"])
    featurizer = models.load(answer["featurizer"]["name"], answer["featurizer"]["version"])
    if not hasattr(featurizer.model, "in_training"):
        sentence = f"{featurizer.version} reads formulas only, not spaces; train the pair again."
        raise refusals.refused("model-not-loadable", sentence)
    seconds, warm = answer["worker"]["seconds"], time.perf_counter()
    for some in candidates.blocks(parts, _BLOCK):
        arrays, began = candidates.arrays(some), time.perf_counter()
        features, rejected = featurizer.model.featurize_compositions(*arrays)
        featurized = time.perf_counter()
        numbers = answers.regressed(model.model, features, answer["interval"])
        predicted = time.perf_counter()
        outside = featurizer.model.is_outside(*arrays)
        outside[list(rejected)] = False
        tally.add(some.places, numbers[:, 0], rejected, int(outside.sum()))
        kept.add(some, numbers)
        seconds["featurize"] += featurized - began
        seconds["predict"] += predicted - featurized
    rows, numbers, formulas = kept.answer()
    arrays = candidates.arrays(rows)
    reasons = featurizer.model.outside(*arrays)
    numbers[list(reasons), 2:] = float("nan")
    taught = featurizer.model.in_training(*arrays)
    for field in ("values", "rows", "rejected"):
        del answer[field]
    answer |= {
        "formulas": formulas,
        **answers.by_name(numbers),
        "outside": {str(row): reason for row, reason in reasons.items()},
        "in_training": {str(row): value for row, value in taught.items()},
        "tally": tally.as_json(candidates.symbols),
        "featurizer": featurizer.version.as_json(),
    }
    seconds["enumerate"] = time.perf_counter() - warm - seconds["featurize"] - seconds["predict"]
    return answer
