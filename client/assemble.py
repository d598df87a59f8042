"""Where answers are put back together, in the order asked: the sinks of ``predict`` and its kin."""

from typing import Any, Literal

import numpy as np

from matminer_compute.functions.worker.answers import NUMBERS
from matminer_compute.functions.worker.features import decoded

from .features import Features
from .predictions import Predictions
from .shards import Shard, not_text
from .steps import Answer, Part

_OLD = "The registered functions are from before intervals; register again, and use the new bundle."


class _ByRow:
    """What was asked, and what has been answered of single rows so far."""

    def __init__(self, formulas: list[Any]) -> None:
        self.formulas = formulas
        self.rejected = not_text(formulas)
        self.outside: dict[int, str] = {}
        self.in_training: dict[int, float] = {}
        self._replies: dict[int, Answer] = {}

    def failed(self, shard: Shard, error: Exception) -> Literal["end"]:
        """Nobody is served by an answer with holes in it."""
        return "end"

    def note(self, shard: Shard, answer: Answer) -> Any:
        """Keep what is said of rows; returns those that were accepted, as indexes."""
        said_of_rows: dict[str, dict[int, Any]] = {
            "rejected": self.rejected,
            "outside": self.outside,
            "in_training": self.in_training,
        }
        for name, said in said_of_rows.items():
            said.update({shard.rows[int(r)]: what for r, what in answer.get(name, {}).items()})
        self._replies[shard.first] = answer
        return np.asarray(shard.rows, dtype=np.int64)[answer["rows"]]

    @property
    def replies(self) -> list[Answer]:
        """All answers, in the order of their rows."""
        return [answer for _, answer in sorted(self._replies.items(), key=lambda item: item[0])]


class PredictionsOf(_ByRow):
    """The sink of predictions for a list of formulas."""

    def __init__(self, formulas: list[Any]) -> None:
        super().__init__(formulas)
        self._numbers = {name: np.full(len(formulas), np.nan) for name in NUMBERS}

    def add(self, shard: Shard, parts: list[Part]) -> None:
        """Take a shard's answers."""
        for part, answer in parts:
            rows = self.note(part, answer)
            for name, column in self._numbers.items():
                if name in answer:  # functions registered long ago know no intervals
                    # None becomes NaN. What is taken over need not be kept as Python's numbers.
                    column[rows] = np.asarray(answer.pop(name), dtype=np.float64)

    def end(self, pair: Answer | None) -> Predictions:
        """All of them; ``pair`` is known unless one task did everything."""
        replies = self.replies or [pair or {}]
        said = pair or replies[0]
        interval = said.get("interval")
        bounds = () if interval is None else ("lower", "upper")
        return Predictions(
            formulas=self.formulas,
            values=self._numbers["values"],
            std=self._numbers["std"],
            **{bound: self._numbers[bound] for bound in bounds},
            interval=interval,
            no_interval=None if interval is not None else said.get("no_interval", _OLD),
            rejected=dict(sorted(self.rejected.items())),
            outside=dict(sorted(self.outside.items())),
            in_training=dict(sorted(self.in_training.items())),
            property=said["property"],
            unit=said["unit"],
            model=said["model"],
            featurizer=replies[0]["featurizer"],
            workers=[reply["worker"] for reply in replies],
            stale=said["stale"] or any(reply["stale"] for reply in replies),
            warnings=list(dict.fromkeys(w for reply in replies for w in reply["warnings"])),
        )


class FeaturesOf(_ByRow):
    """The sink of features for a list of formulas."""

    def __init__(self, formulas: list[Any]) -> None:
        super().__init__(formulas)
        self._matrix: Any = None

    def add(self, shard: Shard, parts: list[Part]) -> None:
        """Take a shard's answers."""
        for part, answer in parts:
            rows = self.note(part, answer)
            if self._matrix is None:
                self._matrix = np.full((len(self.formulas), len(answer["labels"])), np.nan)
            self._matrix[rows] = decoded(answer.pop("features"))

    def end(self, pair: Answer | None) -> Features:
        """All of them, of which there is at least one answer."""
        first = self.replies[0]
        return Features(
            formulas=self.formulas,
            matrix=self._matrix,
            labels=first["labels"],
            rejected=dict(sorted(self.rejected.items())),
            featurizer=first["featurizer"],
        )
