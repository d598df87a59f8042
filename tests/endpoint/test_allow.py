"""``endpoint allow``: the ids of a newer bundle take the place of the older ones, no more."""

import pytest
from click.testing import CliRunner
from globus_compute_endpoint.endpoint.config.utils import get_config
from test_sites import BUNDLE, options

from matminer_compute.cli import main
from matminer_compute.endpoint.configure import init_endpoint
from matminer_compute.registration.bundle import RegisteredFunction

NEWER = BUNDLE.model_copy(
    update={
        "functions": {
            name: RegisteredFunction(
                id=f"0000000{n}-0000-4000-8000-000000000000", name=name, sha256="1" * 64
            )
            for n, name in enumerate(("predict", "featurize_composition"))
        }
    }
)


@pytest.fixture
def allow(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))

    def allow(name, bundle):
        bundle.save(tmp_path / "bundle.json")
        command = ["endpoint", "allow", name, "--bundle", str(tmp_path / "bundle.json")]
        return CliRunner().invoke(main, command)

    return allow


def test_newly_registered_functions_are_let_run_and_the_rest_stays(allow):
    config = init_endpoint("here", options("local")) / "config.yaml"
    before = config.read_text()
    done = allow("here", NEWER)
    assert (done.exit_code, "restart here" in done.stderr) == (0, True)
    ids = {str(i) for i in get_config(config.parent).allowed_functions}
    assert ids == {function.id for function in NEWER.functions.values()}
    kept = before[: before.index("allowed_functions:")]
    assert config.read_text().startswith(kept)
    assert config.stat().st_mode & 0o077 == 0
    assert "already" in allow("here", NEWER).stderr
    assert allow("here", BUNDLE).exit_code == 0
    assert config.read_text() == before


@pytest.mark.parametrize(
    "listed",
    [
        "allowed_functions: []\n",
        "allowed_functions:\n- 6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f11\n",
        "allowed_functions: [6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f11]\n",
        "allowed_functions:  # ours\n    # the first\n    - 6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f11",
    ],
)
@pytest.mark.parametrize("after", ["", "\npublic: true\n# the end\n"])
def test_a_list_that_was_written_by_hand_is_replaced(listed, after, allow):
    config = init_endpoint("here", options("local")) / "config.yaml"
    config.write_text(f"display_name: mine\n{listed}{after}")
    assert allow("here", NEWER).exit_code == 0
    read = get_config(config.parent)
    ids = {str(i) for i in read.allowed_functions}
    assert ids == {function.id for function in NEWER.functions.values()}
    assert read.display_name == "mine"
    assert bool(read.public) is bool(after)
    assert config.read_text().endswith(after.lstrip("\n"))


OLD, OLDER = "6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f11", "6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f12"


@pytest.mark.parametrize(
    "listed",
    [
        f"allowed_functions:\n  - {OLD}\n\n  - {OLDER}\n",
        f"allowed_functions:\n  - {OLD}\n# mine\n  - {OLDER}\n",
        f"allowed_functions:\n- {OLD}\n# mine\n- {OLDER}\n",
        f"allowed_functions:\n  - {OLD}\nallowed_functions:\n  - {OLDER}\n",
        f"allowed_functions: [\n  {OLD},\n  {OLDER}\n]\n",
    ],
)
def test_an_older_id_that_would_stay_is_refused_and_the_file_is_as_it_was(listed, allow):
    config = init_endpoint("here", options("local")) / "config.yaml"
    config.write_text(f"display_name: mine\n{listed}amqp_port: null\n")
    before = config.read_text()
    done = allow("here", NEWER)
    assert done.exit_code == 1
    assert "cannot be replaced" in " ".join(done.stderr.split())
    assert config.read_text() == before


def test_where_no_list_is_none_is_put_in_silence(allow):
    config = init_endpoint("here", options("local")) / "config.yaml"
    config.write_text("display_name: mine\n")
    done = allow("here", NEWER)
    assert (done.exit_code, "allowed_functions:" in done.stderr) == (1, True)
    assert config.read_text() == "display_name: mine\n"
