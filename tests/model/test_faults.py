"""What is said of a registry that cannot be used: one sentence for each fault, and no secret."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from matminer_compute.errors import (
    FileUnusable,
    NoProductionVersion,
    RegistryError,
    RegistryUnreachable,
)
from matminer_compute.functions.worker.faults import registry_fault
from matminer_compute.model import list_versions, promote
from matminer_compute.model import registry as registry_module
from matminer_compute.model.registry import connected
from matminer_compute.registration.address import sqlite_address


class _Answers(BaseHTTPRequestHandler):
    """Answers as the first part of the path says: a status, a page, or a byte at a time."""

    over = threading.Event()

    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind == "trickle":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            while not self.over.wait(0.2):
                self.wfile.write(b" ")
            return
        body = b"<html><title>Sign in</title></html>" if kind == "page" else b"no"
        self.send_response(200 if kind == "page" else int(kind))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def stub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    _Answers.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("401", RegistryError, "does not know you: set MLFLOW_TRACKING_USERNAME"),
        ("403", RegistryError, "does not let you do that: ask its owner"),
        ("404", RegistryError, "has nothing of MLflow's at that address"),
        ("407", RegistryUnreachable, "cannot be reached through the proxy"),
        ("429", RegistryUnreachable, "has received too many requests"),
        ("502", RegistryUnreachable, "is there, but fails"),
        ("page", RegistryError, "answers with a web page.*sign-in page"),
    ],
)
def test_each_answer_of_a_server_has_its_sentence(stub, kind, error, said, caplog):
    with pytest.raises(error, match=said) as caught:
        list_versions(tracking_uri=f"http://me:secret@{stub}/{kind}")
    assert type(caught.value) is error
    assert f"http://{stub}/{kind}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not caplog.records  # nothing of MLflow's stands above the sentence


def test_a_server_that_sends_a_byte_at_a_time_is_not_waited_for(stub, monkeypatch):
    monkeypatch.setattr(registry_module, "_PATIENCE_S", 1.0)
    with pytest.raises(RegistryUnreachable, match="does not answer in time"):
        list_versions(tracking_uri=f"http://{stub}/trickle")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://no-such-host.invalid", "has a host name that nothing answers to"),
        ("postgresql+psycopg2://me:secret@127.0.0.1/db", "pip install 'psycopg2-binary'"),
        ("mysql://me:secret@127.0.0.1/db", "pip install 'mysqlclient'"),
        ("file:///tmp/mlruns", "is a folder of files, which MLflow keeps no registry in"),
        ("ftp://me:secret@host/x", "is of a kind that MLflow has no registry for"),
        ("http://me:sec/ret@host", "percent-encoded"),
        ("http://me:secret@host:none", "cannot be read"),
    ],
)
def test_each_wrong_address_has_its_sentence(uri, said):
    with pytest.raises(RegistryError, match=said) as caught:
        list_versions(tracking_uri=uri)
    assert "sec" not in str(caught.value).replace("MLFLOW_TRACKING_PASSWORD", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_proxy_that_is_away(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(RegistryUnreachable, match="through the proxy: mend HTTP_PROXY"):
        list_versions(tracking_uri="http://registry.example")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]", "full"),
        ("[Errno 28] No space left on device: '/data/x'", "full"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "read-only"),
        ("(sqlite3.OperationalError) database is locked", "locked"),
        ('FATAL: password authentication failed for user "me"', "sign-in"),
    ],
)
def test_faults_that_are_hard_to_make(message, kind):
    assert registry_fault(OSError(message)).kind == kind


def test_a_locked_database_is_said_to_be_locked(own_registry, monkeypatch):
    monkeypatch.setattr("matminer_compute.model.databases._LOCK_WAIT_S", 0.1)
    with closing(sqlite3.connect(own_registry.folder / "registry.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryUnreachable, match="is locked by another process"):
            list_versions(tracking_uri=own_registry.uri)


def test_a_database_of_another_mlflow(own_registry):
    with closing(sqlite3.connect(own_registry.folder / "registry.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'deadbeef0000'")
        database.commit()
    with pytest.raises(RegistryError, match=r"another version of MLflow.*mlflow db upgrade"):
        list_versions(tracking_uri=own_registry.uri)


def test_a_database_of_something_else_stays_as_it_is(tmp_path):
    path = tmp_path / "books.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE books (title TEXT)")
    before = path.read_bytes()
    for create in (False, True):
        with (
            pytest.raises(RegistryError, match=r"not one of MLflow's \(it has books\)"),
            connected(sqlite_address(path), create=create),
        ):
            pass
    assert path.read_bytes() == before


def test_a_mistyped_path_makes_no_registry(tmp_path):
    uri = sqlite_address(tmp_path / "regstry.db")
    for read in (list_versions, promote):
        with pytest.raises(NoProductionVersion, match=r"no registry at .*regstry\.db"):
            read(tracking_uri=uri)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b#ä", "100%"])
def test_writing_and_reading_meet_in_the_same_folder(tmp_path, name):
    path = tmp_path / name / "registry.db"
    with connected(sqlite_address(path), create=True) as client:
        client.create_registered_model("here")
        default = client.get_experiment("0").artifact_location
        assert default == (path.parent / "artifacts" / "0").as_uri()
    with connected(sqlite_address(path)) as client:
        assert [m.name for m in client.search_registered_models()] == ["here"]
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert [p.name for p in path.parent.iterdir()] == ["registry.db"]


@pytest.mark.parametrize("name", ["a?b", "a%41b", "a%20b"])
def test_a_folder_that_would_be_read_as_another_is_refused(tmp_path, name, monkeypatch):
    from matminer_compute.endpoint import registry_uri

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / name))
    with pytest.raises(RegistryError, match="choose another folder"):
        registry_uri()


def test_a_data_folder_that_cannot_be_made(tmp_path, monkeypatch):
    from matminer_compute.endpoint import registry_uri

    (tmp_path / "file").write_text("in the way")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(FileUnusable, match=r"cannot be made.*set XDG_DATA_HOME"):
        registry_uri()


def test_two_processes_make_one_registry(tmp_path):
    """Both begin at once; each registers a model, and neither's is lost."""
    code = (
        "import sys; from matminer_compute.model.registry import connected\n"
        "with connected(sys.argv[1], create=True) as client:\n"
        "    client.create_registered_model(sys.argv[2])"
    )
    uri = sqlite_address(tmp_path / "new" / "registry.db")
    both = [
        subprocess.Popen([sys.executable, "-c", code, uri, name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for process in both:
        _, said = process.communicate()
        assert (process.returncode, said) == (0, "")
    names = {m.name for m in MlflowClient(uri).search_registered_models()}
    assert names == {"one", "two"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["registry.db"]


def test_a_registry_whose_files_were_moved(own_registry, tmp_path):
    """Its database says where they were; nothing is written there, and the sentence mends it."""
    gone = tmp_path / "gone" / "artifacts"
    with closing(sqlite3.connect(own_registry.folder / "registry.db")) as database:
        old = (Path(own_registry.trained.registry.removeprefix("sqlite:///")).parent).as_uri()
        for table, column in (
            ("experiments", "artifact_location"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (f"{old}/artifacts", gone.as_uri()),
            )
        database.commit()
    with pytest.raises(RegistryError, match=r"are not in .*gone/artifacts.*ln -s"):
        promote(tracking_uri=own_registry.uri)
    with connected(own_registry.uri) as client, pytest.raises(RegistryError, match="it was moved"):
        registry_module.refuse_moved(client)
    assert not gone.exists()


def test_a_folder_is_no_database(tmp_path):
    """MLflow itself would try for 101 seconds to open it."""
    with pytest.raises(RegistryError, match="cannot be opened"):
        list_versions(tracking_uri=sqlite_address(tmp_path))
