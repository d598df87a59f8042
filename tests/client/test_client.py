"""What a caller gets, on the real engines, from real models."""

import asyncio
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import matminer_compute.client as public
from matminer_compute.client import (
    BundleError,
    CompositionClient,
    DeadlineExceeded,
    EndpointUnavailable,
    FunctionNotAllowed,
    MatminerComputeError,
    NoProductionVersion,
    RegistryError,
    RegistryUnreachable,
    WorkerLost,
)
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.registration import Bundle, register

FORMULAS = ["NaCl", "Fe2O3", "not a formula", "CuSO4·5H2O", None, "NaCl", "Xx2O3", "Li0.5CoO2"]
REJECTED = [2, 4, 6]


def same(one, other):
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.std, other.std)
    assert one.rejected == other.rejected
    assert one.model == other.model
    assert one.featurizer == other.featurizer


@pytest.mark.parametrize("engine", ["processes", "threads", "parsl"])
def test_the_whole_path_on_each_engine_and_both_chains(
    engine, registry, client, monkeypatch, tmp_path
):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path))
    expected = client.predict(FORMULAS)
    with EmbeddedEndpoint(engine, workers=1, registry=registry.uri) as endpoint:
        for chain in ("endpoint", "client"):
            with CompositionClient(endpoint=endpoint, chain=chain) as client:
                same(client.predict(FORMULAS), expected)


def test_an_answer_says_what_it_is_and_who_gave_it(client, registry):
    predictions = client.predict(FORMULAS)
    assert len(predictions) == len(FORMULAS)
    assert list(predictions.rejected) == REJECTED
    assert np.isnan(predictions.values[REJECTED]).all()
    assert np.isfinite(np.delete(predictions.values, REJECTED)).all()
    assert (np.delete(predictions.std, REJECTED) > 0).all()
    assert predictions.values[0] == predictions.values[5]
    assert predictions.unit == "eV/atom"
    assert predictions.property == "formation_energy_per_atom"
    published = registry.trained.published
    assert predictions.model == {
        "name": "Matminer",
        "version": published.version,
        "run_id": published.run_id,
        "schema": published.schema,
    }
    assert predictions.featurizer["name"] == published.featurizer
    worker = predictions.workers[0]
    assert uuid.UUID(worker["task"])
    assert set(worker["seconds"]) == {"load", "featurize", "predict"}
    assert not predictions.stale


def test_a_long_list_is_cut_into_tasks_and_put_back_in_order(client):
    few = ["NaCl", "Fe2O3", "?", "MgO", 7]
    expected = client.predict(few)
    many = client.predict(few * 6_000)
    assert len(many.workers) > 1
    np.testing.assert_array_equal(many.values, np.tile(expected.values, 6_000))
    assert len(many.rejected) == 2 * 6_000
    assert many.rejected[2] == expected.rejected[2]
    assert many.rejected[29_999] == expected.rejected[4]


def test_long_rows_do_not_make_a_task_too_heavy(client):
    """Ten megabytes of text that is no formula: over the limit of a request, were it one."""
    predictions = client.predict(["NaCl", "x" * 5_000_000, *["é" * 999] * 5_000, "NaCl"])
    assert len(predictions.rejected) == 5_001
    assert "1000 characters" in predictions.rejected[1]
    assert predictions.values[0] == predictions.values[-1]


def test_features_too_large_for_a_task_are_asked_for_in_smaller_ones(endpoint):
    """500 rows a task, but if their features weigh too much the task is halved until it fits."""
    elements = [
        "H",
        "He",
        "Li",
        "Be",
        "B",
        "C",
        "N",
        "O",
        "F",
        "Ne",
        "Na",
        "Mg",
        "Al",
        "Si",
        "P",
        "S",
        "Cl",
        "Ar",
        "K",
        "Ca",
        "Sc",
        "Ti",
        "V",
        "Cr",
        "Mn",
        "Fe",
        "Co",
        "Ni",
    ]
    formulas = [f"{a}{1 + 7 * i / 900:.4f}{b}{2 + i / 977:.4f}" for i, (a, b) in enumerate(
        (a, b) for a in elements for b in elements if a != b)]  # fmt: skip
    with (
        CompositionClient(endpoint=endpoint, chain="client") as apart,
        CompositionClient(endpoint=endpoint) as together,
    ):
        same(apart.predict(formulas), together.predict(formulas))


def test_an_empty_list_gives_an_empty_answer(client):
    predictions = client.predict([])
    assert len(predictions) == 0
    assert predictions.unit == "eV/atom"
    assert client.featurize([]).matrix.shape == (0, 145)


@pytest.mark.parametrize("text", ["NaCl", b"NaCl"])
def test_a_bare_string_is_an_error_that_says_so(client, text):
    for ask in (client.predict, client.featurize, client.submit):
        with pytest.raises(TypeError, match="list of formulas"):
            ask(text)


def test_features_are_a_matrix_with_labels(client):
    features = client.featurize(FORMULAS)
    assert features.matrix.shape == (len(FORMULAS), len(features.labels))
    assert list(features.rejected) == REJECTED
    assert np.isnan(features.matrix[REJECTED]).all()
    assert features.labels[0] == "0-norm"
    assert features.matrix[0, 0] == 2  # two elements in NaCl
    assert features.featurizer["name"] == "Matminer Featurizer"
    assert "8 formulas by 145 features, 3 rejected" in repr(features)
    assert list(features.to_pandas().columns) == features.labels


def test_predictions_become_json_a_frame_and_a_line(client):
    predictions = client.predict(FORMULAS)
    as_dict = json.loads(json.dumps(predictions.to_dict(), allow_nan=False))
    assert [row["formula"] for row in as_dict["predictions"]] == FORMULAS
    assert "rejected" in as_dict["predictions"][2]
    assert as_dict["predictions"][0]["value"] == predictions.values[0]
    assert as_dict["unit"] == "eV/atom"
    frame = predictions.to_pandas()
    assert list(frame["formula"]) == FORMULAS
    np.testing.assert_array_equal(frame["formation_energy_per_atom"], predictions.values)
    assert frame.attrs["unit"] == "eV/atom"
    shown = repr(predictions)
    assert "Matminer version 1: 8 formulas, 3 rejected" in shown
    assert "NaCl: -" in shown
    assert "eV/atom" in shown


@pytest.mark.parametrize("chain", ["endpoint", "client"])
def test_a_row_outside_the_training_data_says_so_in_every_form(endpoint, chain):
    with CompositionClient(endpoint=endpoint, chain=chain) as client:
        predictions = client.predict(["Fe2O3", "xx", "Fe203", None, "U99999"])
    assert list(predictions.outside) == [2, 4]
    assert np.isfinite(predictions.values[[0, 2, 4]]).all()
    why = predictions.outside[2]
    assert "203 for Fe" in why
    rows = predictions.to_dict()["predictions"]
    assert [row.get("outside") for row in rows[:3]] == [None, None, why]
    assert list(predictions.to_pandas()["outside"][:3]) == [None, None, why]
    assert f"(outside the training data: {why})" in repr(predictions)


def test_a_future_can_be_awaited(client):
    async def both():
        futures = [client.submit([f]) for f in ("NaCl", "Fe2O3")]
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    nacl, fe2o3 = asyncio.run(both())
    expected = client.predict(["NaCl", "Fe2O3"])
    assert [nacl.values[0], fe2o3.values[0]] == list(expected.values)


def test_many_threads_may_share_a_client(client):
    expected = client.predict(FORMULAS)
    with ThreadPoolExecutor(12) as threads:
        for predictions in threads.map(lambda _: client.predict(FORMULAS), range(60)):
            same(predictions, expected)


def test_a_bundle_gives_the_ids(endpoint, tmp_path, client):
    register(endpoint, tmp_path / "bundle.json")
    with CompositionClient(tmp_path / "bundle.json", endpoint) as bundled:
        same(bundled.predict(FORMULAS), client.predict(FORMULAS))


def test_without_a_usable_bundle_the_sentence_says_what_to_do(endpoint, tmp_path):
    with pytest.raises(BundleError, match=r"ask the publisher"):
        CompositionClient(endpoint=str(uuid.uuid4()))
    with pytest.raises(BundleError, match=r"cannot be read"):
        CompositionClient(tmp_path / "missing.json", endpoint)
    with pytest.raises(BundleError, match=r"lacks predict"):
        CompositionClient(Bundle(), endpoint)
    with pytest.raises(ValueError, match="endpoint is missing"):
        CompositionClient()
    with pytest.raises(ValueError, match="chain must be"):
        CompositionClient(endpoint=endpoint, chain="both")


def test_what_the_registry_lacks_is_a_typed_error(endpoint):
    with pytest.raises(NoProductionVersion, match="'No Such Model'"):
        CompositionClient(endpoint=endpoint, model="No Such Model").predict(["NaCl"])
    with pytest.raises(NoProductionVersion, match="no version 12"):
        CompositionClient(endpoint=endpoint, version=12).predict(["NaCl"])
    with pytest.raises(NoProductionVersion, match="marked 'production'"):  # aliases have a case
        CompositionClient(endpoint=endpoint, version="production").predict(["NaCl"])


def test_a_version_can_be_asked_for_by_number(endpoint, client):
    with CompositionClient(endpoint=endpoint, version=1) as numbered:
        same(numbered.predict(FORMULAS), client.predict(FORMULAS))


def test_an_endpoint_that_may_not_run_the_function_says_so(registry):
    with (
        EmbeddedEndpoint("threads", registry=registry.uri, allowed_functions=[]) as endpoint,
        CompositionClient(endpoint=endpoint) as client,
        pytest.raises(FunctionNotAllowed, match="operator"),
    ):
        client.predict(["NaCl"])


def test_a_registry_that_is_not_there_is_a_typed_error(tmp_path):
    address = "http://user:secret@127.0.0.1:9"  # the discard port: nobody listens
    with (
        EmbeddedEndpoint("processes", workers=1, registry=address) as endpoint,
        CompositionClient(endpoint=endpoint) as client,
        pytest.raises(RegistryUnreachable, match=r"http://127\.0\.0\.1:9 ") as caught,
    ):
        client.predict(["NaCl"])
    assert isinstance(caught.value, RegistryError)
    assert "secret" not in str(caught.value) + str(caught.value.__cause__)


class KillsItsWorker:
    """An endpoint whose worker is killed under its first tasks."""

    def __init__(self, endpoint, times):
        self.endpoint, self.left = endpoint, times
        self.poison = endpoint.register_function(die)

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        if self.left:
            self.left -= 1
            return self.endpoint.submit_to_registered_function(self.poison)
        return self.endpoint.submit_to_registered_function(function_id, args, kwargs)


def die():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_whose_worker_died_is_sent_again_but_not_for_ever(registry, client):
    with EmbeddedEndpoint("processes", workers=1, registry=registry.uri) as own:
        with CompositionClient(endpoint=KillsItsWorker(own, times=2)) as unlucky:
            same(unlucky.predict(FORMULAS), client.predict(FORMULAS))
        with (
            CompositionClient(endpoint=KillsItsWorker(own, times=3)) as doomed,
            pytest.raises(WorkerLost),
        ):
            doomed.predict(FORMULAS)


@pytest.fixture
def silent(registry):
    """An endpoint whose only worker is busy for as long as the test lasts."""
    with EmbeddedEndpoint("processes", workers=1, registry=registry.uri) as endpoint:
        for _ in range(3):  # a pool hands a worker its next tasks early
            endpoint.submit_to_registered_function(endpoint.register_function(sleep_long))
        yield endpoint


def sleep_long():
    import time

    time.sleep(600)


def test_a_deadline_says_what_was_waited_for(silent):
    with CompositionClient(endpoint=silent) as client:
        with pytest.raises(DeadlineExceeded, match=r"0\.2 s .*predict_composition"):
            client.predict(["NaCl"], timeout=0.2)
        with pytest.raises(TimeoutError):
            client.predict(["NaCl"] * 30_000, timeout=0.2)
        with pytest.raises(DeadlineExceeded):
            client.submit(["NaCl"], timeout=0.2).result(60)


def test_closing_ends_every_wait(silent):
    client = CompositionClient(endpoint=silent)
    future = client.submit(["NaCl"])
    while not future.running():
        time.sleep(0.01)
    failures = []

    def ask():
        try:
            client.predict(["NaCl"])
        except MatminerComputeError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while len(client._runs) < 2:
        time.sleep(0.01)
    client.close()
    thread.join(60)
    assert isinstance(future.exception(60), EndpointUnavailable)
    assert [type(failure) for failure in failures] == [EndpointUnavailable]
    for ask_again in (client.predict, client.submit, client.featurize):
        with pytest.raises(EndpointUnavailable, match="closed; make another"):
            ask_again(["NaCl"])


THIN = """
import sys
import matminer_compute.client
from matminer_compute.client import CompositionClient
heavy = {"mlflow", "matminer", "pymatgen", "sklearn", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def test_importing_the_client_imports_no_model_library():
    subprocess.run([sys.executable, "-c", THIN], check=True)


def test_importing_the_client_needs_nothing_of_unix():
    """A caller may sit at Windows, which has no fcntl."""
    without = "import sys\nsys.modules['fcntl'] = None\nimport matminer_compute.cli\n"
    subprocess.run([sys.executable, "-c", without + THIN], check=True)


def test_an_endpoint_is_named_by_its_uuid():
    with pytest.raises(ValueError, match=r"globus-compute-endpoint list.*not by 'my-cluster'"):
        CompositionClient(endpoint="my-cluster")


def test_the_public_surface_is_what_all_lists():
    named = {name: what for name, what in vars(public).items() if not name.startswith("_")}
    names = {name for name, what in named.items() if not isinstance(what, ModuleType)}
    assert names == set(public.__all__)
    assert sorted(public.__all__) == public.__all__


def test_errors_survive_a_pickle_so_pools_can_hand_them_on():
    for name in public.__all__:
        kind = getattr(public, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert str(pickle.loads(pickle.dumps(kind("a sentence")))) == "a sentence"


def tables():
    frame = pd.DataFrame({"formula": ["NaCl"], "target": [1.0]})
    return [frame, frame.to_numpy(), np.array("NaCl"), pa.Table.from_pandas(frame)]


@pytest.mark.parametrize("formulas", tables(), ids=lambda table: type(table).__name__)
def test_a_table_is_refused_before_its_column_names_are_predicted(client, formulas):
    for ask in (client.predict, client.featurize, client.submit):
        with pytest.raises(TypeError, match="pass the column of formulas"):
            ask(formulas)


@pytest.mark.parametrize(
    ("formulas", "sentence"),
    [
        ({"NaCl": 1}, "not a dict"),
        ({"NaCl", "MgO"}, "a set has none"),
        (frozenset({"NaCl"}), "a frozenset has none"),
        ({"NaCl": 1}.keys(), "a dict_keys has none"),
        (bytearray(b"NaCl"), "one piece of text"),
        (7, "not a int"),
        (Path("formulas.txt"), "not a PosixPath"),
    ],
)
def test_what_is_no_list_is_refused(client, formulas, sentence):
    with pytest.raises(TypeError, match=sentence):
        client.predict(formulas)


def test_columns_arrays_and_iterators_of_formulas_are_lists(client):
    few = ["NaCl", "xx", "MgO"]
    expected = client.predict(few)
    for formulas in (
        tuple(few),
        pd.Series(few, index=[7, 7, 9]),
        pd.Index(few),
        np.array(few),
        np.array(few, dtype=object),
        (formula for formula in few),
    ):
        same(client.predict(formulas), expected)


@pytest.mark.parametrize("seconds", [float("nan"), -1, float("inf"), 1e300])
def test_what_is_no_length_of_time_is_refused(client, endpoint, seconds):
    with pytest.raises(ValueError, match="timeout must be a number of seconds"):
        client.predict(["NaCl"], timeout=seconds)
    with pytest.raises(ValueError, match="task_timeout must be a number of seconds"):
        CompositionClient(endpoint=endpoint, task_timeout=seconds)


def test_a_fork_is_told_at_once_and_leaves_its_parent_alone(registry, client):
    """A forked child has no threads to answer it; and what it closes is still its parent's."""
    fork = multiprocessing.get_context("fork")
    with (
        EmbeddedEndpoint(workers=1, registry=registry.uri) as own,
        CompositionClient(endpoint=own) as forked,
    ):
        before = forked.predict(["NaCl"])
        said = fork.SimpleQueue()
        child = fork.Process(target=_use_and_close, args=(said, forked, own))
        child.start()
        for sentence in said.get():
            assert "the process that this one was forked from" in sentence
        child.join()
        after = forked.predict(["NaCl"])
        same(after, before)
        assert after.workers[0]["pid"] == before.workers[0]["pid"]


def _use_and_close(said, client, endpoint):
    sentences = []
    for use in (
        lambda: client.predict(["NaCl"]),
        lambda: client.featurize(["NaCl"]),
        lambda: client.submit(["NaCl"]),
        lambda: endpoint.submit_to_registered_function("any"),
    ):
        with pytest.raises(EndpointUnavailable) as refused:
            use()
        sentences.append(str(refused.value))
    client.close()
    endpoint.close()
    said.put(sentences)
