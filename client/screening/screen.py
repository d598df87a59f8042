"""One screening from file to file, from the first question to the name of the output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matminer_compute.client.calls import Calls
from matminer_compute.client.endpoint import ServiceEndpoint, name_of
from matminer_compute.client.ledger import Entry, Ledger, Sent
from matminer_compute.client.report import check_report, write_report
from matminer_compute.client.run import Run
from matminer_compute.client.screened import Screening
from matminer_compute.client.served import Served
from matminer_compute.client.spaces import Space
from matminer_compute.client.steps import Answer, OfShard

from .beside import Asked, Beside, known
from .cutting import cut
from .final import Final
from .inputs import open_input
from .keep import Keep
from .of_spaces import SpaceInput
from .outputs import kind_of
from .sink import FileSink
from .sources import Source
from .watch import watched

#: Tasks under way at once on one endpoint, of up to a megabyte each: this bounds the memory.
_IN_FLIGHT = 64


def screen(
    source: str | os.PathLike[str] | Space,
    output: Path,
    *,
    served: Served,
    begin: Callable[[Run[Final]], Run[Final]],
    column: str | None,
    keep: Keep,
    report: str | os.PathLike[str] | None,
    restart: bool,
    progress: bool | None,
    command: str | None,
) -> Screening:
    """Screen a file or a space, as ``CompositionClient.screen`` says.

    Of the client come what it asks, and what a run needs to ``begin``.
    """
    kind_of(output)  # a slip in its name is found before the input is looked through
    beside = Beside(output)
    read = None if isinstance(source, Space) else Path(source)
    beside.refuse_overlap(read, None if report is None else Path(report))
    if report is not None:
        check_report(report)
    candidates = _source(source, column)
    if isinstance(candidates, SpaceInput):
        keep.on_workers()  # what no answer could hold is refused before one is asked for
    now = datetime.now(UTC)
    asked = Asked(
        source=candidates.name,
        digest=candidates.digest,
        column=candidates.column,
        model=served.model,
        version=served.version,
        chain=served.chain,
        level=served.level,
        functions=dict(served.endpoints[0].function_ids),
        keep=keep,
        began=now,
    )
    with beside.held(restart=restart):
        left = beside.left(asked)
        run, sink = _run(candidates, beside, asked, left, served)
        with closing(sink), watched(sink, candidates, progress) as run.watch:
            final = begin(run).drive()
    pair = sink.pair
    found = Screening(
        output=output,
        property=pair["property"] or "value",
        unit=pair["unit"] or "",
        tally=final.tally,
        lowest=final.extremes("lowest") if candidates.whole or keep.has("lowest") else [],
        highest=final.extremes("highest") if candidates.whole or keep.has("highest") else [],
        first=final.first,
        kept=final.written,
        failed=sink.failed_rows,
        model=pair["model"],
        featurizer=pair["featurizer"],
        endpoints=[name_of(calls.endpoint) for calls in served.endpoints],
        command=command,
        started=left[0].head.began if left else now,
        ended=datetime.now(UTC),
    )
    if report is not None:
        write_report(found, report)
    return found


def _source(source: str | os.PathLike[str] | Space, column: str | None) -> Source:
    if isinstance(source, Space):
        return SpaceInput(source)
    return open_input(Path(source), column)


def _run(
    candidates: Source,
    beside: Beside,
    asked: Asked,
    left: tuple[Ledger[Asked], list[Entry]] | None,
    served: Served,
) -> tuple[Run[Final], FileSink]:
    """The run, from its beginning or from where another process left it."""
    ledger, entries = left or (None, [])
    answered, sent = known(entries)
    pace = candidates.pace()
    sink = FileSink(beside, candidates, pace)
    if ledger is not None:
        sink.begin(ledger, sorted(answered.values(), key=lambda entry: entry.offset))
        tasks = _held_by_services(served.endpoints, sent.values())
        ledger.take_up(entries, tasks)
        sent = {first: entry for first, entry in sent.items() if entry.task in tasks}
    there = {first: (entry.rows, False) for first, entry in sent.items()}
    there |= {first: (entry.rows, True) for first, entry in answered.items()}

    def plan(pair: Answer) -> OfShard:
        kept = ledger
        if kept is None:
            kept = Ledger.start(beside.ledger, asked.model_copy(update={"pair": _of(pair)}))
            sink.begin(kept, [])
        return candidates.step(pair, asked.keep, served, kept)

    shards = cut(candidates.batches(), candidates.weighed, there, pace)
    pair = ledger.head.pair if ledger else None
    run = Run(served.endpoints, shards, sink, pair=pair or served.pair, plan=plan, room=_IN_FLIGHT)
    return run, sink


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
