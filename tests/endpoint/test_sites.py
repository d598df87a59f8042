"""The catalogue of sites: its facts have sources, and the agent takes what is made of each."""

import inspect
import json
import re
import shlex
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from endpoint_folder import render_user_config, rendered
from globus_compute_endpoint.endpoint.config.utils import get_config, load_config_yaml
from hypothesis import given
from hypothesis import strategies as st
from parsl.providers import KubernetesProvider

from matminer_compute.cli import main
from matminer_compute.endpoint.catalogue import read_site, site_names
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.endpoint.rendering import _CHOICES, _at_most
from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.registration import Bundle
from matminer_compute.registration.bundle import RegisteredFunction

BUNDLE = Bundle(
    functions={
        "predict": RegisteredFunction(
            id="6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f11", name="predict", sha256="0" * 64
        )
    }
)
#: A value for each option that some site requires.
CHOSEN = {
    "account": "chem-1",
    "queue": "batch",
    "qos": "regular",
    "constraint": "cpu",
    "container": "registry.example.org/matminer:1",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    home = tmp_path / "globus_compute"
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(home))
    monkeypatch.chdir(tmp_path)
    return home


def options(site, **changes):
    required = {name: CHOSEN[name] for name in read_site(site).required}
    return EndpointOptions(BUNDLE, "http://registry:5000", site=site, **(required | changes))


def loaded(configuration):
    """By the agent's own loader; the interface of a far machine becomes the one that is here."""
    address = configuration["engine"]["address"]
    if "ifname" in address:
        address["ifname"] = "lo"
    return load_config_yaml(json.dumps(configuration))


@pytest.fixture
def submitted(home, tmp_path, monkeypatch):
    """What the scheduler's command is given: its arguments, and the script that Parsl writes."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for command, answer in (("qsub", "17.pbs"), ("sbatch", "Submitted batch job 17")):
        script = commands / command
        script.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/asked'\necho '{answer}'\n")
        script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")

    def submit(configuration):
        engine = loaded(configuration).engine
        engine.provider.script_dir = str(tmp_path)
        engine.provider.submit("pool of workers", 1, "test")
        asked = (tmp_path / "asked").read_text().split()
        return asked[:-1], Path(asked[-1]).read_text()

    return submit


@pytest.mark.parametrize("name", site_names())
def test_every_fact_says_where_and_when_it_was_read(name):
    site = read_site(name)
    assert site.sources
    for source in site.sources:
        assert source.url.scheme == "https"
        assert date(2026, 1, 1) <= source.read <= date.today()


@pytest.mark.parametrize("name", [n for n in site_names() if n != "kubernetes"])
def test_the_agent_takes_what_is_made_of_each_site(name):
    site = read_site(name)
    folder = init_endpoint("here", options(name))
    config = get_config(folder)
    assert config.amqp_port == site.amqp_port
    assert [str(i) for i in config.allowed_functions] == [BUNDLE.functions["predict"].id]
    configuration = rendered("here")
    if site.interface:
        assert configuration["engine"]["address"]["ifname"] == site.interface
    engine = loaded(configuration).engine
    assert engine.max_workers_per_node == 1
    assert engine.provider.init_blocks == engine.provider.min_blocks == 0
    if site.cmd_timeout:
        assert engine.provider.cmd_timeout == site.cmd_timeout


def test_kubernetes_gets_arguments_that_its_provider_has():
    folder = init_endpoint("pods", options("kubernetes", workers_per_node=4, max_blocks=3))
    engine = rendered("pods")["engine"]
    provider = engine["provider"]
    assert provider.pop("type") == "KubernetesProvider"
    inspect.signature(KubernetesProvider).bind(**provider)
    assert engine["encrypted"] is False
    assert provider["image"] == CHOSEN["container"]
    assert (provider["init_mem"], provider["max_mem"]) == ("4Gi", "4Gi")
    assert "export MLFLOW_TRACKING_URI=http://registry:5000" in provider["worker_init"]
    assert "only you can read" not in provider["worker_init"]  # Globus is sent it
    assert not (folder / "worker_init.sh").exists()  # no pod would see it


def test_what_only_reads_a_secret_or_is_none_may_be_in_a_pods_script():
    script = "export TOKENIZERS_PARALLELISM=false MLFLOW_TRACKING_PASSWORD=$(cat /secrets/password)"
    init_endpoint("pods", options("kubernetes", worker_init=script))
    assert script in rendered("pods")["engine"]["provider"]["worker_init"].splitlines()


def test_a_pods_script_is_the_same_in_the_template_and_in_bash(tmp_path):
    odd = "echo ${#x} {{ a }} {% b %} {# c #} '$HOME' \"\\n\""
    init_endpoint("pods", options("kubernetes", worker_init=odd))
    assert odd in rendered("pods")["engine"]["provider"]["worker_init"].splitlines()


def test_slurm_is_asked_for_what_perlmutter_wants(submitted):
    """Hyperthreads are the CPUs of its scheduler."""
    init_endpoint("p", options("perlmutter", workers_per_node=64, walltime="02:00:00"))
    _, script = submitted(rendered("p"))
    for line in (
        "--account=chem-1",
        "--qos=regular",
        "--constraint=cpu",
        "--exclusive",
        "--requeue",
        "--cpus-per-task=128",
        "--time=120",
    ):
        assert f"#SBATCH {line}\n" in script
    assert re.search(r"^srun .* --cpus-per-task=128 ", script, re.MULTILINE)


def test_slurm_shares_a_node_when_asked_to(submitted):
    init_endpoint("s", options("expanse", workers_per_node=8, shared_nodes=True, mem_per_node=16))
    _, script = submitted(rendered("s"))
    assert "--exclusive" not in script
    assert "#SBATCH --mem=16g\n" in script
    assert "#SBATCH --partition=compute\n" in script


def test_pbs_is_asked_for_what_polaris_wants(submitted):
    init_endpoint("p", options("polaris", nodes_per_block=4, workers_per_node=32))
    asked, script = submitted(rendered("p"))
    assert asked == ["-q", "batch", "-A", "chem-1"]
    assert "#PBS -l select=4:ncpus=64:system=polaris\n" in script
    assert "#PBS -l filesystems=home:eagle\n" in script
    assert "#PBS -l walltime=01:00:00\n" in script
    assert re.search(
        r"^mpiexec --cpu-bind none --depth=64 --ppn 1 -n \$WORKERCOUNT ", script, re.MULTILINE
    )


def test_polaris_sets_what_its_known_faults_need(home):
    init_endpoint("p", options("polaris"))
    assert "\nexport TMPDIR=/tmp\n" in (home / "p" / "worker_init.sh").read_text()


def test_a_caller_chooses_what_the_operator_lets_him():
    may = ("account", "queue", "walltime")
    init_endpoint("p", options("anvil", account="chem", caller_chooses=may))
    own = rendered("p")["engine"]
    assert (own["provider"]["account"], own["provider"]["partition"]) == ("chem", "batch")
    assert (own["provider"]["walltime"], own["drain_period"]) == ("01:00:00", 3300)
    chosen = rendered("p", {"account": "physics", "walltime": "00:10:00"})["engine"]
    assert (chosen["provider"]["account"], chosen["provider"]["partition"]) == ("physics", "batch")
    assert (chosen["provider"]["walltime"], chosen["drain_period"]) == ("00:10:00", 480)


@pytest.mark.parametrize("asked", ["00:00:00", "00:00:59", "00:01:59", "00:30:01", "02:31:00"])
def test_a_caller_gets_no_job_without_an_end_and_none_longer_than_the_operators(asked):
    init_endpoint("s", options("slurm", walltime="2:30:00", caller_chooses=("walltime",)))
    refused = render_user_config("s", {"walltime": asked})
    assert refused.exit_code != 0
    assert "at most 2:30:00" in refused.output + str(refused.exception)
    assert rendered("s", {"walltime": "02:30:00"})["engine"]["provider"]["walltime"] == "02:30:00"


MINUTES = st.integers(1, 99 * 60 + 59).map(lambda m: f"{m // 60:02}:{m % 60:02}:00")


@given(MINUTES, MINUTES)
def test_the_longest_walltime_is_a_bound(longest, asked):
    assert bool(re.match(_at_most(longest), asked)) == (asked <= longest)


def test_what_a_site_wants_may_be_left_to_the_caller():
    mine = EndpointOptions(
        BUNDLE, "http://r:5000", site="delta", caller_chooses=("account",), max_blocks=2
    )
    init_endpoint("d", mine)
    assert render_user_config("d", {}).exit_code != 0
    assert rendered("d", {"account": "abcd"})["engine"]["provider"]["account"] == "abcd"


@given(st.text(min_size=1))
def test_no_text_of_a_callers_gets_into_a_line_of_a_script(text):
    import jsonschema

    for name, schema in _CHOICES.items():
        try:
            jsonschema.validate(text, schema)
        except jsonschema.ValidationError:
            continue
        assert re.fullmatch(r"[\w.,+:-]+", text, re.ASCII), name


@pytest.mark.parametrize(
    ("site", "changes", "sentence"),
    [
        ("perlmuter", {}, "Did you mean 'perlmutter'"),
        ("local", {"interface": "ib0"}, "no use for --interface"),
        ("local", {"container": "image.sif"}, "no use for --container"),
        ("pbs", {"qos": "regular"}, "no use for --qos"),
        ("pbs", {"shared_nodes": True}, "no use for --shared-nodes"),
        ("pbs", {"nodes_per_block": 2}, "leave out --nodes-per-block"),
        ("kubernetes", {"queue": "batch"}, "no use for --queue"),
        ("kubernetes", {"container": None}, "wants --container"),
        ("perlmutter", {"qos": None, "account": None}, "wants --account, --qos"),
        ("slurm", {"interface": "ib0\nx"}, "name of a network interface"),
        ("slurm", {"interface": "an interface"}, "name of a network interface"),
        ("slurm", {"qos": "a b"}, "quality of service"),
        ("slurm", {"constraint": "cpu\n#SBATCH"}, "a constraint"),
        ("slurm", {"container": "a b"}, "name of an image"),
        ("slurm", {"amqp_port": 22}, "443 and at 5671"),
        ("slurm", {"cmd_timeout": -1}, "cmd-timeout is -1"),
        ("slurm", {"mem_per_node": -1}, "mem-per-node is -1"),
        ("anvil", {"workers_per_node": 129}, "128 cores"),
        ("kubernetes", {"registry": "sqlite:////data/r.db"}, "no pod sees"),
        ("kubernetes", {"registry": "http://me:s3cret@r:5000"}, "http://r:5000 would be sent"),
        ("kubernetes", {"worker_init": "echo {% endraw %}"}, "do not survive"),
        ("kubernetes", {"worker_init": "export MLFLOW_TRACKING_PASSWORD=s3cret"}, "pods' image"),
        ("kubernetes", {"worker_init": "export AWS_SECRET_ACCESS_KEY='s3cret'"}, "pods' image"),
    ],
)
def test_what_does_not_fit_a_site_is_refused(site, changes, sentence, home):
    known = site if site in site_names() else "slurm"
    asked = {"registry": "http://registry:5000"} | vars(options(known)) | {"site": site} | changes
    with pytest.raises(EndpointNotConfigured, match=sentence):
        init_endpoint("x", EndpointOptions(**asked))
    assert not home.exists() or not list(home.iterdir())


def test_the_command_lists_them_for_people_and_programs():
    listed = CliRunner().invoke(main, ["endpoint", "sites"])
    assert "perlmutter\tPerlmutter, CPU nodes (NERSC)\tslurm\t--account --qos" in listed.stdout
    known = json.loads(CliRunner().invoke(main, ["endpoint", "sites", "--json"]).stdout)
    assert set(known) == set(site_names())
    assert known["anvil"]["amqp_port"] == 443


def test_the_command_takes_the_flags(home, tmp_path):
    BUNDLE.save(tmp_path / "bundle.json")
    command = "endpoint init c --site bridges-2 --partition RM --qos q --constraint a&b --public"
    command += " --registry http://r:5000 --shared-nodes --mem-per-node 8 --amqp-port 443"
    command += " --container a.sif --interface eno1 --cmd-timeout 9 --caller-chooses account"
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 0, done.output
    config = get_config(home / "c")
    assert (config.public, config.amqp_port) == (True, 443)
    engine = loaded(rendered("c")).engine
    assert (engine.container_type, engine.container_uri) == ("apptainer", "a.sif")
    assert (engine.provider.cmd_timeout, engine.provider.mem_per_node) == (9, 8)
    assert (engine.provider.qos, engine.provider.constraint) == ("q", "a&b")


def test_the_guides_command_runs(home, tmp_path):
    guide = Path(__file__).parents[2].joinpath("docs/operate.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^   ```sh\n(.*?)^   ```", guide, re.MULTILINE | re.DOTALL)
    BUNDLE.save(tmp_path / "bundle.json")
    command = shlex.split(block.replace("\\\n", " "))
    done = CliRunner().invoke(main, command[1:])
    assert done.exit_code == 0, done.output
    assert loaded(rendered("cluster")).engine.provider.mem_per_node == 16
