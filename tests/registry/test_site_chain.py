"""Trained, published, promoted, asked, promoted again and rolled back."""

from dataclasses import replace

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.environment import requirements_of
from matminer_compute.model import list_versions, promote, train

from .site import FORMULAS, SMALL

pytestmark = pytest.mark.slow


def test_a_promotion_reaches_warm_workers_and_a_roll_back_too(enter):
    site = enter("proxied")
    train(replace(SMALL, seed=1))
    with EmbeddedEndpoint(workers=1, registry=site.uri) as endpoint:
        client = CompositionClient(endpoint=endpoint)

        def answered_by(version):
            answer = client.predict(FORMULAS)
            while answer.model["version"] != version:  # as long as pytest-timeout lets it
                answer = client.predict(FORMULAS)
            assert not answer.stale
            assert list(answer.rejected) == [4]
            assert answer.warnings == []
            return answer

        first = answered_by("1")
        promote(2, force=True)
        second = answered_by("2")
        promote(1, force=True)
        third = answered_by("1")
    assert third.values[:4].tolist() == first.values[:4].tolist() != second.values[:4].tolist()
    assert first.workers[0]["pid"] == second.workers[0]["pid"] == third.workers[0]["pid"]
    assert [v.aliases for v in list_versions()] == [(), ("Production",)]


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_a_worker_that_fetches_from_s3_itself_gets_what_that_takes(kind, enter):
    site = enter(kind)
    lines = requirements_of(site.uri, "Matminer", "Production").lines
    assert any(line.startswith("boto3==") for line in lines) == (kind == "direct")
    keys = [key for key, _ in site.store.objects() if key.startswith(f"{kind}/")]
    assert any(key.endswith("model.skops") for key in keys)
