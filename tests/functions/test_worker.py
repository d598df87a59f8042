"""What the functions share on a worker, module by module, imported as the modules they are."""

import fcntl
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matminer_compute.functions import predict_composition
from matminer_compute.functions.worker import models, node_cache, pointer, refusals, registry
from matminer_compute.model.digest import artifact_digest


@pytest.fixture
def here(request, tmp_path, monkeypatch):
    """This process as a worker whose modules were imported, not sent; nothing is loaded yet."""
    trained = request.getfixturevalue("registry")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.uri)
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    kept = (models.held, models._answered, models._failed, pointer._known)
    for state in kept:
        state.clear()
    yield trained
    for state in kept:
        state.clear()


NAMES, NUMBERS = st.lists(st.text(min_size=1)), st.lists(st.integers(1), min_size=1).map(sorted)


@given(st.text(), st.one_of(st.text(), st.integers(1)), NUMBERS, NAMES)
def test_every_refusal_begins_with_a_code_and_ends_with_a_sentence(name, version, numbers, names):
    for refusal in (
        refusals.no_such_version(name, version, numbers, names),
        refusals.no_such_model(name, names, name),
        refusals.no_registry(name),
        refusals.not_a_model(name),
    ):
        assert re.match(r"\[[a-z-]+\] .*\.$", str(refusal), re.DOTALL)


def test_what_is_not_there_is_told_with_what_is(here):
    for (name, version), said in {
        ("Matmimer", "1"): "no 'Matmimer'; it has 'Matminer', 'Matminer Featurizer'.",
        ("Matminer", "production"): "marked 'production'; there is 'Production'; or promote one",
    }.items():
        assert said in str(registry.look_up(name, version))


def test_a_featurizer_asked_for_predictions_names_its_model(worker):
    with pytest.raises(RuntimeError, match="is a featurizer and predicts nothing; ask 'Matminer'"):
        predict_composition(["NaCl"], name="Matminer Featurizer")


def test_a_number_an_alias_and_what_is_there_are_told_apart(here):
    assert registry.look_up("Matminer", "1").number == "1"
    assert registry.look_up("Matminer", "Production").number == "1"
    for version, code in [("²", "no-production-version"), ("7", "unknown-version")]:
        assert f"[{code}]" in str(registry.look_up("Matminer", version))
    assert "[no-such-model]" in str(registry.look_up("""It's "quoted" """, "1"))


def test_a_database_that_is_not_there_is_not_made(here, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'regstry.db'}")
    with pytest.raises(RuntimeError, match=r"^\[registry-refused\] There is no registry at"):
        models.load("Matminer", "Production")
    assert not (tmp_path / "regstry.db").exists()


def test_a_pointer_is_believed_until_it_has_aged_and_a_number_for_ever(here, monkeypatch):
    where = (here.uri, "Matminer", "Production")
    monkeypatch.setenv("MATMINER_COMPUTE_REFRESH_S", "3600")
    first = pointer.resolve(where)
    assert pointer.resolve(where) is first
    assert pointer.resolve((here.uri, "Matminer", first.number)).until == float("inf")
    by_number = (here.uri, "Matminer Featurizer", "1")
    assert pointer.resolve(by_number) is pointer.resolve(by_number)
    assert pointer.resolve(by_number).until == float("inf")
    pointer._known[where] = pointer.replace(first, until=time.monotonic() - 1)
    again = pointer.resolve(where)
    assert again is not first
    assert again.number == first.number


def test_who_goes_on_without_the_registry_says_so(here):
    where = (here.uri, "Matminer", "Production")
    assert pointer.go_on_with(where, pointer.resolve(where)).stale
    assert pointer.resolve(where).stale


def test_a_model_is_loaded_once_by_many_threads_and_with_its_featurizer(here):
    together = threading.Barrier(4)

    def load():
        together.wait()
        return models.load("Matminer", "Production")

    with ThreadPoolExecutor(4) as threads:
        loaded = [future.result() for future in [threads.submit(load) for _ in range(4)]]
    assert len({id(one.model) for one in loaded}) == 1
    assert [one.cold for one in loaded].count(True) == 1
    assert sorted(name for _, name, _ in models.held) == ["Matminer", "Matminer Featurizer"]


@pytest.fixture
def artifact(here, tmp_path):
    """A version's folder in a cache of this test."""
    version = registry.look_up("Matminer Featurizer", "1")
    return node_cache.fetch(here.uri, version, tmp_path / "cache")


def test_an_artifact_is_named_by_the_digest_that_the_publisher_gave_it(artifact):
    assert node_cache.digest(artifact) == artifact_digest(artifact) == artifact.name


def test_a_folder_is_intact_until_one_of_its_files_is_another(artifact):
    assert node_cache.intact(artifact)
    code = next(artifact.rglob("*.py"))
    before = code.stat()
    code.write_text(code.read_text() + "\n")
    os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not node_cache.intact(artifact)


def test_beyond_the_limit_what_was_unused_for_longest_goes_first(artifact, monkeypatch):
    cache, size = artifact.parent, sum(p.stat().st_size for p in artifact.rglob("*"))
    for age, name in enumerate(("b" * 64, "c" * 64), 1):
        shutil.copytree(artifact, cache / name)
        os.utime(cache / name, (0, 1000 - age))
    under_way = cache / f".{'d' * 64}-another"  # what another worker downloads just now
    shutil.copytree(artifact, under_way)
    os.utime(under_way, (0, 0))
    shutil.copytree(artifact, cache / f".{'e' * 64}-dead")  # its writer was killed
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE_GB", str(2.5 * size / 1e9))
    with (cache / f"{'d' * 64}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node_cache.prune(cache, keep=artifact)
    assert {folder.name for folder in cache.iterdir() if folder.is_dir()} == {
        artifact.name,
        "b" * 64,
        under_way.name,
    }
