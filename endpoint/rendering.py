"""Makes the texts of an endpoint's folder of its site and options."""

import json
import math
import os
import shlex
import string
import sys
import textwrap
from importlib import resources
from pathlib import Path
from typing import Any

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.registration import Bundle

from .catalogue import Site
from .options import DEFAULT_WALLTIME, EndpointOptions, drain_period

#: Set for the operator's commands, and needed by those that the endpoint starts.
_INHERITED = ("GLOBUS_COMPUTE_USER_DIR", "SLURM_CONF", "PBS_CONF_FILE", "KUBECONFIG")
#: What a caller may choose has no blank and no quote: it gets into a line of a job's script.
_CHOICES = {
    "account": {"type": "string", "pattern": r"^(?!.*\s)[A-Za-z0-9_.,+-]+$"},
    "queue": {"type": "string", "pattern": r"^(?!.*\s)[A-Za-z0-9_.,+-]+$"},
    # Slurm is asked for minutes, and takes none for no limit at all.
    "walltime": {"type": "string", "pattern": r"^(?!.*\s)(?!00:00)[0-9]{2}:[0-5][0-9]:00$"},
}
_NO_CHOICE = (
    "Callers choose nothing: all of them then share warm workers, and no text of theirs reaches a "
    "shell. The canary is the doctor's: one process more, whose job ends with its answer."
)
_SOME_CHOICE = "What a caller may choose; each other choice is another process with cold workers."
_CANARY = {"canary": {"const": True}}
#: The drain period of a walltime that is known when the caller's process starts.
_DRAIN = (
    "{%% set t = (walltime | default('%s'))[1:-1].split(':') | map('int') | list %%}"
    "{%% set s = 3600 * t[0] + 60 * t[1] + t[2] %%}{{ s - [300, s // 5] | min }}"
)
#: Seconds for a scheduler to answer, where no page says more; Parsl's own 10 are soon over.
_CMD_TIMEOUT = 60
#: The end of the workers' script: their pool is found by way of ours.
_OURS = """
# The pool of workers is started by way of ours, so that a worker that is killed stops no other.
export PATH={}:"$PATH"
"""
#: What an endpoint runs of ours, in folders of its own.
_PROGRAMS = ("bin", "python")
#: GiB that a pod needs before its first worker, and for each, with a model of ordinary size.
_POD, _POD_WORKER = 2, 0.5


def render(name: str, folder: Path, options: EndpointOptions, site: Site) -> dict[str, str]:
    """The text of each file of the endpoint's folder.

    Raises:
        BundleError: the bundle is not of Globus Compute.
        EndpointNotConfigured: it holds no functions, or the worker's script would not survive.
    """
    values = _values(name, folder, options, site)
    texts = {file: _Text(text) for file, text in _templates(site.provider).items()}
    script = texts["worker_init.sh"].substitute(values)
    if site.provider == "kubernetes":
        # A pod reads no file of this machine, so the template itself carries the script.
        del texts["worker_init.sh"]
        values["worker_init_text"] = _inline(script)
    else:
        values["worker_init_text"] = yaml_text(f". {shlex.quote(str(folder / 'worker_init.sh'))}")
    rendered = {file: text.substitute(values) for file, text in texts.items()}
    if site.provider != "kubernetes":
        rendered["worker_init.sh"] = script
    return rendered | {"user_config_schema.json": _schema(options, site)}


def yaml_text(value: str | int | None) -> str:
    """``value`` in YAML, as text in which Jinja finds nothing of its own either."""
    if value is None or isinstance(value, int):
        return json.dumps(value)
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\{' else None for c in value)
    return '"' + "".join(p or f"\\U{ord(c):08x}" for p, c in zip(plain, value, strict=True)) + '"'


def allowed(bundle: Bundle) -> str:
    """The lines of ``allowed_functions``.

    Raises:
        BundleError: the bundle is not of Globus Compute.
        EndpointNotConfigured: it holds no functions.
    """
    functions = bundle.of_globus_compute().functions.values()
    if not functions:
        raise EndpointNotConfigured(
            "The bundle holds no functions to allow; make one with 'matminer-compute register'."
        )
    return "\n".join(f"  - {yaml_text(f.id)}  # {f.name}" for f in functions)


class _Text(string.Template):
    """Our own marks, since ``$`` is the shell's and ``{{ }}`` is Jinja's."""

    delimiter = "@"


def _templates(provider: str) -> dict[str, str]:
    """Texts by their places in the endpoint's folder; a provider's own stand before the others."""
    root = resources.files(__package__) / "templates"
    places = {"": root, f"{provider}/": root / provider} | {f"{n}/": root / n for n in _PROGRAMS}
    return {
        place.removeprefix(f"{provider}/") + file.name: file.read_text(encoding="utf-8")
        for place, folder in places.items()
        for file in folder.iterdir()
        if file.is_file() and not file.name.startswith(".")
    }


def _values(name: str, folder: Path, options: EndpointOptions, site: Site) -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)
    ours = [str(folder / "bin")] if os.pathsep not in str(folder) else []  # PATH has no escape
    path = [*ours, bin_folder, os.environ.get("PATH", os.defpath)]
    environment = {"PATH": os.pathsep.join(path)}
    environment |= {key: os.environ[key] for key in _INHERITED if key in os.environ}
    here = f'export PATH={shlex.quote(bin_folder)}:"$PATH"'
    in_image = site.provider == "kubernetes"
    lines = [f"export {key}={shlex.quote(value)}" for key, value in site.environment.items()]
    lines.append(options.worker_init or ("true  # the image's own" if in_image else here))
    return {
        "name": yaml_text(name),
        "title": site.title,
        "public": json.dumps(options.public),
        "amqp_port": yaml_text(options.amqp_port),
        "allowed_functions": allowed(options.bundle),
        "environment": "\n".join(f"{key}: {yaml_text(v)}" for key, v in environment.items()),
        "worker_init": "\n".join(lines),
        "registry": shlex.quote(options.registry),
        "scratch": site.scratch,
        "ours": _OURS.format(shlex.quote(ours[0])) if ours else "",
        "bin": shlex.quote(str(folder / "bin")),
        "python": shlex.quote(str(folder / "python")),
        "workers_per_node": str(options.workers_per_node),
        "max_blocks": str(options.max_blocks or 1),
        "address": _address(options, site),
        **_container(options, site),
        **_job(options, site),
    }


def _address(options: EndpointOptions, site: Site) -> str:
    if options.interface:
        return f"{{type: address_by_interface, ifname: {yaml_text(options.interface)}}}"
    by = "route" if site.provider == "kubernetes" else "hostname"
    return f"{{type: address_by_{by}}}"


def _container(options: EndpointOptions, site: Site) -> dict[str, str]:
    apptainer = bool(options.container) and site.provider != "kubernetes"
    need = _POD + _POD_WORKER * options.workers_per_node
    return {
        "container_type": yaml_text("apptainer" if apptainer else None),
        "container": yaml_text(options.container),
        "pod_memory": yaml_text(f"{options.mem_per_node or math.ceil(need)}Gi"),
    }


def _job(options: EndpointOptions, site: Site) -> dict[str, str]:
    """What only a job of a scheduler has."""
    cpus = options.workers_per_node * site.threads_per_core
    whole = (site.cores_per_node or options.workers_per_node) * site.threads_per_core
    walltime = options.walltime or DEFAULT_WALLTIME
    by_caller = "walltime" in options.caller_chooses
    return {
        "queue": _chosen("queue", options),
        "account": _chosen("account", options),
        "walltime": _chosen("walltime", options, DEFAULT_WALLTIME),
        "drain_period": _DRAIN % yaml_text(walltime) if by_caller else str(drain_period(walltime)),
        "nodes_per_block": str(options.nodes_per_block or 1),
        "qos": yaml_text(options.qos),
        "constraint": yaml_text(options.constraint),
        "exclusive": json.dumps(not options.shared_nodes),
        "mem_per_node": yaml_text(options.mem_per_node),
        "cmd_timeout": str(options.cmd_timeout or _CMD_TIMEOUT),
        "cpus": str(cpus),
        "cpus_of_node": str(whole),
        "scheduler_lines": "".join(f"\n      {line}" for line in site.scheduler_lines),
        "select_options": _select(options, site),
        "launcher": json.dumps(
            site.launcher.model_dump() if site.launcher else {"type": "SimpleLauncher"}
        ),
    }


def _select(options: EndpointOptions, site: Site) -> str:
    memory = f"mem={options.mem_per_node}gb" if options.mem_per_node else ""
    return yaml_text(":".join(filter(None, (site.select_options, memory))))


def _chosen(name: str, options: EndpointOptions, otherwise: str | None = None) -> str:
    """A value, or the caller's with this one by default."""
    value = getattr(options, name) or otherwise
    if name not in options.caller_chooses:
        return yaml_text(value)
    # Jinja is given the caller's texts with their quotes. The names allowed hold no quote.
    return f"{{{{ {name} | default('{yaml_text(value)}') }}}}"


def _schema(options: EndpointOptions, site: Site) -> str:
    choices = sorted(options.caller_chooses)
    properties = {name: _CHOICES[name] for name in choices}
    if "walltime" in choices:
        longest = options.walltime or DEFAULT_WALLTIME
        form = _CHOICES["walltime"]["pattern"].removeprefix("^")
        properties["walltime"] = {
            "type": "string",
            "description": f"HH:MM:00, whole minutes, at most {longest}",
            "pattern": f"^(?={_at_most(longest)}){form}",
        }
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _SOME_CHOICE if choices else _NO_CHOICE,
        "type": "object",
        "properties": properties | _CANARY,
        "required": [n for n in choices if n in site.required and not getattr(options, n)],
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2) + "\n"


def _at_most(walltime: str) -> str:
    """A pattern that a text of the form ``HH:MM:00`` matches if it is no longer than a walltime.

    A shorter one is the same up to some digit, is smaller there, and goes on as it likes.
    """
    hours, _, rest = walltime.partition(":")
    most = f"{int(hours):02}:{rest}" if int(hours) < 100 else "99:59:00"
    smaller = [f"{most[:i]}[0-{int(d) - 1}].*" for i, d in enumerate(most) if d not in ":0"]
    return f"({'|'.join([*smaller, most])})$"


def _inline(script: str) -> str:
    """A script as a block of YAML, inside a template."""
    if "endraw" in script or not all(c.isprintable() or c in "\n\t" for c in script):
        raise EndpointNotConfigured(
            "--worker-init and the registry hold characters that do not survive in the template."
        )
    return "|\n{% raw %}\n" + textwrap.indent(script, "      ") + "{% endraw %}"
