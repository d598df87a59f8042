"""The node's cache of artifacts: whole, unaltered, bounded, and never in the way."""

import hashlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from arrived import forget
from waiting import until

from matminer_compute.functions import predict_composition
from matminer_compute.model.digest import artifact_digest

from .conftest import run
from .registry import FORMULAS
from .test_promotion import check

#: A worker of its own whose files may not grow beyond ``limit`` bytes, as on a full disk (root
#: meets this limit too), until it makes its private folder, if ``elsewhere`` has room.
SMALL_DISK = """
import json, resource, sys

def lift(event, args):
    if event == "tempfile.mkdtemp" and "/matminer-compute-" in args[0]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

job = json.load(sys.stdin)
import mlflow.pyfunc, pandas, sqlalchemy  # noqa: E401  nothing of theirs may fall to the limit
namespace = {}
exec(job["source"], namespace)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], hard))
if job["elsewhere"]:
    sys.addaudithook(lift)
try:
    said = namespace["predict_composition"](job["formulas"], name=job["name"])
except Exception as error:
    said = {"error": repr(error)}
sys.stdout.write(json.dumps(said))
"""


def process_id():
    import os

    return os.getpid()


def versions(cache):
    """Folders of whole versions in the cache."""
    return {f for f in cache.iterdir() if f.is_dir() and re.fullmatch("[0-9a-f]{64}", f.name)}


def parts(cache):
    """Folders that are being written, or were when their writer died."""
    return [f for f in cache.glob(".*-*") if f.is_dir()] if cache.exists() else []


def whole(cache):
    """Both halves of a pair are there, unaltered, and nothing else."""
    found = versions(cache)
    return len(found) == 2 and all(artifact_digest(f) == f.name for f in found) and not parts(cache)


def test_a_second_worker_finds_the_versions_there(start, name, proxy, cache):
    start(name).predict(FORMULAS)
    assert whole(cache)
    before = proxy.downloads()
    start(name).predict(FORMULAS)
    assert proxy.downloads() == before


def test_a_worker_killed_while_it_writes_leaves_nothing_that_is_read(
    start, name, proxy, cache, registry
):
    client = start(name)
    doomed = run(client.endpoint, process_id)
    proxy.stall = True
    future = client.submit(FORMULAS)
    until(lambda: [file for part in parts(cache) for file in part.rglob("*") if file.is_file()])
    os.kill(doomed, signal.SIGKILL)
    proxy.stall = False
    answer = future.result()  # sent again, to a new worker
    assert check(answer, registry) == "1"
    assert answer.workers[0]["pid"] != doomed
    assert whole(cache)


@pytest.mark.parametrize("harm", ["truncated", "altered", "disguised", "removed", "added"])
def test_a_cached_file_that_changed_is_noticed_and_fetched_again(
    harm, start, name, proxy, cache, registry
):
    start(name).predict(FORMULAS)
    before = proxy.downloads()
    for folder in versions(cache):
        file = folder / "MLmodel"
        if harm == "truncated":
            os.truncate(file, 10)
        elif harm == "altered":
            file.write_text(file.read_text().replace("python_function", "python_functiom"))
        elif harm == "disguised":  # as long as it was, and as old
            text, times = file.read_bytes(), file.stat()
            file.write_bytes(text.replace(b"python_function", b"python_functiom"))
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        elif harm == "removed":
            file.unlink()
        else:
            (folder / "extra.py").write_text("raise SystemExit")
    assert not whole(cache)
    assert check(start(name).predict(FORMULAS), registry) == "1"
    assert whole(cache)
    assert set((proxy.downloads() - before).values()) == {1}


def test_files_that_did_not_change_are_not_hashed_at_every_load(name, proxy, cache, monkeypatch):
    """A node's workers would otherwise read a gigabyte each before they start."""
    hashed, real = [], hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: hashed.append(1) or real(file, kind)
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
    before = []
    for _ in range(4):
        forget()  # another worker that starts
        assert predict_composition(FORMULAS, name=name)["worker"]["cold"]
        before.append(len(hashed))
    assert before[0] > 0  # as it was downloaded
    assert before[1] == before[2] == before[3]  # and once in its place


@pytest.mark.parametrize("below", ["a file", "/proc"])
def test_a_folder_that_cannot_be_made_gives_a_private_copy_and_a_warning(
    below, start, name, tmp_path, monkeypatch, registry
):
    """Neither takes a folder, from root either."""
    (tmp_path / "a file").touch()
    unusable = str((tmp_path / below).absolute() / "cache")
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", unusable)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client = start(name)
    for _ in range(2):  # warm too
        answer = client.predict(FORMULAS)
        assert check(answer, registry) == "1"
        [warning] = answer.warnings
        assert f"The cache folder {unusable} cannot be used" in warning
    assert list(tmp_path.glob("matminer-compute-*/*")) == []


def test_a_filesystem_that_locks_nothing_is_treated_alike(start, name, cache, registry):
    """What cannot be opened as a lock file stands in the way of locking."""
    start(name).predict(FORMULAS)
    for folder in versions(cache):
        folder.with_suffix(".lock").unlink()
        folder.with_suffix(".lock").mkdir()
        os.truncate(folder / "MLmodel", 10)
    answer = start(name).predict(FORMULAS)
    assert check(answer, registry) == "1"
    [warning] = answer.warnings
    assert f"The cache folder {cache} cannot be used" in warning


def on_a_small_disk(name, proxy, tmp_path, *, limit=4096, elsewhere=False):
    job = {
        "source": inspect.getsource(predict_composition),
        "limit": limit,
        "elsewhere": elsewhere,
        "formulas": FORMULAS,
        "name": name,
    }
    environment = os.environ | {"MLFLOW_TRACKING_URI": proxy.uri, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_machine_code_is_kept_beside_the_versions_not_in_them(
    name, proxy, cache, tmp_path, monkeypatch
):
    monkeypatch.delenv("NUMBA_CACHE_DIR")  # which the tests share
    assert on_a_small_disk(name, proxy, tmp_path, limit=10**9)["warnings"] == []
    assert whole(cache)
    assert list(cache.glob(".compiled/**/*.nbc"))


def test_a_full_cache_gives_a_private_copy_and_a_warning(name, proxy, cache, registry, tmp_path):
    answer = on_a_small_disk(name, proxy, tmp_path, elsewhere=True)
    assert answer["values"] == registry.pairs["1"].values
    [warning] = answer["warnings"]
    assert f"The cache folder {cache} cannot be used (File too large)" in warning
    assert parts(cache) == []
    assert list(tmp_path.glob("matminer-compute-*/*")) == []


def test_no_room_anywhere_has_a_code_of_its_own(name, proxy, cache, tmp_path):
    answer = on_a_small_disk(name, proxy, tmp_path)
    assert "[no-room]" in answer["error"]
    assert str(cache) in answer["error"]
    assert parts(cache) == []


def test_the_versions_longest_unused_are_removed_beyond_the_limit(
    start, name, cache, registry, monkeypatch
):
    def size():
        return sum(f.stat().st_size for v in versions(cache) for f in v.rglob("*") if f.is_file())

    for version in ("1", "2"):
        start(name, version=version).predict(FORMULAS)
    old = versions(cache)
    start(name, version="3").predict(FORMULAS)
    limit = size() - 1  # room for two of the three pairs, and then some
    for folder in versions(cache) - old:
        shutil.rmtree(folder)
    (cache / f".{'0' * 64}-dead").mkdir()
    for folder in [*old, *parts(cache)]:
        os.utime(folder, (1, 1) if folder in old else (0, 0))
    start(name, version="1").predict(FORMULAS)
    used = {folder for folder in old if folder.stat().st_mtime > 1}
    assert len(used) == 2

    monkeypatch.setenv("MATMINER_COMPUTE_CACHE_GB", str(limit / 1e9))
    assert check(start(name, version="3").predict(FORMULAS), registry) == "3"
    assert size() <= limit
    assert used < versions(cache)
    assert not old <= versions(cache)
    assert {note.stem for note in cache.glob("*.hashed")} <= {v.name for v in versions(cache)}
    assert parts(cache) == []

    monkeypatch.setenv("MATMINER_COMPUTE_CACHE_GB", "0.000000001")
    client = start(name, version="2")
    for _ in range(2):
        assert check(client.predict(FORMULAS), registry) == "2"  # loaded is loaded
    assert len(versions(cache)) == 1
