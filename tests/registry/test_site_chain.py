"""Trained, published, promoted, asked, promoted again and rolled back, on both kinds of site."""

import pytest
from waiting import until

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.model import list_versions, promote

from .site import FORMULAS

pytestmark = pytest.mark.slow

KINDS = ["proxied", "direct"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_promotion_reaches_warm_workers_and_a_roll_back_too(kind, enter):
    site = enter(kind)
    with EmbeddedEndpoint(workers=1, registry=site.uri) as endpoint:
        client = CompositionClient(endpoint=endpoint)

        def answered_by(version):
            answer = until(
                lambda: (a := client.predict(FORMULAS)).model["version"] == version and a
            )
            assert not answer.stale
            assert list(answer.rejected) == [4]
            assert answer.warnings == []
            return answer.values.tolist()

        first = answered_by("1")
        promote(2, force=True)
        second = answered_by("2")
        promote(1, force=True)
        assert answered_by("1")[:4] == first[:4] != second[:4]
        workers = {client.predict(FORMULAS).workers[0]["pid"] for _ in range(2)}
        assert len(workers) == 1
    assert [v.aliases for v in list_versions()] == [(), ("Production",)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_fetches_from_s3_itself_gets_what_that_takes(kind, enter):
    site = enter(kind)
    lines = requirements_of(site.uri, "Matminer", "Production").lines
    assert any(line.startswith("boto3==") for line in lines) == (kind == "direct")
    keys = [key for key, _ in site.store.objects() if key.startswith(f"{kind}/")]
    assert any(key.endswith("model.skops") for key in keys)
