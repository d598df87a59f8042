"""Ask an endpoint for predictions and features of compositions."""

import os
import threading
import uuid
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from matminer_compute.errors import EndpointUnavailable
from matminer_compute.registration import Bundle

from .background import Background
from .calls import Calls
from .endpoint import Endpoint, ServiceEndpoint
from .features import Features
from .formulas import listed
from .journal import Request
from .ledger import Ledger
from .predictions import Predictions
from .progress import bar
from .registered import function_ids, loaded
from .run import Run
from .served import USUAL, Served
from .steps import Chain

if TYPE_CHECKING:
    from .screened import Screening
    from .spaces import Space

_R = TypeVar("_R")


class CompositionClient(AbstractContextManager["CompositionClient"]):
    """Predicts a property of compositions with the models in Production on an endpoint.

    Safe to use from many threads. It sends formulas and gets values back: no model, featurizer or
    registry is needed here.

    Args:
        bundle: the publisher's ``bundle.json``. Without one, and with an embedded endpoint, the
            functions of this package are used.
        endpoint: the UUID of a Globus Compute endpoint, or anything with
            ``submit_to_registered_function``: the SDK's ``Executor``, an ``EmbeddedEndpoint``. Or
            a list of these: each gets work as it finishes what it has, and one that cannot be
            used leaves its work to the others.
        model: registered name of the model.
        version: an alias (``Production`` follows promotion), a stage, or a version number.
        chain: ``"endpoint"`` sends one task that does both steps; ``"client"`` sends two, the
            features coming back in between. The values are the same, of a forest to the last bit.
        interval: share of the intervals that hold the true value, one of the levels that the model
            has (0.5, 0.8, 0.9, 0.95).
        task_timeout: seconds after which an unanswered task is taken for lost and sent again, at
            most twice; whichever is answered first counts. An hour by default: longer than a task
            runs, and for a cluster it should be longer than its queue. None: never.

    Raises:
        BundleError: the bundle is missing, unreadable or drifted; or there is none, and the
            endpoint cannot register functions.
        ValueError: an argument is none of what it may be.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | Bundle | None = None,
        endpoint: "str | uuid.UUID | Endpoint | Sequence[str | uuid.UUID | Endpoint] | None" = None,
        *,
        model: str = "Matminer",
        version: str | int = "Production",
        chain: Chain = "endpoint",
        interval: float = USUAL,
        task_timeout: float | None = 3600.0,
    ) -> None:
        if endpoint is None or endpoint == []:
            raise ValueError(
                "endpoint is missing: give the UUID of a Globus Compute endpoint, or an "
                "EmbeddedEndpoint() to run on this machine."
            )
        if chain not in ("endpoint", "client"):
            raise ValueError(f"chain must be 'endpoint' or 'client', not {chain!r}.")
        if not 0 < interval < 1:
            raise ValueError(f"interval must be between 0 and 1, such as 0.9, not {interval!r}.")
        self.model, self.version, self.chain = model, str(version), chain
        self.interval = float(interval)
        if isinstance(endpoint, str) or not isinstance(endpoint, Sequence):
            endpoint = [endpoint]
        self._own: list[ServiceEndpoint] = []
        self._bundle = loaded(bundle)
        self._calls = [self._calls_of(one, task_timeout) for one in endpoint]
        self._runs: weakref.WeakSet[Run[Any]] = weakref.WeakSet()
        self._background: Background | None = None
        self._closed = False
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
        formulas = listed(formulas)
        with bar("Predicting", progress) as show:
            run = self._served.predicting(formulas, journal=journal, timeout=timeout, watch=show)
            answer = self._started(run).drive()
        if journal is not None:
            Path(journal).unlink(missing_ok=True)
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
        ledger, entries = Ledger.read(journal, Request)
        asked = ledger.head
        endpoint = ServiceEndpoint(asked.endpoint, chosen=asked.chosen)
        which = {"model": asked.pair["model"]["name"], "interval": asked.level}
        client = cls(asked.bundle, endpoint, chain=asked.chain, **which)
        try:
            ledger.take_up(entries, endpoint.reload(asked.task_group) if entries else {})
            with bar("Predicting", progress) as show:
                run = client._served.going_on(ledger, timeout=timeout, watch=show)
                answer = client._started(run).drive()
        finally:
            client.close()
            endpoint.close()
        ledger.remove()
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
        formulas = listed(formulas)
        with bar("Featurizing", progress) as show:
            run = self._served.featurizing(formulas, timeout=timeout, watch=show)
            return self._started(run).drive()

    def submit(
        self, formulas: Sequence[Any], *, timeout: float | None = None
    ) -> "Future[Predictions]":
        """Like ``predict``, but returns at once with a future (``asyncio.wrap_future`` takes it).

        Raises:
            TypeError: ``formulas`` is one piece of text, a table, or in no order.
        """
        run = self._started(self._served.predicting(listed(formulas), timeout=timeout))
        with self._lock:
            if self._background is None:
                self._background = Background()
            return self._background.begin(run)

    def screen(
        self,
        source: "str | os.PathLike[str] | Space",
        output: str | os.PathLike[str],
        *,
        column: str | None = None,
        top: int | None = None,
        order: Literal["lowest", "highest"] = "lowest",
        below: float | None = None,
        above: float | None = None,
        report: str | os.PathLike[str] | None = None,
        restart: bool = False,
        progress: bool | None = None,
        command: str | None = None,
    ) -> "Screening":
        """Predict every formula of a file, or every candidate of a space, into a file.

        One pair of versions answers all of it. Should this process end before it is done, the same
        call goes on where it was; until the output is whole, what there is of it lies beside it.

        Args:
            source: a ``.txt``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file, or one packed
                (``.gz``); or a ``Space``, of which workers make the candidates and send back
                what is kept.
            output: a ``.csv``, ``.jsonl`` or ``.parquet`` file, the first two also packed. It has
                the columns of ``source`` and those of an answer.
            column: which column holds formulas; by default ``formula``, ``composition``,
                ``pretty_formula`` or ``reduced_formula``.
            top: keep so many rows, in order.
            order: whether these are the lowest or the highest.
            below: keep values below this, in the model's unit.
            above: keep values above this.
            report: a page of HTML about what was found; needs matplotlib.
            restart: start over, even if the output or an unfinished screening exists.
            progress: False shows nothing of it; by default a terminal and a notebook have a bar,
                a log a line now and then.
            command: the line that asked for it, for the record.

        Returns:
            What was found, and where it is. ``failed`` rows, in tasks that failed each time they
            were tried, are in a file of their own beside the output.

        Raises:
            FileUnusable: a file cannot be read or written, or the output exists.
            JournalError: what was left is of another screening; says what differs.
            PackageMissing: pyarrow is not installed.
            MatminerComputeError: what else can go wrong, as for ``predict``.
        """
        from .screening.keep import keeping
        from .screening.screen import screen

        return screen(
            source,
            Path(output),
            served=self._served,
            begin=self._started,
            column=column,
            keep=keeping(top=top, order=order, below=below, above=above),
            report=report,
            restart=restart,
            progress=progress,
            command=command,
        )

    def close(self) -> None:
        """Let go of what this client opened; calls still waiting fail, and nothing hangs."""
        if os.getpid() != self._process:
            return  # a fork's copy: all of it is its parent's
        with self._lock:
            self._closed = True
            runs = list(self._runs)
        for run in runs:
            run.abandon()
        with self._lock:
            if self._background is not None:
                self._background.stop()
                self._background = None
        for endpoint in self._own:
            endpoint.close()

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = ", ".join(repr(calls.endpoint) for calls in self._calls)
        return f"CompositionClient({self.model!r}, {self.version!r}, on {where})"

    @property
    def _served(self) -> Served:
        which = self.model, str(self.version), self.chain, self.interval
        return Served(self._calls, *which, self._bundle)

    def _calls_of(self, endpoint: str | uuid.UUID | Endpoint, timeout: float | None) -> Calls:
        if isinstance(endpoint, str | uuid.UUID):
            endpoint = ServiceEndpoint(endpoint)
            self._own.append(endpoint)
        return Calls(endpoint, function_ids(self._bundle, endpoint), timeout)

    def _started(self, run: Run[_R]) -> Run[_R]:
        """Know of it, to abandon it when this client is closed."""
        if os.getpid() != self._process:
            raise EndpointUnavailable(
                "This client belongs to the process that this one was forked from, and would wait "
                "forever; open another one here, or start processes by 'spawn'."
            )
        with self._lock:
            if self._closed:
                raise EndpointUnavailable("This client is closed; make another one.")
            self._runs.add(run)
        return run
