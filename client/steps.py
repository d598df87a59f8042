"""What is done with one shard on one endpoint: featurized, predicted, halved where too large."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from matminer_compute.errors import PayloadTooLarge

from .calls import Calls
from .driver import Step
from .failures import ResultTooLarge
from .ledger import Ledger
from .shards import Shard

Chain = Literal["endpoint", "client"]
Answer = dict[str, Any]
Part = tuple[Shard, Answer]
Parts = Step[list[Part]]


class OfShard(Protocol):
    """From a shard to its answers, as a step on an endpoint."""

    @property
    def function(self) -> str:
        """What is called there first."""
        ...

    def __call__(self, calls: Calls, shard: Shard) -> Parts:
        """The step of one shard."""
        ...


@dataclass(frozen=True)
class Predicting:
    """From a shard to predictions by one version of a model.

    Args:
        model: its name, and a version.
        featurizer: the version of its featurizer; None: the model's own, found on the endpoint.
        chain: one task a shard, or two with the features coming back in between.
        interval: the level of the intervals, as a further argument, if it is not the usual one.
        ledger: where to note the tasks, for a run that another process may have to take up.
    """

    model: dict[str, str]
    featurizer: dict[str, str] | None
    chain: Chain
    interval: dict[str, float]
    ledger: Ledger[Any] | None = None

    def __call__(self, calls: Calls, shard: Shard) -> Parts:
        """The step of one shard."""
        return halving(self._whole, calls, shard, self.ledger)

    @property
    def function(self) -> str:
        """What is called first."""
        in_one = self.featurizer is None or self.chain == "endpoint"
        return "predict_composition" if in_one else "featurize_composition"

    def _whole(self, calls: Calls, shard: Shard, ledger: Ledger[Any] | None) -> Step[Answer]:
        if self.featurizer is None or self.chain == "endpoint":
            which = self.model | self.interval
            return _call(calls, "predict_composition", shard, which, ledger)
        return self._in_two(calls, shard, self.featurizer, ledger)

    def _in_two(
        self, calls: Calls, shard: Shard, featurizer: dict[str, str], ledger: Ledger[Any] | None
    ) -> Step[Answer]:
        featurized = yield from _call(calls, "featurize_composition", shard, featurizer, ledger)
        which = self.model | self.interval
        return (yield from _call(calls, "predict", shard, which, ledger, featurized))


@dataclass(frozen=True)
class Featurizing:
    """From a shard to features by one version of a featurizer."""

    featurizer: dict[str, str]
    function: str = "featurize_composition"

    def __call__(self, calls: Calls, shard: Shard) -> Parts:
        """The step of one shard."""
        return halving(self._whole, calls, shard, None)

    def _whole(self, calls: Calls, shard: Shard, ledger: Ledger[Any] | None) -> Step[Answer]:
        return _call(calls, self.function, shard, self.featurizer, ledger)


def halving(
    whole: Callable[[Calls, Shard, Ledger[Any] | None], Step[Answer]],
    calls: Calls,
    shard: Shard,
    ledger: Ledger[Any] | None,
) -> Parts:
    """The answers of a shard, or of its halves where it or its answer is too large."""
    try:
        return [(shard, (yield from whole(calls, shard, ledger)))]
    except (PayloadTooLarge, ResultTooLarge):
        if len(shard) <= 1:
            raise
    parts = []
    for half in shard.halves():  # a ledger knows whole shards only
        parts += yield from halving(whole, calls, half, None)
    return parts


def _call(
    calls: Calls,
    function: str,
    shard: Shard,
    which: Mapping[str, Any],
    ledger: Ledger[Any] | None,
    argument: Any = None,
) -> Step[Answer]:
    ticket = ledger.ticket(shard.first, len(shard), function) if ledger else None
    given = {key: which[key] for key in ("name", "version", "interval") if key in which}
    return calls.call(function, [argument or shard.formulas], given, ticket)


def seconds_of(answer: Answer) -> float:
    """How long a worker was busy with it."""
    if worker := answer.get("worker"):
        return float(sum(worker["seconds"].values()))
    return float(answer["seconds"])
