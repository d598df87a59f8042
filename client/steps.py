"""The steps of a call: shards featurized and predicted, many at once, halved where too large."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from matminer_compute.errors import PayloadTooLarge

from .assemble import Answer, Part
from .calls import Calls, Wait
from .failures import ResultTooLarge
from .journal import Journal
from .progress import shown
from .shards import Shard

Chain = Literal["endpoint", "client"]
Step = Callable[[Shard, int | None], list[Part]]

#: Tasks of one caller that are under way at once, each waited for by a thread that does no work.
IN_FLIGHT = 1024


class Steps:
    """What one call of the caller's does on the endpoint.

    Args:
        calls: where the functions run.
        chain: one task a shard, or two with the features coming back in between.
        wait: how long the call may take.
        journal: where to note the tasks, for a call that another process may have to take up.
    """

    def __init__(
        self, calls: Calls, chain: Chain, wait: Wait, journal: Journal | None = None
    ) -> None:
        self._calls, self._chain, self._wait, self._journal = calls, chain, wait, journal

    def pair(self, model: str, version: str) -> Answer:
        """Which versions would answer: ``predict``'s result without rows."""
        return self._calls.call("predict", [None], {"name": model, "version": version}, self._wait)

    def predict(self, model: dict[str, str], featurizer: dict[str, str] | None) -> Step:
        """The step from a shard to predictions by ``model``.

        Without a ``featurizer`` the model's own is used, on the endpoint.
        """

        def step(shard: Shard, number: int | None) -> list[Part]:
            if featurizer is None or self._chain == "endpoint":
                answer = self._call("predict_composition", shard.formulas, model, number)
            else:
                featurized = self._featurized(shard, featurizer, number)
                answer = self._call("predict", featurized, model, number)
            return [(shard, answer)]

        return self._halving(step)

    def featurize(self, featurizer: dict[str, str]) -> Step:
        """The step from a shard to features by ``featurizer``."""

        def step(shard: Shard, number: int | None) -> list[Part]:
            return [(shard, self._featurized(shard, featurizer, number))]

        return self._halving(step)

    def all(self, step: Step, shards: list[Shard], progress: bool | None, what: str) -> list[Part]:
        """``step`` over all shards, many under way at once; the first failure ends the rest."""
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="matminer-compute") as threads:
            try:
                done = shown(threads.map(step, shards, range(len(shards))), len(shards), what,
                             progress)  # fmt: skip
                return [part for parts in done for part in parts]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self._wait.abandon()
                raise

    def _halving(self, step: Step) -> Step:
        def halving(shard: Shard, number: int | None) -> list[Part]:
            try:
                return step(shard, number)
            except (PayloadTooLarge, ResultTooLarge):
                if len(shard) <= 1:
                    raise
            # A half has no number: a journal knows whole shards only.
            return [part for half in shard.halves() for part in halving(half, None)]

        return halving

    def _featurized(self, shard: Shard, featurizer: dict[str, str], number: int | None) -> Answer:
        which = {"name": featurizer["name"], "version": featurizer["version"]}
        return self._call("featurize_composition", shard.formulas, which, number)

    def _call(
        self, function: str, argument: Any, which: dict[str, str], number: int | None
    ) -> Answer:
        ticket = None
        if self._journal is not None and number is not None:
            ticket = self._journal.ticket(number, function)
        return self._calls.call(function, [argument], which, self._wait, ticket)
