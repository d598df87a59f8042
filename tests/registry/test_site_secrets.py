"""What signs in is in no log, artifact, list of requirements, task, answer or process's title."""

import contextlib
from pathlib import Path

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.functions import inspect_worker
from matminer_compute.model.card.store import find

from .conftest import SECRETS
from .site import FORMULAS

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


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_no_secret_is_kept_sent_or_said(kind, enter, sites, cache, postgres, capfd, caplog):
    site, address, signs_in = sites[kind], sites[kind].uri, {}
    if kind == "proxied":  # the password stands in the address
        address = address.replace("//", f"//admin:{SECRETS['admin']}@")
        signs_in = {"MLFLOW_TRACKING_USERNAME": None, "MLFLOW_TRACKING_PASSWORD": None}
    secrets = SECRETS | {
        "key": site.store.key["SecretAccessKey"],
        "session": site.store.session["SessionToken"],
    }
    enter(kind, MLFLOW_TRACKING_URI=address, **signs_in)
    name, version = "Matminer", "1"
    said = [site.trained, requirements_of(address, name, version), find(name, version)]
    with Overheard(workers=1, registry=address) as endpoint:
        client = CompositionClient(endpoint=endpoint, model=name, version=version)
        said += [client.predict(FORMULAS), *endpoint.tasks, *command_lines()]
    assert endpoint.tasks
    healthy = inspect_worker(name=name, version=version)
    assert healthy["load_seconds"] is not None, healthy["registry"]
    nobody = address.replace(address.rpartition(":")[2], "9")
    enter(kind, MLFLOW_TRACKING_URI=nobody, **signs_in)
    failed = inspect_worker(name=name, version=version)
    assert failed["registry"]["error"]
    said += [healthy, failed, caplog.text, *capfd.readouterr()]
    assert [text for text in said if tells(text, secrets)] == []

    folders = [site.server.folder, site.store.folder, postgres.folder, cache]
    kept = {p: p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}
    assert all(any(p.is_relative_to(f) for p in kept) for f in folders)
    stored = dict(site.store.objects())
    assert any(path.startswith(f"{kind}/") for path in stored)
    assert [path for path, content in (kept | stored).items() if tells(content, secrets)] == []
