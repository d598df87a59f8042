"""Put the answers of many tasks back together, in the order asked."""

import base64
import io
from typing import Any

import numpy as np

from .results import Features, Predictions
from .shards import Shard, not_text

Answer = dict[str, Any]
Part = tuple[Shard, Answer]


def predictions(formulas: list[Any], answers: list[Part], said: Answer) -> Predictions:
    """One result from the parts; ``said`` names the pair of versions that gave them all."""
    values, std = np.full(len(formulas), np.nan), np.full(len(formulas), np.nan)
    for shard, answer in answers:
        rows = np.asarray(shard.rows)[answer["rows"]]
        values[rows] = np.asarray(answer["values"], dtype=np.float64)  # None becomes NaN
        std[rows] = np.asarray(answer["std"], dtype=np.float64)
    replies = [answer for _, answer in answers] or [said]
    return Predictions(
        formulas=formulas,
        values=values,
        std=std,
        rejected=_rejected(formulas, answers),
        outside=_by_row("outside", answers),
        property=said["property"],
        unit=said["unit"],
        model=said["model"],
        featurizer=replies[0]["featurizer"],
        workers=[reply["worker"] for reply in replies],
        stale=said["stale"] or any(reply["stale"] for reply in replies),
        warnings=list(dict.fromkeys(w for reply in replies for w in reply["warnings"])),
    )


def features(formulas: list[Any], answers: list[Part]) -> Features:
    """One result from the parts, of which there is at least one."""
    labels = answers[0][1]["labels"]
    matrix = np.full((len(formulas), len(labels)), np.nan)
    for shard, answer in answers:
        with np.load(io.BytesIO(base64.b64decode(answer["features"])), allow_pickle=False) as npz:
            matrix[np.asarray(shard.rows, dtype=int)[answer["rows"]]] = npz["features"]
    return Features(
        formulas=formulas,
        matrix=matrix,
        labels=labels,
        rejected=_rejected(formulas, answers),
        featurizer=answers[0][1]["featurizer"],
    )


def _rejected(formulas: list[Any], answers: list[Part]) -> dict[int, str]:
    return dict(sorted((not_text(formulas) | _by_row("rejected", answers)).items()))


def _by_row(what: str, answers: list[Part]) -> dict[int, str]:
    """What the answers say of single rows, by index into all formulas, in order."""
    said = {
        shard.rows[int(row)]: why
        for shard, answer in answers
        for row, why in answer.get(what, {}).items()
    }
    return dict(sorted(said.items()))
