"""What a call leaves on disk: all that its process had written, however it ended."""

import stat
import tempfile
import uuid
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matminer_compute.client import CompositionClient, JournalError
from matminer_compute.client.journal import Request, as_texts
from matminer_compute.client.ledger import Ledger
from matminer_compute.registration import Bundle

FORMULAS = ["NaCl", None, "Fe₂O₃", 5, "not a formula"]


def request(formulas=FORMULAS):
    texts, rejected = as_texts(formulas)
    return Request(
        endpoint=str(uuid.uuid4()),
        task_group=str(uuid.uuid4()),
        bundle=Bundle(),
        chain="endpoint",
        level=0.9,
        pair={"model": {"name": "Matminer", "version": "1"}, "featurizer": {}},
        rows_a_task=10,
        formulas=texts,
        rejected=rejected,
    )


def task():
    future = Future()
    future.task_id = str(uuid.uuid4())
    return future


@given(tasks=st.integers(0, 5), data=st.data())
def test_a_journal_cut_off_anywhere_gives_back_what_was_whole(tasks, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal, sent = Ledger.start(path, request()), [task() for _ in range(tasks)]
        begun = path.stat().st_size
        for shard, future in enumerate(sent):
            journal.ticket(shard * 10, 10, "predict_composition").note(future)
        whole = path.read_bytes()
        length = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:length])
        if length < begun - 1:  # without its line's end the request is whole all the same
            with pytest.raises(JournalError, match="ask again"):
                Ledger.read(path, Request)
            return
        again, left = Ledger.read(path, Request)
        assert again.head == journal.head
        assert [step.task for step in left] == [f.task_id for f in sent[: len(left)]]
        assert len(left) >= whole[:length].count(b"\n") - 1
        again.take_up(left, {f.task_id: f for f in sent})
        for shard, future in enumerate(sent):
            found = again.ticket(shard * 10, 10, "predict_composition").accepted
            assert found is (future if shard < len(left) else None)


def test_rows_that_are_not_text_keep_their_reasons(tmp_path):
    Ledger.start(tmp_path / "journal", request())
    asked = Ledger.read(tmp_path / "journal", Request)[0].head
    assert asked.formulas == ["NaCl", None, "Fe₂O₃", None, "not a formula"]
    assert asked.rejected == {
        1: "a formula must be text, not NoneType",
        3: "a formula must be text, not int",
    }


@given(formulas=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
@example(formulas=["NaCl\u2028MgO", "\u2029", "\x85", "a\x0bb\x0cc\x1cd\x1e"])
def test_any_text_is_taken_up_again(formulas):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        Ledger.start(path, request(formulas)).ticket(0, 10, "predict").note(task())
        found, sent = Ledger.read(path, Request)
        assert found.head.formulas == formulas
        assert len(sent) == 1


def test_a_task_that_the_service_forgot_is_sent_again(tmp_path):
    journal = Ledger.start(tmp_path / "journal", request())
    journal.ticket(0, 10, "predict_composition").note(task())
    again, sent = Ledger.read(tmp_path / "journal", Request)
    again.take_up(sent, {})
    assert again.ticket(0, 10, "predict_composition").accepted is None


def test_a_task_that_the_service_never_took_is_not_noted(tmp_path):
    journal = Ledger.start(tmp_path / "journal", request())
    journal.ticket(0, 10, "predict_composition").note(Future())
    assert Ledger.read(tmp_path / "journal", Request)[1] == []


def test_a_journal_is_never_written_over_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "journal"
    Ledger.start(path, request())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(JournalError, match="reattach"):
        Ledger.start(path, request())


@pytest.mark.parametrize("content", [None, "", "{}\n", "[]\n", "no JSON\n"])
def test_what_is_no_journal_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "journal"
    if content is not None:
        path.write_text(content)
    with pytest.raises(JournalError, match="journal"):
        CompositionClient.reattach(path)


def test_a_journal_needs_an_endpoint_that_outlives_this_process(endpoint, tmp_path):
    with (
        CompositionClient(endpoint=endpoint) as client,
        pytest.raises(JournalError, match="UUID"),
    ):
        client.predict(["NaCl"], journal=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()
