"""A model as endpoints serve it, and the runs over a list of formulas that ask it."""

import os
from dataclasses import dataclass
from typing import Any

from matminer_compute.registration import Bundle

from . import journal as journals
from .assemble import FeaturesOf, PredictionsOf
from .calls import Calls
from .driver import Step
from .features import Features
from .ledger import Ledger
from .predictions import Predictions
from .run import Run, Watch
from .shards import TASK_BYTES, ListShard, cut
from .steps import Answer, Chain, Featurizing, Predicting

#: Rows a task: enough to make its overhead small, few enough that the longest reasons for
#: rejection, one for every row, stay under the service's limit for a result.
_PREDICT_ROWS = 10_000
_FEATURIZE_ROWS = 500
#: The level of intervals unless another one is asked for.
USUAL = 0.9


@dataclass(frozen=True)
class Served:
    """One model, and where it is asked.

    Attributes:
        endpoints: the functions of each.
        model: registered name.
        version: an alias, a stage or a number.
        chain: one task a shard, or two with the features coming back in between.
        level: of the intervals.
        bundle: the functions as they were registered, if they were.
    """

    endpoints: list[Calls]
    model: str
    version: str
    chain: Chain
    level: float
    bundle: Bundle | None

    @property
    def interval(self) -> dict[str, float]:
        """The level as functions take it; functions of older bundles know the usual one only."""
        return {} if self.level == USUAL else {"interval": self.level}

    def pair(self, calls: Calls) -> Step[Answer]:
        """Which versions would answer: ``predict``'s result without rows."""
        which = {"name": self.model, "version": self.version}
        return calls.call("predict", [None], which | self.interval)

    def predicting_by(self, pair: Answer, ledger: Ledger[Any] | None) -> Predicting:
        """What is done with a shard by one pair of versions."""
        return Predicting(pair["model"], pair["featurizer"], self.chain, self.interval, ledger)

    def predicting(
        self,
        formulas: list[Any],
        *,
        journal: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        watch: Watch | None = None,
    ) -> Run[Predictions]:
        """The run that predicts a list.

        A single task finds its pair itself. Of many, the pair is asked once and then held to, so
        that those which run an hour later answer by the same one.
        """
        rows_a_task = _PREDICT_ROWS if self.chain == "endpoint" else _FEATURIZE_ROWS
        shards = list(cut(formulas, rows_a_task, TASK_BYTES))
        alone = len(shards) == 1 and self.chain == "endpoint" and journal is None

        def plan(pair: Answer | None) -> Predicting:
            if pair is None:
                which = {"name": self.model, "version": self.version}
                return Predicting(which, None, "endpoint", self.interval)
            ledger = None
            if journal is not None:
                where = [calls.endpoint for calls in self.endpoints]
                asked = {
                    "chain": self.chain,
                    "level": self.level,
                    "pair": pair,
                    "rows_a_task": rows_a_task,
                }
                ledger = journals.begin(journal, where, self.bundle, formulas, **asked)
            return self.predicting_by(pair, ledger)

        return Run(
            self.endpoints,
            iter(shards),
            PredictionsOf(formulas),
            pair=None if alone else self.pair,
            plan=plan,
            timeout=timeout,
            total=len(shards),
            watch=watch,
        )

    def going_on(
        self, ledger: Ledger[journals.Request], *, timeout: float | None, watch: Watch | None
    ) -> Run[Predictions]:
        """The run that goes on with what another process left."""
        asked = ledger.head
        sink = PredictionsOf(list(asked.formulas))
        sink.rejected |= asked.rejected
        shards = list(cut(asked.formulas, asked.rows_a_task, TASK_BYTES))
        return Run(
            self.endpoints,
            iter(shards),
            sink,
            pair=asked.pair,
            plan=lambda pair: self.predicting_by(pair, ledger),
            timeout=timeout,
            total=len(shards),
            watch=watch,
        )

    def featurizing(
        self, formulas: list[Any], *, timeout: float | None, watch: Watch | None
    ) -> Run[Features]:
        """The run that featurizes a list."""
        # Without any text there is still a question to ask: which columns.
        shards = list(cut(formulas, _FEATURIZE_ROWS, TASK_BYTES)) or [ListShard([], [])]
        return Run(
            self.endpoints,
            iter(shards),
            FeaturesOf(formulas),
            pair=self.pair,
            plan=lambda pair: Featurizing(pair["featurizer"]),
            timeout=timeout,
            total=len(shards),
            watch=watch,
        )
