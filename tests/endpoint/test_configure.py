"""What ``endpoint init`` writes: the agent takes it, odd values stay values, secrets stay here."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from endpoint_folder import render_user_config, rendered
from globus_compute_endpoint.endpoint.config.utils import get_config, load_config_yaml
from globus_compute_endpoint.engines import GlobusComputeEngine
from globus_compute_sdk.serialize import JSONData, PureSourceTextInspect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import PATIENCE, until

from matminer_compute.cli import main
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.errors import BundleError, EndpointNotConfigured
from matminer_compute.registration import Bundle, register
from matminer_compute.registration.address import address_fault

GCE = Path(sys.executable).with_name("globus-compute-endpoint")
ODD = [
    "plain",
    "with space",
    "it's",
    'a "quote"',
    "$HOME `id` $(id)",
    "two\nlines",
    "back\\slash\\n",
    "{{ 7 * 7 }} {% raw %} {#",
    "# & : - ; | *",
    "@registry @{name} @@",
    "é ☃ \U0001f600 \x85 \x7f",
    "x'; exit 1; '",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    with EmbeddedEndpoint() as registrar:
        made = register(registrar, tmp_path_factory.mktemp("bundle") / "bundle.json")
    return made.model_copy(update={"service": "globus-compute"})  # no service gave them out


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "globus_compute"
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(home))
    return home


class TemplateEndpoint(EmbeddedEndpoint):
    """Runs tasks in the engine of a rendered template."""

    def __init__(self, configuration):
        super().__init__("parsl", registry="the workers' own")
        self._configuration = json.dumps(configuration)

    def running_engine(self):
        if self._engine is None:
            self._engine = load_config_yaml(self._configuration).engine
            self._engine.start(endpoint_id=self._id, run_dir=str(self._scratch.path))
        return self._engine


def options(bundle, registry="http://registry:5000", **changes):
    return EndpointOptions(bundle, registry, **changes)


def keep_cache_in(folder):
    """Let the worker's script make its folder here, and not in /tmp."""
    script = folder / "worker_init.sh"
    text = script.read_bytes()
    assert text.count(b"cache=/tmp/") == 1
    script.write_bytes(text.replace(b"cache=/tmp/", b'cache="$HOME"/'))


def environment_after(worker_init, home):
    """What a worker started by bash after ``worker_init`` sees."""
    tell = (
        f"{worker_init}\n{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    clean = {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-ec", tell], capture_output=True, env=clean)
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_the_agent_makes_an_engine_of_the_slurm_template(home, bundle):
    made = options(
        bundle,
        queue="batch",
        account="chem-1",
        walltime="02:30:00",
        max_blocks=7,
        workers_per_node=3,
    )
    assert init_endpoint("hpc", made) == home / "hpc"
    configuration = rendered("hpc")
    engine = load_config_yaml(json.dumps(configuration)).engine
    assert isinstance(engine, GlobusComputeEngine)
    assert engine.serde.allowed_deserializer_types == {PureSourceTextInspect, JSONData}
    assert engine.max_workers_per_node == 3
    assert engine.executor.drain_period == 2 * 3600 + 30 * 60 - 300
    provider = engine.provider
    assert (provider.partition, provider.account) == ("batch", "chem-1")
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (0, 0, 7)
    assert (provider.walltime, provider.nodes_per_block) == ("02:30:00", 1)
    assert provider.launcher.overrides == "--cpus-per-task=3"


def test_partition_and_account_may_be_left_to_the_cluster(home, bundle):
    init_endpoint("hpc", options(bundle))
    provider = load_config_yaml(json.dumps(rendered("hpc"))).engine.provider
    assert "partition" not in provider.scheduler_options
    assert "account" not in provider.scheduler_options


@pytest.mark.parametrize("site", ["slurm", "local"])
def test_only_the_bundles_functions_are_allowed_and_callers_choose_nothing(home, bundle, site):
    folder = init_endpoint("site", options(bundle, site=site))
    allowed = get_config(folder).allowed_functions
    assert set(allowed) == {function.id for function in bundle.functions.values()}
    assert rendered("site")["engine"]["max_retries_on_system_failure"] == 1
    for asked in ({"worker_init": "id"}, {"anything": 1}, {"canary": True, "anything": 1}):
        refused = render_user_config("site", asked)
        assert refused.exit_code != 0
        assert "Additional properties are not allowed" in refused.output + str(refused.exception)


@pytest.mark.parametrize("site", ["slurm", "pbs", "kubernetes", "local"])
def test_the_doctors_canary_gives_its_workers_back_at_once(home, bundle, site):
    image = {"container": "image:1"} if site == "kubernetes" else {}
    init_endpoint("site", options(bundle, site=site, **image))
    usual, canary = rendered("site"), rendered("site", {"canary": True})
    assert (usual.pop("idle_heartbeats_soft"), canary.pop("idle_heartbeats_soft")) == (120, 2)
    idle = usual["engine"]["job_status_kwargs"].pop("max_idletime")
    assert canary["engine"]["job_status_kwargs"].pop("max_idletime") == 5 < idle
    assert canary == usual
    assert render_user_config("site", {"canary": "7"}).exit_code != 0


def registry_seen():
    import os

    return os.environ["MLFLOW_TRACKING_URI"]


def test_the_local_template_runs_a_task(home, bundle, monkeypatch):
    monkeypatch.setenv("PATH", f"{GCE.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    keep_cache_in(init_endpoint("here", options(bundle, "http://its-own", site="local")))
    with TemplateEndpoint(rendered("here")) as endpoint:
        task = endpoint.submit_to_registered_function(endpoint.register_function(registry_seen))
        assert task.result(PATIENCE) == "http://its-own"


def meet(folder, count):
    """Hold a worker until so many of them have come."""
    import os
    import pathlib
    import time

    here = pathlib.Path(folder, str(os.getpid()))
    here.touch()
    while len(list(here.parent.iterdir())) < count:
        time.sleep(0.05)
    return os.getpid()


def test_a_worker_killed_while_it_waits_stops_no_other(home, bundle, tmp_path, monkeypatch):
    """One of those that wait holds the lock of multiprocessing's queue, so all are killed."""
    monkeypatch.setenv("PATH", f"{GCE.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    keep_cache_in(
        init_endpoint("here", options(bundle, "http://r", site="local", workers_per_node=2))
    )
    with TemplateEndpoint(rendered("here")) as endpoint:
        together = endpoint.register_function(meet)

        def workers(name):
            (tmp_path / name).mkdir()
            arguments = (str(tmp_path / name), 2)
            tasks = [endpoint.submit_to_registered_function(together, arguments) for _ in "12"]
            return {task.result(PATIENCE) for task in tasks}

        first = workers("first")
        until(lambda: all(psutil.Process(pid).status() == "sleeping" for pid in first))
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        assert not workers("second") & first


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_reach_the_worker_as_they_are(odd, bundle, tmp_path, monkeypatch):
    home = tmp_path / odd.replace("/", "")
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(home))
    registry = f"sqlite:////data/{odd}"
    folder = init_endpoint("hpc", options(bundle, registry))
    keep_cache_in(folder)
    seen = environment_after(rendered("hpc")["engine"]["provider"]["worker_init"], tmp_path)
    assert seen["MLFLOW_TRACKING_URI"] == registry
    assert seen["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert seen["MATMINER_COMPUTE_CACHE"] == f"{tmp_path}/matminer-compute-{os.getuid()}"
    assert str(GCE.parent) in seen["PATH"].split(os.pathsep)[:4]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(odd=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_registry_address_survives_the_shell(odd, home, bundle, tmp_path):
    registry = f"sqlite:////{odd}"
    folder = init_endpoint("hpc", options(bundle, registry))
    try:
        keep_cache_in(folder)
        seen = environment_after(f". {folder}/worker_init.sh", tmp_path)
        assert seen["MLFLOW_TRACKING_URI"] == registry
    finally:
        shutil.rmtree(folder)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(odd=st.text(st.sampled_from("a1:/?#[]@%$'\" \\"), min_size=1))
def test_a_password_survives_whole_or_is_refused_unseen(odd, home, bundle, tmp_path):
    secret = f"s3cr3t{odd}s3cr3t"
    registry = f"http://alice:{secret}@registry:5000"
    if address_fault(registry) or " " in registry:
        with pytest.raises(EndpointNotConfigured) as refused:
            init_endpoint("hpc", options(bundle, registry))
        assert "s3cr3t" not in str(refused.value)
        assert not (home / "hpc").exists()
        return
    folder = init_endpoint("hpc", options(bundle, registry))
    try:
        keep_cache_in(folder)
        seen = environment_after(f". {folder}/worker_init.sh", tmp_path)
        assert seen["MLFLOW_TRACKING_URI"] == registry
    finally:
        shutil.rmtree(folder)


def test_a_cache_folder_of_somebody_elses_is_not_used(home, bundle, tmp_path):
    if os.getuid() != 0:
        pytest.skip("Only root can make a folder somebody else's.")
    folder = init_endpoint("hpc", options(bundle))
    keep_cache_in(folder)
    planted = tmp_path / f"matminer-compute-{os.getuid()}"
    planted.mkdir()
    os.chown(planted, 65534, 65534)
    seen = environment_after(f". {folder}/worker_init.sh", tmp_path)
    assert "MATMINER_COMPUTE_CACHE" not in seen


def test_a_password_is_in_one_file_which_only_its_owner_reads(home, bundle):
    folder = init_endpoint("hpc", options(bundle, "http://user:S3cret@registry:5000"))
    written = [file for file in folder.rglob("*") if file.is_file()]
    holding = [file.name for file in written if "S3cret" in file.read_text()]
    assert holding == ["worker_init.sh"]  # the agent sends the template to the service
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o077 for file in folder.rglob("*")} == {0}


def test_an_operators_own_activation_replaces_ours(home, bundle, tmp_path):
    init = "module() { export LOADED=$1; }\nmodule python/3.11"
    folder = init_endpoint("hpc", options(bundle, worker_init=init))
    keep_cache_in(folder)
    assert environment_after(f". {folder}/worker_init.sh", tmp_path)["LOADED"] == "python/3.11"
    assert str(GCE.parent) not in (folder / "worker_init.sh").read_text()


def test_an_existing_folder_is_left_alone(home, bundle):
    folder = init_endpoint("hpc", options(bundle))
    (folder / "config.yaml").write_text("mine")
    with pytest.raises(EndpointNotConfigured, match="exists; edit its files, or remove it first"):
        init_endpoint("hpc", options(bundle))
    assert (folder / "config.yaml").read_text() == "mine"
    assert [f.name for f in home.iterdir()] == ["hpc"]


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("two words", {}, "Invalid endpoint name"),
        ("../up", {}, "Invalid endpoint name"),
        ("", {}, "Invalid endpoint name"),
        ("hpc", {"queue": "a\n#SBATCH --uid=0"}, "a partition or queue"),
        ("hpc", {"account": "x y"}, "name of an account"),
        ("hpc", {"account": ""}, "name of an account"),
        ("hpc", {"walltime": "90"}, "HH:MM:SS"),
        ("hpc", {"walltime": "00:00:59"}, "at least a minute"),
        ("hpc", {"walltime": "01:00:00\n"}, "HH:MM:SS"),
        ("hpc", {"walltime": "00:01:59"}, "whole minutes"),
        ("hpc", {"walltime": ""}, "HH:MM:SS"),
        ("hpc", {"max_blocks": 0}, "max-blocks is 0"),
        ("hpc", {"workers_per_node": -1}, "workers-per-node is -1"),
        ("hpc", {"registry": "sqlite:///registry.db"}, "absolute path"),
        ("hpc", {"registry": "mlruns"}, "absolute path"),
        ("hpc", {"registry": "file:///data/mlruns"}, "file:///data/mlruns cannot be one"),
        ("hpc", {"registry": "ftp://registry/mlruns"}, r"must be an http\(s\) address"),
        ("hpc", {"registry": ""}, "The registry '' cannot be one"),
        ("hpc", {"registry": "https://host name/"}, "holds a blank"),
        ("hpc", {"registry": "https://host\n"}, "https://host holds a blank"),
        ("hpc", {"registry": "http://"}, "names no host"),
        ("hpc", {"registry": "http://:5000"}, "cannot be read"),
        ("hpc", {"registry": "http://registry:port"}, "cannot be read"),
        ("hpc", {"registry": "http://localhost:5000"}, "each node's own localhost"),
        ("hpc", {"registry": "http://me:secret@127.0.1.1:5000"}, "http://127.0.1.1:5000 is each"),
        ("hpc", {"registry": "http://[::1]:5000"}, "each node's own ::1"),
        ("hpc", {"registry": "postgresql+psycopg://0.0.0.0/mlflow"}, "each node's own 0.0.0.0"),
        ("hpc", {"registry": "http://registry/\udcff"}, "must be UTF-8"),
        ("hpc", {"worker_init": "if true; then module load python"}, "bash cannot read"),
        ("hpc", {"worker_init": "source 'activate"}, "unexpected EOF"),
        ("hpc", {"worker_init": "cat <<EOF"}, "here-document"),
        ("hpc", {"worker_init": "module load python\r\n"}, "carriage return"),
        ("hpc", {"site": "local", "queue": "batch"}, "no use for --queue"),
        ("hpc", {"site": "local", "walltime": "01:00:00"}, "no use for --walltime"),
        ("hpc", {"site": "local", "account": "a", "max_blocks": 1}, "--account, --max-blocks"),
        ("hpc", {"bundle": Bundle()}, "no functions to allow"),
    ],
)
def test_a_value_that_cannot_be_used_leaves_nothing_behind(name, changes, sentence, home, bundle):
    asked = {"bundle": bundle, "registry": "http://registry:5000"} | changes
    with pytest.raises(EndpointNotConfigured, match=sentence):
        init_endpoint(name, EndpointOptions(**asked))
    assert not home.exists()


def test_a_bundle_of_the_embedded_endpoint_is_refused(home, bundle):
    embedded = bundle.model_copy(update={"service": "embedded"})
    with pytest.raises(BundleError, match="of the embedded endpoint"):
        init_endpoint("hpc", options(embedded))
    assert not home.exists()


def test_the_local_template_may_use_a_registry_of_this_machine(home, bundle):
    init_endpoint("here", options(bundle, "http://localhost:5000", site="local"))


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, monkeypatch, bundle):
    (tmp_path / "a file").touch()
    for place in (tmp_path / "a file", tmp_path / "a file" / "below", Path("/proc/nowhere")):
        monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(place))
        with pytest.raises(EndpointNotConfigured, match="set GLOBUS_COMPUTE_USER_DIR"):
            init_endpoint("hpc", options(bundle))


def test_the_command_takes_the_registry_from_the_environment(home, bundle, tmp_path):
    bundle.save(tmp_path / "bundle.json")
    command = ["endpoint", "init", "hpc", "--bundle", str(tmp_path / "bundle.json")]
    missing = CliRunner().invoke(main, command, env={"MLFLOW_TRACKING_URI": None})
    assert missing.exit_code == 2
    assert "--registry" in missing.output
    done = CliRunner().invoke(main, command, env={"MLFLOW_TRACKING_URI": "http://registry:5000"})
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{home / 'hpc'}\n"
    assert "globus-compute-endpoint start hpc" in done.stderr
    again = CliRunner().invoke(main, [*command, "--registry", "http://registry:5000"])
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_what_is_to_be_run_next_can_be_pasted(home, bundle, tmp_path):
    bundle.save(tmp_path / "bundle.json")
    named = ["my$cluster", "--bundle", str(tmp_path / "bundle.json")]
    done = CliRunner().invoke(main, ["endpoint", "init", *named, "--registry", "http://registry"])
    assert "'globus-compute-endpoint start my$cluster'" not in done.stderr
    assert "start 'my$cluster'" in done.stderr
    (home / "my$cluster" / "config.yaml").write_text("allowed_functions:\n")
    done = CliRunner().invoke(main, ["endpoint", "allow", *named])
    assert "restart 'my$cluster'" in done.stderr
    (home / "my$cluster" / "config.yaml").write_text("")
    doctored = CliRunner().invoke(main, ["endpoint", "doctor", *named, "--json"]).stdout
    assert "start 'my$cluster'" in doctored
    assert "endpoint allow 'my$cluster'" in doctored


def test_the_readmes_command_runs(home, bundle, tmp_path, monkeypatch):
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(matminer-compute endpoint init .*?)^```", readme, re.M | re.S)
    command, start = block.replace("\\\n", " ").splitlines()
    bundle.save(tmp_path / "bundle.json")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    assert start in done.stderr
    assert rendered("my-cluster")["engine"]["provider"]["partition"] == "compute"
    activation = "\nmodule load python; source ~/envs/matminer/bin/activate\n"
    assert activation in (home / "my-cluster" / "worker_init.sh").read_text()
