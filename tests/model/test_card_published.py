"""What a publisher adds to a card, and what is made of both for DataCite and for Garden."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from datacite import schema45
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from matminer_compute.errors import BundleError, CardError, FileUnusable
from matminer_compute.model.card.authors import Author, Authors, read_authors
from matminer_compute.model.card.datacite import datacite
from matminer_compute.model.card.garden import garden
from matminer_compute.model.card.store import find
from matminer_compute.registration import Bundle, register

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "authors.yaml"
SCHEMAS = Path(__file__).parent / "garden-ai-3.2.3.json"
LEAST = {"authors": [{"family": "Ward", "given": "Logan"}], "publisher": "Garden", "year": 2022}


def uuid_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


@pytest.fixture(scope="module")
def card(registry):
    return find(tracking_uri=registry.uri).card


@pytest.fixture(scope="module")
def bare(card):
    """A card of which nothing is known, as of a model that was trained elsewhere."""
    nothing = dict.fromkeys(("data", "protocol", "errors", "domain", "features"))
    return card.model_copy(update={**nothing, "software": {}, "limits": (), "run_id": ""})


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "authors.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return written


@pytest.fixture
def bundle(tmp_path):
    class Service:
        def register_function(self, function, description=None, *, public=False, group=None):
            return uuid_of(function.__name__)

    return register(Service(), tmp_path / "bundle.json")


def test_the_example_of_the_documentation_can_be_read():
    authors = read_authors(EXAMPLE)
    assert [author.name for author in authors.authors] == ["Carberry, Josiah"]
    assert authors.authors[0].orcid == "0000-0002-1825-0097"
    assert authors.year == "2026"
    assert set(yaml.safe_load(EXAMPLE.read_text())) <= set(Authors.model_fields)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"authors": []}, "authors is empty: name whoever made the model"),
        ({"authors": None}, "authors cannot be used"),
        ({"publisher": None}, "publisher cannot be used"),
        ({"publisher": " "}, "publisher "),
        ({"year": 22}, "year is not written as it should be ('22')"),
        ({"year": "soon"}, "year is not written as it should be ('soon')"),
        ({"doi": "10.1/x"}, "doi is not a DOI"),
        ({"url": "example.org"}, "url is not written as it should be"),
        ({"authours": []}, "authours is not a field of this file"),
        ({"authors": [{"family": "Ward"}]}, "authors, number 1: given is missing"),
        (
            {"contributors": [{"family": "A", "given": "B"}, {"given": "C"}]},
            "contributors, number 2: family is missing",
        ),
        (
            {"contributors": [{"family": "A", "given": "B", "role": "Boss"}]},
            "contributors, number 1: role cannot be used",
        ),
        (
            {"authors": [{"family": "A", "given": "B", "orcid": "0000-0002-1825-0098"}]},
            "orcid is mistyped: its last character is not the check digit",
        ),
        (
            {"authors": [{"family": "A", "given": "B", "orcid": "0000"}]},
            "orcid is no ORCID iD",
        ),
    ],
)
def test_a_field_that_cannot_be_used_is_named(write, change, sentence):
    path = write(LEAST | change)
    with pytest.raises(CardError) as caught:
        read_authors(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["authors", "publisher", "year"])
def test_a_field_that_is_missing_is_named(write, field):
    with pytest.raises(CardError, match=f": {field} is missing"):
        read_authors(write({name: value for name, value in LEAST.items() if name != field}))


@pytest.mark.parametrize(
    "content", ["", "[1]", "just text", "a: [1", "\t", "!!python/object:os.system {}", "a: *b"]
)
def test_what_is_no_such_file_is_one_sentence(write, content):
    with pytest.raises(CardError) as caught:
        read_authors(write(content))
    assert "authors" in str(caught.value)
    with pytest.raises(FileUnusable, match=r"nowhere\.yaml cannot be read"):
        read_authors("nowhere.yaml")


@given(st.lists(st.integers(0, 9), min_size=15, max_size=15), st.data())
def test_an_orcid_is_taken_with_its_own_check_digit_alone(digits, data):
    """ISO 7064 MOD 11-2: with the check, the digits times their powers of two are 1 modulo 11."""
    weighted = sum(digit * 2 ** (15 - at) for at, digit in enumerate(digits))
    check = next(c for c in range(11) if (weighted + c) % 11 == 1)
    good = "".join(map(str, digits)) + ("X" if check == 10 else str(check))
    author = Author(family="A", given="B", orcid=f"https://orcid.org/{good}")
    assert author.orcid.replace("-", "") == good
    at = data.draw(st.integers(0, 14))
    other = data.draw(st.integers(0, 9).filter(lambda digit: digit != digits[at]))
    with pytest.raises(ValueError, match="mistyped"):
        Author(family="A", given="B", orcid=good[:at] + str(other) + good[at + 1 :])


def test_datacite_takes_it(card, bare, write):
    for authors in (read_authors(EXAMPLE), read_authors(write(LEAST))):
        for each in (card, bare):
            metadata = datacite(each, authors)
            assert [error.message for error in schema45.validator.iter_errors(metadata)] == []
    metadata = datacite(card, read_authors(EXAMPLE))
    xml = schema45.tostring(metadata)
    for said in ("10.5072/example", "0000-0002-1825-0097", "Brown University", "eV/atom"):
        assert said in xml
    related = {each["relatedIdentifier"] for each in metadata["relatedIdentifiers"]}
    assert {"10.1016/j.commatsci.2018.05.018", "10.1063/1.4812323"} <= related
    assert not any(doi.endswith((".", ";")) for doi in related)
    assert metadata["descriptions"][1]["description"] == " ".join(card.limits)


def test_garden_takes_it(card, bare, write, bundle):
    """By the client's models; the slow test below asks the client itself."""
    schemas = json.loads(SCHEMAS.read_text())
    full, least = read_authors(EXAMPLE), read_authors(write(LEAST))
    for authors, model in ((full, "GardenMetadata"), (least, "GardenCreateRequest")):
        for each in (card, bare):
            metadata = garden(each, authors, bundle)
            assert faults(metadata, model, schemas) == []
            for function in metadata["functions"]:
                assert faults(function, "HpcFunctionCreateRequest", schemas) == []
    assert "'doi' is a required property" in faults(metadata, "GardenMetadata", schemas)
    assert "'title' is a required property" in faults({}, "GardenCreateRequest", schemas)


def faults(value, model, schemas):
    schema = {**schemas["$defs"][model], "$defs": schemas["$defs"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def test_it_has_what_the_original_published(card, bundle):
    """https://github.com/Garden-AI/matminer-example/blob/main/metadata.json, and its steps."""
    metadata = garden(card, read_authors(EXAMPLE), bundle)
    original = {"authors", "contributors", "title", "doi", "description", "publisher", "year"}
    assert original | {"language", "tags", "version"} <= set(metadata)
    assert metadata["authors"] == ["Carberry, Josiah"]
    assert metadata["contributors"] == ["Stein, Gertrude"]
    assert "formation energy per atom (eV/atom)" in metadata["description"]
    featurize, predict = metadata["steps"]
    assert featurize["uuid"] == uuid_of("featurize_composition")
    assert featurize["signature"].startswith("featurize_composition(formulas: list[str], *")
    assert predict["signature"].endswith("-> dict")
    assert predict["sha256"] == bundle.functions["predict"].sha256
    assert all("uuid" not in step for step in garden(card, read_authors(EXAMPLE))["steps"])
    with pytest.raises(BundleError, match="no function 'featurize_composition'"):
        garden(card, read_authors(EXAMPLE), Bundle())


def test_each_function_passes_the_test_that_goes_with_it(card, registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    ran = []
    for function in garden(card, read_authors(EXAMPLE))["functions"]:
        for test in function["test_functions"]:
            space = {}
            exec(function["function_text"], space)
            exec(test, space)
            space[f"test_{function['function_name']}"]()
            ran.append(function["function_name"])
    assert ran == ["featurize_composition", "predict_composition"]


ASKED = """
import json, sys
from garden_ai.hpc.groundhog import load_function_from_source
from garden_ai.schemas.garden import GardenCreateRequest, GardenMetadata
from garden_ai.schemas.groundhog import HpcFunctionCreateRequest

whole = json.load(open(sys.argv[1]))
models = {m.__name__: m for m in (GardenCreateRequest, GardenMetadata, HpcFunctionCreateRequest)}
assert GardenMetadata(**whole).doi == whole["doi"]
assert GardenCreateRequest(**whole).title == whole["title"]
for function in whole["functions"]:
    request = HpcFunctionCreateRequest(**function)
    assert callable(load_function_from_source(request.function_text, request.function_name))
fields = {name: sorted(model.model_fields) for name, model in models.items()}
required = {
    name: sorted(f for f, about in model.model_fields.items() if about.is_required())
    for name, model in models.items()
}
print(json.dumps([fields, required]))
"""


@pytest.mark.slow
def test_gardens_own_client_takes_it(card, bundle, tmp_path):
    """In an environment of its own: it needs click below 8.2, IPython below 8.13, globus-sdk 3."""
    whole = tmp_path / "metadata.json"
    whole.write_text(json.dumps(garden(card, read_authors(EXAMPLE), bundle)), encoding="utf-8")
    uv = [sys.executable, "-m", "uv"]
    python = tmp_path / "environment" / "bin" / "python"
    version = SCHEMAS.stem.removeprefix("garden-ai-")
    for command in (
        [*uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])],
        [*uv, "pip", "install", "-q", "--python", str(python), f"garden-ai=={version}"],
        [str(python), "-W", "ignore", "-c", ASKED, str(whole)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    fields, required = json.loads(done.stdout.splitlines()[-1])
    schemas = json.loads(SCHEMAS.read_text())["$defs"]
    assert fields == {name: sorted(schemas[name]["properties"]) for name in fields}
    assert required == {name: sorted(schemas[name].get("required", [])) for name in required}
