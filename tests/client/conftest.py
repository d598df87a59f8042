"""Fixtures of the caller's tests."""

import pytest

from matminer_compute.endpoint import EmbeddedEndpoint


@pytest.fixture(scope="module")
def endpoint(registry, tmp_path_factory):
    """A pool of two workers on the shared registry."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATMINER_COMPUTE_CACHE", str(cache))
        with EmbeddedEndpoint("processes", workers=2, registry=registry.uri) as endpoint:
            yield endpoint
