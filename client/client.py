"""Ask an endpoint for predictions and features of compositions."""

import os
import threading
import uuid
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from matminer_compute.errors import BundleError, EndpointUnavailable, JournalError
from matminer_compute.registration import FUNCTIONS, Bundle

from .assemble import features, predictions
from .calls import Calls, Wait
from .endpoint import Endpoint, ServiceEndpoint
from .formulas import listed
from .journal import Journal, Request, as_texts
from .results import Features, Predictions
from .shards import TASK_BYTES, Shard, cut
from .steps import IN_FLIGHT, Chain, Steps

#: Rows a task: enough to make its overhead small, few enough that the longest reasons for
#: rejection, one for every row, stay under the service's limit for a result.
_PREDICT_ROWS = 10_000
_FEATURIZE_ROWS = 500


class CompositionClient(AbstractContextManager["CompositionClient"]):
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
        task_timeout: seconds after which an unanswered task is taken for lost and sent again, at
            most twice; whichever is answered first counts. An hour by default: longer than a task
            runs, and for a cluster it should be longer than its queue. None: never.

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
        task_timeout: float | None = 3600.0,
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
        self._bundle = None if bundle is None else _loaded(bundle)
        self._calls = Calls(endpoint, _function_ids(self._bundle, endpoint), task_timeout)
        self._threads: ThreadPoolExecutor | None = None
        self._waits: weakref.WeakSet[Wait] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def predict(
        self,
        formulas: Sequence[Any],
        *,
        timeout: float | None = None,
        progress: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> Predictions:
        """Predict the property of each formula.

        All rows are answered by one pair of versions, also while Production moves.

        Args:
            formulas: any number of formulas; a row that cannot be used is in ``rejected``.
            timeout: seconds for the whole call; no limit by default.
            progress: show a progress bar; by default when there is more than one task to wait
                for and standard error is a terminal.
            journal: a new file in which to keep what is under way, so that ``reattach`` can take
                it up should this process end; removed when all is answered. Only with an
                endpoint given by its UUID.

        Raises:
            TypeError: ``formulas`` is one piece of text, a table, or in no order.
            JournalError: the journal cannot be begun.
            DeadlineExceeded: there was no answer in time.
            MatminerComputeError: what else can go wrong: see ``matminer_compute.errors``.
        """
        formulas, wait = listed(formulas), self._wait(timeout)
        rows_a_task = _PREDICT_ROWS if self.chain == "endpoint" else _FEATURIZE_ROWS
        shards = list(cut(formulas, rows_a_task, TASK_BYTES))
        steps = Steps(self._calls, self.chain, wait)
        if len(shards) == 1 and self.chain == "endpoint" and journal is None:
            model = {"name": self.model, "version": self.version}
            answers = steps.predict(model, None)(shards[0], None)
            return predictions(formulas, answers, answers[0][1])
        # Asked once and then held to: shards that run for an hour answer from one pair.
        pair = steps.pair(self.model, self.version)
        kept = None
        if journal is not None:
            kept = Journal.start(journal, self._request(formulas, rows_a_task, pair))
            steps = Steps(self._calls, self.chain, wait, kept)
        answer = self._held(formulas, shards, pair, steps, progress)
        if kept is not None:
            kept.remove()
        return answer

    @classmethod
    def reattach(
        cls,
        journal: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        progress: bool | None = None,
    ) -> Predictions:
        """Take up a ``predict(..., journal=...)`` whose process has ended.

        Tasks that the service took from it are not sent again: their results are fetched, or
        waited for. What it had not sent is sent now. The journal is removed at the end.

        Args:
            journal: the file that the call left.
            timeout: seconds for the whole of it; no limit by default.
            progress: as for ``predict``.

        Returns:
            What the call would have returned.

        Raises:
            JournalError: there is no such file, or it cannot be used.
            MatminerComputeError: what else can go wrong, as for ``predict``.
        """
        kept, sent = Journal.read(journal)
        asked = kept.request
        endpoint = ServiceEndpoint(asked.endpoint, asked.task_group)
        client = cls(asked.bundle, endpoint, model=asked.pair["model"]["name"], chain=asked.chain)
        try:
            kept.take_up(sent, endpoint.reload() if sent else {})
            shards = list(cut(asked.formulas, asked.rows_a_task, TASK_BYTES))
            steps = Steps(client._calls, asked.chain, client._wait(timeout), kept)
            answer = client._held(asked.formulas, shards, asked.pair, steps, progress)
            answer.rejected.update(asked.rejected)
        finally:
            client.close()
            endpoint.close()
        kept.remove()
        return answer

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
        formulas, wait = listed(formulas), self._wait(timeout)
        steps = Steps(self._calls, self.chain, wait)
        featurizer = steps.pair(self.model, self.version)["featurizer"]
        # Without any text there is still a question to ask: which columns.
        shards = list(cut(formulas, _FEATURIZE_ROWS, TASK_BYTES)) or [Shard([], [])]
        step = steps.featurize(featurizer)
        return features(formulas, steps.all(step, shards, progress, "Featurizing"))

    def submit(
        self, formulas: Sequence[Any], *, timeout: float | None = None
    ) -> "Future[Predictions]":
        """Like ``predict``, but returns at once with a future (``asyncio.wrap_future`` takes it).

        Raises:
            TypeError: ``formulas`` is one piece of text, a table, or in no order.
        """
        return self._pool().submit(self.predict, listed(formulas), timeout=timeout, progress=False)

    def close(self) -> None:
        """Let go of what this client opened; calls still waiting fail, and nothing hangs."""
        if os.getpid() != self._process:
            return  # a fork's copy: all of it is its parent's
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
                self._threads = None
        for wait in list(self._waits):
            wait.abandon()
        if self._own is not None:
            self._own.close()

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CompositionClient({self.model!r}, {self.version!r}, on {self._calls.endpoint!r})"

    def _held(
        self,
        formulas: list[Any],
        shards: list[Shard],
        pair: dict[str, Any],
        steps: Steps,
        progress: bool | None,
    ) -> Predictions:
        """Predictions by the one pair of versions."""
        model = {"name": self.model, "version": pair["model"]["version"]}
        step = steps.predict(model, pair["featurizer"])
        return predictions(formulas, steps.all(step, shards, progress, "Predicting"), pair)

    def _request(self, formulas: list[Any], rows_a_task: int, pair: dict[str, Any]) -> Request:
        endpoint = self._calls.endpoint
        group = endpoint.task_group if isinstance(endpoint, ServiceEndpoint) else None
        if not isinstance(endpoint, ServiceEndpoint) or self._bundle is None or group is None:
            raise JournalError(
                "A journal needs an endpoint given by its UUID: tasks of any other end with this "
                "process, so there would be nothing to take up."
            )
        texts, rejected = as_texts(formulas)
        return Request(
            endpoint=endpoint.endpoint_id,
            task_group=group,
            bundle=self._bundle,
            chain=self.chain,
            pair=pair,
            rows_a_task=rows_a_task,
            formulas=texts,
            rejected=rejected,
        )

    def _wait(self, timeout: float | None) -> Wait:
        self._check_process()
        wait = Wait(timeout)
        self._waits.add(wait)
        return wait

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise EndpointUnavailable(
                "This client belongs to the process that this one was forked from, and would wait "
                "for ever; open another one here, or start processes by 'spawn'."
            )

    def _pool(self) -> ThreadPoolExecutor:
        self._check_process()
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="predict")
            return self._threads


def _loaded(bundle: str | os.PathLike[str] | Bundle) -> Bundle:
    return bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)


def _function_ids(bundle: Bundle | None, endpoint: Endpoint) -> dict[str, str]:
    register = getattr(endpoint, "register_function", None)
    embedded = register is not None and not hasattr(endpoint, "task_group_id")
    if bundle is None and not embedded:
        raise BundleError(
            "A bundle is needed for this endpoint; ask the publisher for bundle.json, or make "
            "one with 'matminer-compute register'."
        )
    here: dict[str, str] = {}
    if register is not None and embedded:  # what is registered there lives only as long as it does
        here = {name: register(function) for name, function in FUNCTIONS.items()}
    if bundle is None:
        return here
    if not embedded:
        bundle.of_globus_compute()
    ids = {name: function.id for name, function in bundle.functions.items()}
    missing = [name for name in ("predict", "predict_composition", "featurize_composition")
               if name not in ids]  # fmt: skip
    if missing:
        raise BundleError(f"The bundle lacks {', '.join(missing)}; register again.")
    return ids
