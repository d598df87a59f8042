"""Trained, published, promoted, asked, promoted again and rolled back."""

from dataclasses import replace

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.model import list_versions, train

from .site import SMALL, new_name, promoted_and_rolled_back

pytestmark = pytest.mark.slow


def test_a_promotion_reaches_warm_workers_and_a_roll_back_too(enter):
    site, name = enter("proxied"), new_name()
    for seed in (0, 1):
        train(replace(SMALL, name=name, seed=seed))
    with EmbeddedEndpoint(workers=1, registry=site.uri) as endpoint:
        promoted_and_rolled_back(CompositionClient(endpoint=endpoint, model=name), name)
    assert [v.aliases for v in list_versions(name)] == [(), ("Production",)]


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_a_worker_that_fetches_from_s3_itself_gets_what_that_takes(kind, enter):
    site = enter(kind)
    lines = requirements_of(site.uri, "Matminer", "Production").lines
    assert any(line.startswith("boto3==") for line in lines) == (kind == "direct")
    keys = [key for key, _ in site.store.objects() if key.startswith(f"{kind}/")]
    assert any(key.endswith("model.skops") for key in keys)
