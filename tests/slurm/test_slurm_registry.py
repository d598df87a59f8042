"""A registry as sites have it, behind Slurm: published, promoted, rolled back, no secret told."""

from dataclasses import replace

import pytest
from registry.conftest import cache, enter, postgres, sites, store  # noqa: F401  fixtures
from registry.planted import command_lines, telling, telling_files
from registry.site import SMALL, new_name, promoted_and_rolled_back

from matminer_compute.client import CompositionClient
from matminer_compute.errors import NoProductionVersion
from matminer_compute.model import train

pytestmark = pytest.mark.slow


def test_the_whole_chain_and_no_secret_in_it(
    start,
    cluster,
    sites,  # noqa: F811
    enter,  # noqa: F811
    tmp_path,
    capfd,
    caplog,
):
    site, name = sites["proxied"], new_name()
    # The agent starts before we become a publisher: what its workers know, worker_init.sh says.
    exports = site.environment | {"MATMINER_COMPUTE_REFRESH_S": "0.2"}
    endpoint = start(site.uri, exports, max_blocks=1, max_workers_per_node=1)
    enter("proxied")
    published = [train(replace(SMALL, name=name, seed=seed)) for seed in (0, 1)]
    with CompositionClient(endpoint.bundle, endpoint.tasks, model=name) as client:
        with pytest.raises(NoProductionVersion) as refused:
            client.predict(["NaCl"])
        answers = promoted_and_rolled_back(client, name)

    said = [*published, refused.value, *answers, endpoint.bundle, cluster.control("show", "jobs")]
    said += [*command_lines(), *vars(endpoint.agent.service).values()]
    said += [*capfd.readouterr(), caplog.text]
    assert telling(said, site) == []
    (node,) = {path for path in tmp_path.glob("cache-*") if any(path.iterdir())}
    kept = telling_files([endpoint.agent.folder, cluster.folder, node, site.server.folder], site)
    # Nobody else may read it, and it is not sent.
    (script,) = kept
    assert (script.name, script.stat().st_mode & 0o077) == ("worker_init.sh", 0)
