"""What signs in is in no log, artifact, list of requirements, task, answer or process's title."""

from dataclasses import replace

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.functions import inspect_worker
from matminer_compute.model import train
from matminer_compute.model.card.store import find

from .planted import SECRETS, command_lines, telling, telling_files
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


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_no_secret_is_kept_sent_or_said(kind, enter, sites, cache, postgres, capfd, caplog):
    site, address, signs_in = sites[kind], sites[kind].uri, {}
    if kind == "proxied":  # the password stands in the address
        address = address.replace("//", f"//admin:{SECRETS['admin']}@")
        signs_in = {"MLFLOW_TRACKING_USERNAME": None, "MLFLOW_TRACKING_PASSWORD": None}
    enter(kind, MLFLOW_TRACKING_URI=address, **signs_in)
    name, version = "Matminer", "1"
    published = train(replace(SMALL, name=new_name()))
    said = [published, requirements_of(address, name, version), find(name, version)]
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
    assert telling(said, site) == []

    folders = [site.server.folder, site.store.folder, postgres.folder, cache]
    assert telling_files(folders, site) == []
    stored = dict(site.store.objects())
    assert any(path.startswith(f"{kind}/") for path in stored)
    assert telling(stored.values(), site) == []
