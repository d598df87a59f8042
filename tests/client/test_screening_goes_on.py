"""A screening that was stopped, by whatever, goes on; if it is still the same."""

import multiprocessing
import random
import time

import pytest
import screener
from screening import beside, rows_of
from waiting import until

from matminer_compute.client import (
    CompositionClient,
    FileUnusable,
    JournalError,
    NoProductionVersion,
)
from matminer_compute.client.ledger import Answered, Ledger
from matminer_compute.client.screening.beside import Asked
from matminer_compute.endpoint import EmbeddedEndpoint


def known(output):
    """The shards whose answers the ledger has, by what they are."""
    ledger = output.with_name(output.name + ".ledger")
    if not ledger.exists() or b"\n" not in ledger.read_bytes():
        return set()
    entries = Ledger.read(ledger, Asked)[1]
    return {(e.first, e.rows, e.offset) for e in entries if isinstance(e, Answered)}


def wait_a_while(process, output, before, seconds):
    """At any moment, but at most two more tasks further, so that it takes many."""
    end = time.monotonic() + seconds
    until(
        lambda: time.monotonic() > end or not process.is_alive() or len(known(output) - before) > 1
    )


@pytest.mark.slow
def test_killed_at_twenty_moments_it_goes_on_and_ends_as_if_nothing_had_been(
    client, registry, source, tmp_path, monkeypatch, small_tasks
):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    output, rng, kills = tmp_path / "out.csv", random.Random(2), 0
    # Its children begin with all that is slow to import.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["screener", "mlflow.pyfunc", "pyarrow.csv", "numba"])
    while not output.exists():
        before = known(output)
        process = context.Process(target=screener.screen, args=(registry.uri, source, output))
        process.start()
        if kills < 20:
            wait_a_while(process, output, before, rng.uniform(0, 2))
            process.kill()
            kills += 1
        process.join()
        assert before <= known(output) or output.exists()
    client.screen(source, tmp_path / "once.csv")
    assert output.read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert beside(output) == ["out.csv"]
    assert kills > 5


@pytest.fixture
def stopped(registry, source, tmp_path, monkeypatch):
    """A screening whose process was killed on its way."""
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    output = tmp_path / "out.csv"
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=screener.screen, args=(registry.uri, source, output))
    process.start()
    until(lambda: known(output))
    process.kill()
    process.join()
    assert beside(output) == ["out.csv.answers", "out.csv.ledger", "out.csv.part"]
    return output


def test_of_another_screening_it_says_what_differs_and_can_begin_anew(
    stopped, client, endpoint, source, small_tasks
):
    with pytest.raises(JournalError, match=r"what is kept .* changed .*--restart"):
        client.screen(source, stopped, top=3)
    with (
        CompositionClient(endpoint=endpoint, version=1) as numbered,
        pytest.raises(JournalError, match="the model's version changed"),
    ):
        numbered.screen(source, stopped)
    text = source.read_text()
    source.write_text(text + "1010,NaCl\n")
    with pytest.raises(JournalError, match="the input changed"):
        client.screen(source, stopped)
    assert known(stopped)
    found = client.screen(source, stopped, restart=True)
    assert found.rows == len(rows_of(stopped)) == text.count("\n")
    with pytest.raises(FileUnusable, match=r"exists; .*--restart"):
        client.screen(source, stopped)


def test_another_process_at_it_is_noticed(stopped, client, source, small_tasks):
    import fcntl

    with stopped.with_name("out.csv.part").open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with pytest.raises(FileUnusable, match="Another process"):
            client.screen(source, stopped)
    client.screen(source, stopped)
    assert beside(stopped) == ["out.csv"]


def test_a_full_disk_loses_nothing(registry, client, source, tmp_path, small_tasks, monkeypatch):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    output, said = tmp_path / "out.csv", tmp_path / "said"
    context = multiprocessing.get_context("forkserver")
    process = context.Process(
        target=screener.screen_with_little_room, args=(registry.uri, source, output, said)
    )
    process.start()
    process.join()
    assert f"{output} cannot be written (File too large" in said.read_text()
    assert known(output)
    client.screen(source, output)
    client.screen(source, tmp_path / "once.csv")
    assert output.read_bytes() == (tmp_path / "once.csv").read_bytes()


def test_where_nothing_can_be_written_is_said_before_any_work(client, source, tmp_path):
    with pytest.raises(FileUnusable, match=r"none/out\.csv cannot be written"):
        client.screen(source, tmp_path / "none" / "out.csv")
    with pytest.raises(FileUnusable, match=r"must end in \.csv"):
        client.screen(source, tmp_path / "out.xlsx")


def test_what_never_began_leaves_nothing(registry, source, tmp_path):
    with (
        EmbeddedEndpoint("threads", workers=1, registry=registry.uri) as endpoint,
        CompositionClient(endpoint=endpoint, model="Nobody") as client,
        pytest.raises(NoProductionVersion),
    ):
        client.screen(source, tmp_path / "out.csv")
    assert beside(tmp_path / "out.csv") == []
