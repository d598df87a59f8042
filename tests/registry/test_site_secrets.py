"""What signs in is in no log, artifact, list of requirements, task, answer or process's title."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.functions import inspect_worker
from matminer_compute.model import train
from matminer_compute.model.card.store import find

from .conftest import SECRETS
from .site import FORMULAS, SMALL, new_name

pytestmark = pytest.mark.slow


class Overheard(EmbeddedEndpoint):
    """An endpoint that keeps the tasks it was sent."""

    def __init__(self, **options):
        super().__init__(**options)
        self.tasks = []

    def submit_to_registered_function(self, function_id, args=None, kwargs=None):
        self.tasks.append((self._functions[function_id], args, kwargs))
        return super().submit_to_registered_function(function_id, args, kwargs)


def tells(said, secrets):
    """Whether any of the secrets is in what was said."""
    content = said if isinstance(said, bytes) else str(said).encode()
    return any(secret.encode() in content for secret in secrets.values())


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield path.read_bytes()


@pytest.mark.parametrize("way", ["password", "password in the address", "token and key"])
def test_no_secret_is_kept_sent_or_said(way, enter, sites, cache, postgres, capfd, caplog):
    kind = "direct" if way == "token and key" else "proxied"
    site, signs_in = sites[kind], {}
    if way == "password in the address":
        address = site.uri.replace("//", f"//admin:{SECRETS['admin']}@")
        signs_in = {"MLFLOW_TRACKING_USERNAME": None, "MLFLOW_TRACKING_PASSWORD": None}
    else:
        address = site.uri
    secrets = SECRETS | {
        "key": site.store.key["SecretAccessKey"],
        "session": site.store.session["SessionToken"],
    }
    enter(kind, MLFLOW_TRACKING_URI=address, **signs_in)
    name = new_name()
    said = [train(replace(SMALL, name=name)), requirements_of(address, name, "1"), find(name, "1")]
    with Overheard(workers=1, registry=address) as endpoint:
        client = CompositionClient(endpoint=endpoint, model=name, version="1")
        said += [client.predict(FORMULAS), *endpoint.tasks, *command_lines()]
    assert endpoint.tasks
    healthy = inspect_worker(name=name, version="1")
    assert healthy["load_seconds"] is not None, healthy["registry"]
    nobody = address.replace(address.rpartition(":")[2], "9")
    enter(kind, MLFLOW_TRACKING_URI=nobody, **signs_in)
    failed = inspect_worker(name=name, version="1")
    assert failed["registry"]["error"]
    said += [healthy, failed, caplog.text, *capfd.readouterr()]
    assert [text for text in said if tells(text, secrets)] == []

    folders = [site.server.folder, site.store.folder, postgres.folder, cache]
    kept = {p: p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}
    assert all(any(p.is_relative_to(f) for p in kept) for f in folders)
    stored = dict(site.store.objects())
    assert any(path.startswith(f"{kind}/") for path in stored)
    assert [path for path, content in (kept | stored).items() if tells(content, secrets)] == []
