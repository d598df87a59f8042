"""Ask an endpoint for predictions and features of compositions."""

import os
import threading
import uuid
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal

from matminer_compute.errors import BundleError, PayloadTooLarge
from matminer_compute.registration import Bundle, travelling_functions

from .assemble import Answer, Part, features, predictions
from .calls import Calls, Wait
from .endpoint import TASK_BYTES, Endpoint, ServiceEndpoint
from .failures import ResultTooLarge
from .progress import shown
from .results import Features, Predictions
from .shards import Shard, cut

#: Rows a task: enough to make its overhead small, few enough that the longest reasons for
#: rejection, one for every row, stay under the service's limit for a result.
_PREDICT_ROWS = 10_000
_FEATURIZE_ROWS = 500
_IN_FLIGHT = 32

Chain = Literal["endpoint", "client"]


class CompositionClient:
    """Predicts a property of compositions with the models in Production on an endpoint.

    Safe to use from many threads. It sends formulas and gets values back: no model, featurizer or
    registry is needed here.

    Args:
        bundle: the publisher's ``bundle.json``. Without one, and with an embedded endpoint, the
            functions of this package are used.
        endpoint: the UUID of a Globus Compute endpoint, or anything with
            ``submit_to_registered_function``: the SDK's ``Executor``, an ``EmbeddedEndpoint``.
        model: registered name of the model.
        version: an alias (``Production`` follows promotion), a stage, or a version number.
        chain: ``"endpoint"`` sends one task that does both steps; ``"client"`` sends two, the
            features coming back in between. The values are the same to the last bit.

    Raises:
        BundleError: the bundle is missing, unreadable or drifted; or there is none, and the
            endpoint cannot register functions.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | Bundle | None = None,
        endpoint: str | uuid.UUID | Endpoint | None = None,
        *,
        model: str = "Matminer",
        version: str | int = "Production",
        chain: Chain = "endpoint",
    ) -> None:
        if endpoint is None:
            raise ValueError(
                "endpoint is missing: give the UUID of a Globus Compute endpoint, or an "
                "EmbeddedEndpoint() to run on this machine."
            )
        if chain not in ("endpoint", "client"):
            raise ValueError(f"chain must be 'endpoint' or 'client', not {chain!r}.")
        self.model, self.version, self.chain = model, str(version), chain
        self._own: ServiceEndpoint | None = None
        if isinstance(endpoint, str | uuid.UUID):
            endpoint = self._own = ServiceEndpoint(endpoint)
        self._calls = Calls(endpoint, _function_ids(bundle, endpoint))
        self._threads: ThreadPoolExecutor | None = None
        self._waits: weakref.WeakSet[Wait] = weakref.WeakSet()
        self._lock = threading.Lock()

    def predict(
        self,
        formulas: Sequence[Any],
        *,
        timeout: float | None = None,
        progress: bool | None = None,
    ) -> Predictions:
        """Predict the property of each formula.

        All rows are answered by one pair of versions, also while Production moves.

        Args:
            formulas: any number of formulas; a row that cannot be used is in ``rejected``.
            timeout: seconds for the whole call; no limit by default.
            progress: show a progress bar; by default when there is more than one task to wait
                for and standard error is a terminal.

        Raises:
            TypeError: ``formulas`` is one piece of text.
            DeadlineExceeded: there was no answer in time.
            MatminerComputeError: what else can go wrong: see ``matminer_compute.errors``.
        """
        formulas, wait = _listed(formulas), self._wait(timeout)
        most_rows = _PREDICT_ROWS if self.chain == "endpoint" else _FEATURIZE_ROWS
        shards = list(cut(formulas, most_rows, TASK_BYTES))
        model = {"name": self.model, "version": self.version}
        if len(shards) == 1 and self.chain == "endpoint":
            answers = self._predict_shard(shards[0], model, None, wait)
            return predictions(formulas, answers, answers[0][1])
        # Asked once and then held to: shards that run for an hour answer from one pair.
        pair = self._calls.call("predict", [None], model, wait)
        held = {"name": self.model, "version": pair["model"]["version"]}

        def one(shard: Shard) -> list[Part]:
            return self._predict_shard(shard, held, pair["featurizer"], wait)

        return predictions(formulas, self._map(one, shards, wait, progress, "Predicting"), pair)

    def featurize(
        self,
        formulas: Sequence[Any],
        *,
        timeout: float | None = None,
        progress: bool | None = None,
    ) -> Features:
        """Featurize each formula with the featurizer that the model was trained with.

        Arguments and errors are those of ``predict``.
        """
        formulas, wait = _listed(formulas), self._wait(timeout)
        model = {"name": self.model, "version": self.version}
        featurizer = self._calls.call("predict", [None], model, wait)["featurizer"]
        # Without any text there is still a question to ask: which columns.
        shards = list(cut(formulas, _FEATURIZE_ROWS, TASK_BYTES)) or [Shard([], [])]

        def one(shard: Shard) -> list[Part]:
            return self._featurize_shard(shard, featurizer, wait)

        return features(formulas, self._map(one, shards, wait, progress, "Featurizing"))

    def submit(
        self, formulas: Sequence[Any], *, timeout: float | None = None
    ) -> "Future[Predictions]":
        """Like ``predict``, but returns at once with a future (``asyncio.wrap_future`` takes it).

        Raises:
            TypeError: ``formulas`` is one piece of text.
        """
        return self._pool().submit(self.predict, _listed(formulas), timeout=timeout, progress=False)

    def close(self) -> None:
        """Let go of what this client opened; calls still waiting fail, and nothing hangs."""
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
                self._threads = None
        for wait in list(self._waits):
            wait.abandon()
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> "CompositionClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CompositionClient({self.model!r}, {self.version!r}, on {self._calls.endpoint!r})"

    def _predict_shard(
        self,
        shard: Shard,
        model: dict[str, str],
        featurizer: dict[str, str] | None,
        wait: Wait,
    ) -> list[Part]:
        try:
            if featurizer is None or self.chain == "endpoint":
                answer = self._calls.call("predict_composition", [shard.formulas], model, wait)
                return [(shard, answer)]
            featurized = self._call_featurize(shard, featurizer, wait)
            return [(shard, self._calls.call("predict", [featurized], model, wait))]
        except (PayloadTooLarge, ResultTooLarge):
            if len(shard) == 1:
                raise
        return [
            part
            for half in shard.halves()
            for part in self._predict_shard(half, model, featurizer, wait)
        ]

    def _featurize_shard(self, shard: Shard, featurizer: dict[str, str], wait: Wait) -> list[Part]:
        try:
            return [(shard, self._call_featurize(shard, featurizer, wait))]
        except (PayloadTooLarge, ResultTooLarge):
            if len(shard) <= 1:
                raise
        return [
            part
            for half in shard.halves()
            for part in self._featurize_shard(half, featurizer, wait)
        ]

    def _call_featurize(self, shard: Shard, featurizer: dict[str, str], wait: Wait) -> Answer:
        which = {"name": featurizer["name"], "version": featurizer["version"]}
        return self._calls.call("featurize_composition", [shard.formulas], which, wait)

    def _map(
        self,
        one: Callable[[Shard], list[Part]],
        shards: list[Shard],
        wait: Wait,
        progress: bool | None,
        what: str,
    ) -> list[Part]:
        """``one`` over all shards, several in flight; the first failure ends the rest."""
        with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="matminer-compute") as threads:
            try:
                done = shown(threads.map(one, shards), len(shards), what, progress)
                return [part for parts in done for part in parts]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                wait.abandon()
                raise

    def _wait(self, timeout: float | None) -> Wait:
        wait = Wait(timeout)
        self._waits.add(wait)
        return wait

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="predict")
            return self._threads


def _function_ids(
    bundle: str | os.PathLike[str] | Bundle | None, endpoint: Endpoint
) -> dict[str, str]:
    register = getattr(endpoint, "register_function", None)
    embedded = register is not None and not hasattr(endpoint, "task_group_id")
    if bundle is None and not embedded:
        raise BundleError(
            "A bundle is needed for this endpoint; ask the publisher for bundle.json, or make "
            "one with 'matminer-compute register'."
        )
    here: dict[str, str] = {}
    if register is not None and embedded:  # what is registered there lives only as long as it does
        here = {name: register(function) for name, function in travelling_functions().items()}
    if bundle is None:
        return here
    if not isinstance(bundle, Bundle):
        bundle = Bundle.load(bundle)
    ids = {name: function.id for name, function in bundle.functions.items()}
    missing = [name for name in ("predict", "predict_composition", "featurize_composition")
               if name not in ids]  # fmt: skip
    if missing:
        raise BundleError(f"The bundle lacks {', '.join(missing)}; register again.")
    return ids


def _listed(formulas: Sequence[Any]) -> list[Any]:
    if isinstance(formulas, str | bytes):
        raise TypeError(
            f"formulas must be a list of formulas, not one piece of text; write [{formulas!r}]."
        )
    return list(formulas)
