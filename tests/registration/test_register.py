"""Registering functions, and the bundle that remembers it."""

import json
import uuid

import pytest

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.errors import BundleError, EndpointUnavailable, FileUnusable
from matminer_compute.registration import FUNCTIONS, Bundle, check, register


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bundle.json"


class Counting:
    """A registrar that says nothing of whose ids it gives out, and can lose its connection."""

    def __init__(self, endpoint, fails_after=None):
        self.endpoint, self.fails_after, self.names = endpoint, fails_after, []

    def register_function(self, function, description=None, *, public=False, group=None):
        if len(self.names) == self.fails_after:
            raise ConnectionError("the network went away")
        self.names.append(function.__name__)
        return self.endpoint.register_function(function, description, public=public, group=group)


@pytest.fixture
def embedded():
    with EmbeddedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(embedded):
    """Stands in for the service: the ids it gives out are not marked as an embedded endpoint's."""
    return Counting(embedded)


def test_all_functions_are_registered_and_can_be_found_by_name(endpoint, path):
    bundle = register(endpoint, path)
    assert set(bundle.functions) == {
        "featurize_composition",
        "predict",
        "predict_composition",
        "screen_space",
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
    older = {"sha256": "0" * 64, "id": str(uuid.uuid4())}
    old = bundle.functions["predict"].model_copy(update=older)
    bundle.functions["predict"] = old
    bundle.save(path)
    registrar = Counting(endpoint)
    again = register(registrar, path)
    assert registrar.names == ["predict"]
    assert again.history == [old]
    assert again.functions["predict"].id != old.id


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "an-id"),
        ("id", ""),
        ("name", "x\npublic: true\ndisplay_name: another"),
        ("name", "predict\n"),
        ("name", "1st"),
        ("name", ""),
    ],
)
def test_what_would_break_an_endpoints_configuration_is_no_bundle(field, value, endpoint, path):
    register(endpoint, path)
    text = json.loads(path.read_text())
    text["functions"]["predict"][field] = value
    path.write_text(json.dumps(text))
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_bundle_is_read_however_an_editor_saved_it(endpoint, path, encoding):
    bundle = register(endpoint, path)
    path.write_text(path.read_text(), encoding=encoding)
    assert Bundle.load(path) == bundle


@pytest.mark.parametrize("data", [b"\xff", b"\x80{}", b"[" * 100_000])
def test_bytes_that_are_no_text_and_no_json_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(BundleError, match="register again"):
        Bundle.load(path)


def test_a_bundle_says_whose_ids_it_holds(embedded, path):
    assert register(embedded, path).service == "embedded"
    with pytest.raises(BundleError, match="bundle of the embedded endpoint"):
        check(path)
    with pytest.raises(BundleError, match="bundle of the embedded endpoint"):
        CompositionClient(path, uuid.uuid4())
    with pytest.raises(BundleError, match="name another file"):
        register(Counting(embedded), path)
    assert Bundle.load(path).service == "embedded"


def test_a_place_that_cannot_be_written_is_found_before_anything_is_registered(endpoint, tmp_path):
    (tmp_path / "a file").touch()
    for place in ("nowhere/bundle.json", "a file/bundle.json", "."):
        with pytest.raises(FileUnusable, match="cannot be written"):
            register(endpoint, tmp_path / place)
    with pytest.raises(FileUnusable, match="it is not a file"):
        Bundle().save("/dev/full")
    assert endpoint.names == []
    assert [file.name for file in tmp_path.iterdir()] == ["a file"]


def test_a_bundle_behind_a_link_is_written_where_the_link_leads(endpoint, tmp_path, path):
    path.symlink_to(tmp_path / "real.json")
    register(endpoint, path)
    assert path.is_symlink()
    assert Bundle.load(tmp_path / "real.json").functions


def test_a_group_that_is_none_is_refused_before_anything_is_registered(endpoint, path):
    with pytest.raises(ValueError, match="UUID"):
        register(endpoint, path, group="banana")
    assert endpoint.names == []
    group = str(uuid.uuid4())
    assert register(endpoint, path, group=group).group == group
