"""Each fault of an artifact store has its own sentence, keeps no half, and is over when it is."""

import sys
from dataclasses import replace

import pytest
from worker.test_node_cache import whole

from matminer_compute.errors import RegistryError
from matminer_compute.functions import predict_composition
from matminer_compute.model import train

from .site import FORMULAS, SMALL, new_name

pytestmark = pytest.mark.slow


def refused(said):
    """A cold worker fails with that sentence."""
    with pytest.raises(RuntimeError, match=said) as caught:
        predict_composition(FORMULAS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, r"\[registry-refused\].*does not know the key"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, r"\[registry-refused\].*does not know the key"),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            r"\[registry-refused\].*wants a key, and none is set",
        ),
        (
            {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"},
            r"\[registry-unreachable\].*store of .*does not answer: check MLFLOW_S3_ENDPOINT",
        ),
        ({"MLFLOW_TRACKING_TOKEN": "wrong"}, r"\[registry-refused\].*does not know you"),
    ],
)
def test_what_is_set_wrong_is_said(variables, said, enter):
    enter("direct", **variables)
    assert "wrong" not in refused(said)


def test_a_wrong_password_is_said(enter):
    enter("proxied", MLFLOW_TRACKING_PASSWORD="wrong-word")
    assert "wrong-word" not in refused(r"\[registry-refused\].*does not know you")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "ExpiredToken", "says that the token has expired"),
        (404, "NoSuchBucket", "does not have the bucket"),
        (403, "AccessDenied", "does not let this key do that"),
        (503, "SlowDown", "is there, but fails"),
    ],
)
def test_what_the_store_refuses_is_said(status, code, said, enter, cache):
    site = enter("direct")
    site.store.gate.refuse(status, code)
    refused(f"artifact store of the registry .*{said}")
    site.store.gate.reset()
    assert predict_composition(FORMULAS)["model"]["version"] == "1"
    assert whole(cache)


def test_keys_with_a_token_are_taken_and_a_wrong_token_is_said(enter):
    site = enter("direct")
    enter("direct", **site.store.with_token)
    assert predict_composition(FORMULAS)["model"]["version"] == "1"


def test_a_wrong_token_is_said(enter):
    site = enter("direct")
    enter("direct", **site.store.with_token | {"AWS_SESSION_TOKEN": "wrong"})
    refused("says that the token has expired")


def test_a_worker_without_boto3_is_told_to_get_it(enter, monkeypatch):
    enter("direct")
    monkeypatch.setitem(sys.modules, "boto3", None)
    refused(r"artifact store .*pip install 'boto3'")


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_a_store_that_goes_in_mid_download_leaves_no_half(kind, enter, cache):
    site = enter(kind, MLFLOW_HTTP_REQUEST_TIMEOUT="3")
    site.store.gate.cut = True
    refused(
        r"\[registry-unreachable\].*(hung up|does not answer|sends nothing|fails the registry's)"
    )
    assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]
    site.store.gate.reset()
    assert predict_composition(FORMULAS)["model"]["version"] == "1"
    assert whole(cache)


@pytest.mark.parametrize("kind", ["proxied", "direct"])
def test_a_store_that_fails_while_a_model_is_published_leaves_no_version(kind, enter):
    site = enter(kind, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    name = new_name()
    site.store.gate.refuse(403, "AccessDenied", only="skops")
    # A server that is failed before it has read a file may hang up on who sends it.
    says = "artifact store .*bucket" if kind == "direct" else "artifact store|hung up on a file"
    with pytest.raises(RegistryError, match=rf"({says}).*Nothing was published\.$"):
        train(replace(SMALL, name=name))
    assert site.versions(name) == 0


def test_a_registry_that_fails_between_the_halves_leaves_neither(enter):
    site = enter("direct")
    name = new_name()
    site.gate.answer = (403, b"no")
    site.gate.refuses = lambda method, path, body: (
        path.endswith("model-versions/create") and f'"{name}"'.encode() in body
    )
    with pytest.raises(RegistryError, match=r"Nothing was published\.$"):
        train(replace(SMALL, name=name))
    assert site.versions(name) == 0
