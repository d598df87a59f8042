"""One screening from file to file, from the first question to the name of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matminer_compute.client.calls import Calls
from matminer_compute.client.driver import Step
from matminer_compute.client.endpoint import ServiceEndpoint
from matminer_compute.client.ledger import Entry, Ledger, Sent
from matminer_compute.client.run import Run
from matminer_compute.client.screened import Screening
from matminer_compute.client.steps import Answer, Chain, Predicting

from .beside import Asked, Beside, known
from .cutting import Pace, cut
from .final import Final
from .inputs import Input, open_input
from .keep import Keep
from .outputs import kind_of
from .sink import FileSink
from .watch import watched

#: Tasks under way at once on one endpoint, of up to a megabyte each: this bounds the memory.
_IN_FLIGHT = 64


def screen(
    source: Path,
    output: Path,
    *,
    endpoints: Sequence[Calls],
    ask: Callable[[Calls], Step[Answer]],
    begin: Callable[[Run[Final]], Run[Final]],
    model: str,
    version: str,
    chain: Chain,
    column: str | None,
    keep: Keep,
    restart: bool,
    progress: bool | None,
    command: str | None,
) -> Screening:
    """Screen a file, as ``CompositionClient.screen`` says.

    Of the client come its ``endpoints``, how to ``ask`` which pair of versions answers, and what a
    run needs to ``begin``.
    """
    kind_of(output)  # a slip in its name is found before the input is looked through
    candidates = open_input(source, column)
    now = datetime.now(UTC)
    asked = Asked(
        source=str(source),
        digest=candidates.digest,
        column=candidates.column,
        model=model,
        version=version,
        chain=chain,
        functions=dict(endpoints[0].function_ids),
        keep=keep,
        began=now,
    )
    beside = Beside(output)
    with beside.held(restart=restart):
        left = beside.left(asked)
        run, sink = _run(candidates, beside, asked, left, endpoints, ask, chain)
        with watched(sink, candidates.rows, progress) as run.watch:
            final = begin(run).drive()
    pair = sink.pair
    return Screening(
        output=output,
        property=pair["property"] or "value",
        unit=pair["unit"] or "",
        tally=final.tally,
        lowest=final.extremes("lowest"),
        highest=final.extremes("highest"),
        kept=final.written,
        failed=sink.failed_rows,
        model=pair["model"],
        featurizer=pair["featurizer"],
        endpoints=[_name(calls.endpoint) for calls in endpoints],
        command=command,
        started=left[0].head.began if left else now,
        ended=datetime.now(UTC),
    )


def _run(
    candidates: Input,
    beside: Beside,
    asked: Asked,
    left: tuple[Ledger[Asked], list[Entry]] | None,
    endpoints: Sequence[Calls],
    ask: Callable[[Calls], Step[Answer]],
    chain: Chain,
) -> tuple[Run[Final], FileSink]:
    """The run, from its beginning or from where another process left it."""
    ledger, entries = left or (None, [])
    answered, sent = known(entries)
    pace = Pace()
    sink = FileSink(beside, candidates.schema, pace)
    if ledger is not None:
        sink.begin(ledger, sorted(answered.values(), key=lambda entry: entry.offset))
        tasks = _held_by_services(endpoints, sent.values())
        ledger.take_up(entries, tasks)
        sent = {first: entry for first, entry in sent.items() if entry.task in tasks}
    there = {first: (entry.rows, False) for first, entry in sent.items()}
    there |= {first: (entry.rows, True) for first, entry in answered.items()}

    def plan(pair: Answer) -> Predicting:
        kept = ledger
        if kept is None:
            kept = Ledger.start(beside.ledger, asked.model_copy(update={"pair": _of(pair)}))
            sink.begin(kept, [])
        return Predicting(pair["model"], pair["featurizer"], chain, kept)

    shards = cut(candidates.batches(), candidates.column, there, pace)
    pair = ledger.head.pair if ledger else None
    return Run(endpoints, shards, sink, pair=pair or ask, plan=plan, room=_IN_FLIGHT), sink


def _held_by_services(endpoints: Sequence[Calls], sent: Iterable[Sent]) -> dict[str, Future[Any]]:
    """The tasks that services took from the process before, by id."""
    tasks: dict[str, Future[Any]] = {}
    for calls in endpoints:
        if not isinstance(endpoint := calls.endpoint, ServiceEndpoint):
            continue
        groups = {e.group for e in sent if e.endpoint == endpoint.endpoint_id and e.group}
        for group in groups:
            tasks |= endpoint.reload(group)
    return tasks


def _of(pair: Answer) -> Answer:
    """What a pair is: neither where nor when it was asked for."""
    return {key: pair[key] for key in ("property", "unit", "model", "featurizer", "stale")}


def _name(endpoint: Any) -> str:
    return str(getattr(endpoint, "endpoint_id", None) or "embedded")
