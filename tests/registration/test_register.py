"""Registering functions, and the bundle that remembers it."""

import json
import subprocess
import sys

import pytest

from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.errors import BundleError, EndpointUnavailable
from matminer_compute.registration import FUNCTIONS, Bundle, check, register


@pytest.fixture
def endpoint():
    with EmbeddedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bundle.json"


class Counting:
    """A registrar that hands on to the embedded endpoint, and can lose its connection."""

    def __init__(self, endpoint, fails_after=None):
        self.endpoint, self.fails_after, self.names = endpoint, fails_after, []

    def register_function(self, function, description=None, *, public=False, group=None):
        if len(self.names) == self.fails_after:
            raise ConnectionError("the network went away")
        self.names.append(function.__name__)
        return self.endpoint.register_function(function, description, public, group)


def test_all_functions_are_registered_and_can_be_found_by_name(endpoint, path):
    bundle = register(endpoint, path)
    assert set(bundle.functions) == {
        "featurize_composition",
        "predict",
        "predict_composition",
        "inspect_worker",
    }
    assert Bundle.load(path) == bundle
    assert bundle.function_id("predict") == bundle.functions["predict"].id
    with pytest.raises(BundleError, match="no function 'nothing'"):
        bundle.function_id("nothing")


def test_registering_twice_changes_nothing(endpoint, path):
    register(endpoint, path)
    before = path.read_bytes()
    second = Counting(endpoint)
    register(second, path)
    assert second.names == []
    assert path.read_bytes() == before


def test_a_changed_function_gets_a_new_id_and_the_old_one_is_remembered(endpoint, path):
    bundle = register(endpoint, path)
    old = bundle.functions["predict"].model_copy(update={"sha256": "0" * 64, "id": "an-old-id"})
    bundle.functions["predict"] = old
    bundle.save(path)
    registrar = Counting(endpoint)
    again = register(registrar, path)
    assert registrar.names == ["predict"]
    assert again.history == [old]
    assert again.functions["predict"].id != "an-old-id"


def test_another_audience_registers_anew(endpoint, path):
    register(endpoint, path)
    registrar = Counting(endpoint)
    assert register(registrar, path, public=True).public
    assert len(registrar.names) == len(FUNCTIONS)


def test_check_passes_after_registering_and_names_what_drifted(endpoint, path):
    bundle = register(endpoint, path)
    assert check(path) == bundle
    bundle.functions["predict"] = bundle.functions["predict"].model_copy(
        update={"sha256": "0" * 64}
    )
    del bundle.functions["inspect_worker"]
    bundle.save(path)
    with pytest.raises(BundleError, match="drifted from the source of predict, inspect_worker"):
        check(path)


def test_a_failure_half_way_loses_no_id(endpoint, path):
    with pytest.raises(EndpointUnavailable, match="try again"):
        register(Counting(endpoint, fails_after=2), path)
    assert len(Bundle.load(path).functions) == 2
    rest = Counting(endpoint)
    register(rest, path)
    assert len(rest.names) == len(FUNCTIONS) - 2


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"format": 2}', '{"unknown": 1}'])
def test_a_file_that_is_no_bundle_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(BundleError, match="register again"):
        Bundle.load(path)


def test_a_missing_bundle_says_how_to_get_one(path):
    with pytest.raises(BundleError, match="matminer-compute register"):
        Bundle.load(path)


def test_the_endpoint_configuration_names_every_function_and_bars_pickle(endpoint, path):
    text = register(endpoint, path).endpoint_configuration()
    for function in Bundle.load(path).functions.values():
        assert f"- {function.id}  # {function.name}" in text
    assert "PureSourceTextInspect" in text
    assert "JSONData" in text
    assert "dill" not in text.lower()


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "matminer_compute.registration", *arguments],
        capture_output=True,
        text=True,
    )


def test_the_script_checks_a_bundle(endpoint, path):
    register(endpoint, path)
    done = run_script("--check", "-o", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    path.write_text(json.dumps({"format": 1}))
    done = run_script("--check", "-o", str(path))
    assert done.returncode == 1
    assert "drifted" in done.stderr
    assert "Traceback" not in done.stderr
