"""Describing a version, as a chemist reads it and as a repository takes it."""

import json
import re
import shutil
import uuid
from pathlib import Path

import pytest
from browser import look
from datacite import schema45

from matminer_compute.registration import Bundle, register

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTED = (DOCS / "describe.md").read_text(encoding="utf-8")
EXAMPLE = str(DOCS / "authors.yaml")
PHONE, DESK = 390, 1200


def uuid_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


@pytest.fixture
def bundle(tmp_path):
    class Service:
        def register_function(self, function, description=None, *, public=False, group=None):
            return uuid_of(function.__name__)

    register(Service(), tmp_path / "bundle.json")
    return tmp_path / "bundle.json"


def test_a_reader_sees_how_good_it_is_on_what_and_where_it_fails(run, registry):
    done = run("describe")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# Matminer version 1: formation energy per atom from comp")
    (version,) = json.loads(run("model", "list", "--json").stdout)["versions"]
    assert f"| all | 300 | {version['metrics']['MAE']:.3f} |" in done.stdout
    assert re.findall(r"^## (.*)$", done.stdout, re.MULTILINE) == [
        "Errors",
        "Intervals",
        "Known limits",
        "Training data",
        "Elements",
        "What it goes by",
        "How it was trained",
        "How to use it",
        "How to cite it",
    ]
    for said in ("CC BY 4.0", "doi:10.1063/1.4812323", "| electronegativity | 6 |", "It never saw"):
        assert said in done.stdout
    assert str(registry.folder) not in done.stdout
    assert run("describe", "--version", "1").stdout == done.stdout


def test_the_command_that_it_names_runs(run):
    command = re.search(r"^    matminer-compute (.*)$", run("describe").stdout, re.MULTILINE)[1]
    done = run(*command.split())
    assert done.exit_code == 0, done.stderr
    assert "NaCl" in done.stdout


@pytest.fixture
def page(run, tmp_path):
    done = run("describe", "--format", "html", "--authors", EXAMPLE, "-o", "card.html")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "card.html describes Matminer" in done.stderr
    return (tmp_path / "card.html").read_text(encoding="utf-8")


def test_the_page_is_read_on_a_phone_and_on_a_desk(page, tmp_path):
    seen = look(page, tmp_path, (PHONE, DESK))
    for width, shown in seen.items():
        assert shown["too_wide"] == []
        assert shown["page_width"] <= width
        for said in ("Formation energies of inorganic compositions", "It never saw", "eV/atom",
                     "electronegativity", "Carberry, Josiah", "doi:10.5072/example"):  # fmt: skip
            assert said in shown["text"]
        assert shown["loaded"] == []
        assert not {"script", "link", "iframe", "a"} & set(shown["tags"])
        assert "img" in shown["tags"]
    dark = look(page, tmp_path, (DESK,), dark=True)[DESK]
    assert dark["ground"] != seen[DESK]["ground"]


def test_the_page_holds_the_pictures_of_the_run(page):
    pictures = re.findall(r'src="(.{30})', page)
    assert len(pictures) == 2  # errors, intervals
    assert all(picture.startswith("data:image/png;base64,iVBOR") for picture in pictures)
    assert "http-equiv" not in page
    assert not re.search(r'(?:src|href)="http', page)


def test_repositories_take_what_is_made_for_them(run, bundle):
    done = run("describe", "--format", "datacite", "--authors", EXAMPLE)
    assert done.exit_code == 0, done.stderr
    assert schema45.validate(json.loads(done.stdout))
    done = run("describe", "--format", "garden", "--authors", EXAMPLE, "--bundle", str(bundle))
    assert done.exit_code == 0, done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert [step["uuid"] for step in steps] == [
        uuid_of("featurize_composition"),
        uuid_of("predict"),
    ]


def test_the_commands_of_the_documentation_run(run, bundle, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "authors.yaml")
    (block,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENTED, re.MULTILINE | re.DOTALL)
    commands = [line.partition("  #")[0].split() for line in block.splitlines()]
    assert len(commands) == 4
    for program, *arguments in commands:
        assert program == "matminer-compute"
        done = run(*arguments)
        assert done.exit_code == 0, done.stderr
    assert {"card.html", "datacite.json", "metadata.json"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize("form", ["datacite", "garden"])
def test_who_made_it_must_be_said_to_a_repository(run, form, tmp_path):
    done = run("describe", "--format", form)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"Error: The format {form} needs to know who made the model" in done.stderr
    (tmp_path / "authors.yaml").write_text("authors: [{family: Ward}]\nyear: 2022\n")
    done = run("describe", "--format", form, "--authors", "authors.yaml", "-o", "out.json")
    assert done.exit_code == 1
    assert "authors, number 1: given is missing; publisher is missing." in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_ids_of_other_functions_are_refused(run, bundle):
    drifted = Bundle.load(bundle)
    drifted.functions["predict"] = drifted.functions["predict"].model_copy(update={"sha256": "0"})
    drifted.save(bundle)
    done = run("describe", "--format", "garden", "--authors", EXAMPLE, "--bundle", str(bundle))
    assert done.exit_code == 1
    assert "has drifted from the source of predict" in done.stderr
    done = run("describe", "--bundle", str(bundle))
    assert done.exit_code == 2
    assert "--bundle is for --format garden" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--version", "9"), 1, "it has 1."),
        (("--version", "Staging"), 1, "No version of 'Matminer' is marked 'Staging'"),
        (("--model", "Nothing"), 1, "The registry has no 'Nothing'"),
        (("--model", "Matminer Featurizer", "--version", "1"), 1, "not a model of this package"),
        (("--authors", "nowhere.yaml"), 1, "Error: nowhere.yaml cannot be read"),
        (("-o", "no/where.md"), 1, "Error: no/where.md cannot be written"),
        (("--format", "pdf"), 2, "'pdf' is not one of"),
    ],
)
def test_what_cannot_be_described_is_one_sentence(run, options, code, sentence):
    done = run("describe", *options)
    assert done.exit_code == code
    assert done.stdout == ""
    assert sentence in done.stderr


def test_the_list_shows_how_often_the_intervals_hold(run, registry):
    held = registry.trained.metrics["coverage_90"]
    header, row = (line.split("\t") for line in run("model", "list").stdout.splitlines())
    assert row[header.index("coverage of the 90% interval")] == str(held)
    (version,) = json.loads(run("model", "list", "--json").stdout)["versions"]
    assert version["metrics"]["coverage_90"] == held
    assert 0.8 < held < 1
