"""Candidates from file to file: whole, resumable, held to one pair, whatever happens meanwhile."""

import csv
import gzip
import json
import random
import time

import numpy as np
import pytest
from pyarrow import parquet
from screening import DIRTY, VALUE, beside, rows_of
from waiting import until

from matminer_compute.client import (
    CompositionClient,
    EndpointUnavailable,
    RegistryError,
)
from matminer_compute.client import run as runs
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.model import TrainOptions, promote, train


def test_the_rows_are_those_of_predict_in_order_with_what_stood_beside_them(
    client, source, tmp_path, small_tasks
):
    found = client.screen(source, tmp_path / "out.csv")
    asked, answered = rows_of(source), rows_of(tmp_path / "out.csv")
    same = client.predict([row["Formula"] for row in asked])
    assert [(row["id"], row["Formula"]) for row in answered] == [
        tuple(row.values()) for row in asked
    ]
    assert [float(row[VALUE] or "nan") for row in answered] == pytest.approx(
        same.values, nan_ok=True, abs=0
    )
    assert [float(row["std"] or "nan") for row in answered] == pytest.approx(
        same.std, nan_ok=True, abs=0
    )
    for column, said in (("rejected", same.rejected), ("outside", same.outside)):
        assert {n: row[column] for n, row in enumerate(answered) if row[column]} == said
    assert {row["model"] for row in answered} == {"Matminer 1"}
    same.to_csv(tmp_path / "same.csv")
    ours = list(rows_of(tmp_path / "same.csv")[0])[1:]
    assert list(answered[0]) == ["id", "Formula", *ours, "model", "featurizer"]
    assert found.rows == found.kept == len(asked)
    assert found.rejected == len(same.rejected)
    assert found.tally.outside == len(same.outside)
    order = np.argsort(same.values, kind="stable")[:10]
    assert [row.value for row in found.lowest] == same.values[order].tolist()
    assert beside(tmp_path / "out.csv") == ["out.csv"]


@pytest.mark.slow
def test_the_same_on_parsl(client, registry, source, tmp_path, small_tasks, monkeypatch):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    client.screen(source, tmp_path / "processes.csv")
    with (
        EmbeddedEndpoint("parsl", workers=2, registry=registry.uri) as endpoint,
        CompositionClient(endpoint=endpoint) as on_parsl,
    ):
        on_parsl.screen(source, tmp_path / "parsl.csv")
    assert (tmp_path / "parsl.csv").read_bytes() == (tmp_path / "processes.csv").read_bytes()


def test_each_kind_of_output_holds_the_same_and_only_what_is_kept(client, source, tmp_path):
    whole = rows_of_all = None
    client.screen(source, tmp_path / "all.csv")
    whole = [row for row in rows_of(tmp_path / "all.csv") if row[VALUE]]
    rows_of_all = sorted(whole, key=lambda row: float(row[VALUE]))
    client.screen(source, tmp_path / "top.parquet", top=5)
    table = parquet.read_table(tmp_path / "top.parquet")
    assert table["Formula"].to_pylist() == [row["Formula"] for row in rows_of_all[:5]]
    assert table.schema.metadata[b"unit"] == b"eV/atom"
    client.screen(source, tmp_path / "top.jsonl", top=5, order="highest")
    lines = (tmp_path / "top.jsonl").read_text().splitlines()
    assert [json.loads(line)["Formula"] for line in lines] == [
        row["Formula"] for row in sorted(whole, key=lambda row: -float(row[VALUE]))[:5]
    ]
    found = client.screen(source, tmp_path / "range.csv.gz", above=-2.0, below=-1.0)
    with gzip.open(tmp_path / "range.csv.gz", "rt") as file:
        kept = list(csv.DictReader(file))
    assert kept == [row for row in whole if -2.0 < float(row[VALUE]) < -1.0]
    assert found.kept == len(kept)
    with pytest.raises(ValueError, match="below -2 and above -1"):
        client.screen(source, tmp_path / "none.csv", above=-1.0, below=-2.0)


@pytest.mark.parametrize("columns", [1, 40])
def test_a_file_of_any_width_and_one_without_rows(client, tmp_path, columns):
    names = ["formula", *(f"std{n}" for n in range(2, columns + 1))]
    (tmp_path / "in.csv").write_text(",".join(names) + "\n")
    found = client.screen(tmp_path / "in.csv", tmp_path / "out.csv")
    assert found.rows == 0
    assert (tmp_path / "out.csv").read_text().startswith(",".join([*names, VALUE]))
    (tmp_path / "in.csv").write_text("\n".join([",".join(names), ",".join(["NaCl"] * columns)]))
    client.screen(tmp_path / "in.csv", tmp_path / "out.csv", restart=True)
    [row] = rows_of(tmp_path / "out.csv")
    assert [row[name] for name in names] == ["NaCl"] * columns
    assert float(row[VALUE])


def test_ten_thousand_dirty_rows_are_ten_thousand_reasons(client, tmp_path):
    rng = random.Random(1)
    rows = [rng.choice(DIRTY[:-1]) + "?" * rng.randrange(1, 5) for _ in range(10_000)]
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("formula",), *((row,) for row in rows)])
    found = client.screen(tmp_path / "in.csv", tmp_path / "out.csv")
    answered = rows_of(tmp_path / "out.csv")
    assert [row["formula"] for row in answered] == rows
    assert all(row["rejected"] and not row[VALUE] for row in answered)
    assert found.rejected == 10_000


class Promotes:
    """An endpoint under whose first tasks another version becomes Production."""

    def __init__(self, endpoint, uri):
        self.endpoint, self.uri, self.tasks = endpoint, uri, 0

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        self.tasks += 1
        if self.tasks == 4:
            promote("2", tracking_uri=self.uri, force=True)
        return self.endpoint.submit_to_registered_function(function_id, args, kwargs)


def test_one_pair_answers_all_of_it_whatever_is_promoted_meanwhile(
    two_versions, source, tmp_path, small_tasks, monkeypatch
):
    monkeypatch.setenv("MATMINER_COMPUTE_REFRESH_S", "0.1")
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    with EmbeddedEndpoint("processes", workers=2, registry=two_versions) as workers:
        endpoint = Promotes(workers, two_versions)
        with CompositionClient(endpoint=endpoint) as client:
            client.screen(source, tmp_path / "out.csv")
            assert endpoint.tasks > 10
            assert {row["model"] for row in rows_of(tmp_path / "out.csv")} == {"Matminer 1"}
            until(lambda: client.predict(["NaCl"]).model["version"] == "2")


@pytest.fixture
def two_versions(registry, tmp_path):
    """The registry's own, copied: 1 is Production, 2 is another."""
    import shutil

    folder = tmp_path / "two"
    shutil.copytree(registry.folder, folder)
    uri = f"sqlite:///{folder / 'registry.db'}"
    train(TrainOptions(rows=60, n_estimators=4, folds=2), tracking_uri=uri)
    return uri


class Breaks:
    """An endpoint on which a task fails that holds a certain formula."""

    def __init__(self, endpoint, formula):
        self.endpoint, self.formula = endpoint, formula
        self.broken = endpoint.register_function(broken)
        self.tries = 0

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        if args and args[0] and self.formula in args[0]:
            self.tries += 1
            return self.endpoint.submit_to_registered_function(self.broken)
        return self.endpoint.submit_to_registered_function(function_id, args, kwargs)


def broken():
    raise RuntimeError("out of luck")


def test_a_task_that_fails_three_times_is_set_aside_and_the_rest_finish(
    endpoint, source, tmp_path, small_tasks
):
    asked = rows_of(source)
    unlucky = Breaks(endpoint, asked[60]["Formula"])
    with CompositionClient(endpoint=unlucky) as client:
        found = client.screen(source, tmp_path / "out.csv")
    assert unlucky.tries == 3
    answered, failed = rows_of(tmp_path / "out.csv"), rows_of(tmp_path / "out.failed.csv")
    assert [row["id"] for row in answered] == [row["id"] for row in asked[:50] + asked[100:]]
    assert [row["id"] for row in failed] == [row["id"] for row in asked[50:100]]
    assert "out of luck" in failed[0]["failed"]
    assert (found.failed, found.rows) == (50, len(asked))


class Dies:
    """An endpoint that is gone after some tasks."""

    def __init__(self, endpoint, tasks):
        self.endpoint, self.left = endpoint, tasks

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        self.left -= 1
        if self.left == 0:
            self.endpoint.close()
        return self.endpoint.submit_to_registered_function(function_id, args, kwargs)


def test_of_two_endpoints_the_one_that_dies_gives_its_tasks_to_the_other(
    endpoint, registry, source, tmp_path, small_tasks, client
):
    client.predict(["NaCl"])  # its workers are there, before this process has threads that load
    with EmbeddedEndpoint("threads", workers=1, registry=registry.uri) as other:
        with CompositionClient(endpoint=[Dies(other, 4), endpoint]) as both:
            both.screen(source, tmp_path / "both.csv")
        client.screen(source, tmp_path / "one.csv")
        assert (tmp_path / "both.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
        with (
            CompositionClient(endpoint=[other, Dies(other, 1)]) as neither,
            pytest.raises(EndpointUnavailable),
        ):
            neither.predict(["NaCl"])


def test_an_endpoint_with_another_registry_is_found_out(
    endpoint, source, tmp_path, small_tasks, monkeypatch
):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    uri = f"sqlite:///{tmp_path / 'other' / 'registry.db'}"
    train(TrainOptions(rows=60, n_estimators=4, folds=2), tracking_uri=uri)
    promote(tracking_uri=uri)
    with (
        EmbeddedEndpoint("processes", workers=1, registry=uri) as other,
        CompositionClient(endpoint=[endpoint, other]) as both,
        pytest.raises(RegistryError, match=r"uses another registry\. Leave it out"),
    ):
        both.screen(source, tmp_path / "both.csv")


def sleep_long():

    time.sleep(600)


def test_what_an_endpoint_is_silent_about_goes_to_one_that_has_nothing_to_do(
    endpoint, registry, source, tmp_path, small_tasks, client, monkeypatch
):
    monkeypatch.setattr(runs, "_SILENT", 0.5)
    with EmbeddedEndpoint("processes", workers=1, registry=registry.uri) as silent:
        for _ in range(3):  # a pool hands a worker its next tasks early
            silent.submit_to_registered_function(silent.register_function(sleep_long))
        with CompositionClient(endpoint=[endpoint, silent]) as both:
            both.screen(source, tmp_path / "both.csv")
        client.screen(source, tmp_path / "one.csv")
    assert (tmp_path / "both.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
