"""The files of an endpoint on this machine, as the agent will read them."""

import errno
import os
import pwd
import re
import shlex
import uuid
from collections.abc import Iterator
from itertools import pairwise
from os.path import expandvars
from pathlib import Path
from typing import Any

import yaml
from globus_compute_endpoint.endpoint.config import CoreEndpointConfig
from globus_compute_endpoint.endpoint.config.utils import (
    get_config,
    load_config_yaml,
    load_user_config_schema,
    load_user_config_template,
    render_config_user_template,
)
from globus_compute_endpoint.endpoint.identity_mapper import MappedPosixIdentity
from globus_compute_sdk.serialize import JSONData, PureSourceTextInspect

from matminer_compute.endpoint.script import holds_secret, shell_fault
from matminer_compute.registration import Bundle

from .environment import exported
from .programs import examine_programs
from .verdict import Verdict, fail, ok, warn

#: What a caller might choose where he must; no operator's walltime is shorter.
_CHOICE = {"walltime": "00:01:00"}
_SENT = ("config.yaml", "user_config_template.yaml.j2", "user_config_schema.json")


def examine_folder(folder: Path, bundle: Bundle | None = None) -> Iterator[Verdict]:
    """Each file of the folder: can the agent use it, does it let the right functions run?"""
    yield _configuration(folder)
    yield from _functions(folder, bundle)
    yield from _template(folder)
    yield from _script(folder)
    yield from examine_programs(folder)
    yield _secrets(folder)


def _configuration(folder: Path) -> Verdict:
    try:
        get_config(folder)
    except Exception as error:  # noqa: BLE001  the agent's reader raises what it likes
        return fail("configuration", _first_line(error), f"fix {folder / 'config.yaml'}")
    return ok("configuration", "config.yaml loads")


def _functions(folder: Path, bundle: Bundle | None) -> Iterator[Verdict]:
    try:
        allowed = get_config(folder).allowed_functions
    except Exception:  # noqa: BLE001  said by the check before
        return
    update = f"run 'matminer-compute endpoint allow {shlex.quote(folder.name)} --bundle F'"
    wanted = {f.id: name for name, f in bundle.functions.items()} if bundle else {}
    if allowed is None:
        yield warn("functions", "any function of anybody's who may call it runs", update)
    elif not allowed:  # to the agent that is another thing
        yield fail("functions", "no function may run: the list of them is empty", update)
    elif bundle is None:
        yield ok("functions", f"{len(allowed)} may run; give --bundle to compare them")
    elif missing := sorted(name for i, name in wanted.items() if i not in allowed):
        yield fail("functions", f"not allowed: {', '.join(missing)}", update)
    elif more := set(allowed) - wanted.keys():
        yield warn("functions", f"{len(more)} more may run than those of the bundle", update)
    else:
        yield ok("functions", "those of the bundle may run")


def _template(folder: Path) -> Iterator[Verdict]:
    file = folder / "user_config_template.yaml.j2"
    if not file.exists() and not file.with_suffix("").exists():  # the agent takes either
        advice = f"put {file} back; 'matminer-compute endpoint init' under another name writes one"
        yield fail("template", f"{file.name} is missing", advice)
        return
    try:
        text = _rendered(folder, file)
    except Exception as error:  # noqa: BLE001  Jinja's, the schema's, or of a file
        yield fail("template", _first_line(error), f"fix {file}, or the schema beside it")
        return
    try:
        engine = load_config_yaml(text).engine
    except Exception as error:  # noqa: BLE001  any of the engine's, the provider's, the launcher's
        yield _no_engine(error, text, file)
        return
    yield ok("template", "it renders, and makes an engine")
    yield _address(engine, file)
    yield _serializers(engine, file)
    engine.shutdown()


def _no_engine(error: Exception, text: str, file: Path) -> Verdict:
    """Why no engine could be made; what its libraries say is sometimes not enough."""
    said = str(error)
    if os.strerror(errno.ENODEV) in said and (
        name := re.search(r"\bifname: *['\"]?([\w.:@-]+)", text)
    ):
        return fail(
            "template",
            f"this machine has no network interface {name[1]}",
            f"name one that nodes reach under 'address' in {file}; 'ip -brief address' lists them",
        )
    if "optional modules" in said and "kubernetes" in said:
        return fail(
            "template",
            "the Python module kubernetes is not installed beside globus-compute-endpoint",
            "run 'pip install kubernetes' there",
        )
    wrong, listed, options = said.partition(" Valid options are: ")
    if listed:
        # All names of a package are among them, so look for those of the kind: "... valid engine."
        kind = wrong.rstrip(".").rpartition(" ")[2]
        named = [o for o in options.split() if kind in o.lower() and o != f"{kind}s"]
        return fail("template", wrong, f"write one of {', '.join(named)} in {file}")
    return fail("template", _first_line(error), f"fix {file}")


def _rendered(folder: Path, file: Path) -> str:
    """The template as the agent would render it for a caller who chooses only what he must."""
    schema = load_user_config_schema(folder / "user_config_schema.json") or {}
    must = {name: _CHOICE.get(name, "chosen") for name in schema.get("required", ())}
    text: str = render_config_user_template(
        parent_config=CoreEndpointConfig(),
        user_config_template=load_user_config_template(file),
        user_config_template_path=file,
        mapped_identity=MappedPosixIdentity(pwd.getpwuid(os.getuid()), uuid.UUID(int=0), []),
        user_config_schema=schema,
        user_opts=must,
    )
    return text


def _address(engine: Any, file: Path) -> Verdict:
    address = engine.executor.address
    local = type(engine.provider).__name__ == "LocalProvider"
    if address is None:
        return warn(
            "address",
            "Parsl tries all addresses of this machine, and asks a web site for one more",
            f"name the interface that nodes reach, under 'address' in {file}",
        )
    if not local and str(address).startswith("127."):
        return fail(
            "address",
            f"nodes would look for this machine at {address}, which is themselves",
            f"name the interface that nodes reach, under 'address' in {file}, such as "
            "{type: address_by_interface, ifname: ib0}; 'ip -brief address' lists them",
        )
    return ok("address", f"workers look for this machine at {address}")


def _serializers(engine: Any, file: Path) -> Verdict:
    if engine.serde.allowed_deserializer_types == {PureSourceTextInspect, JSONData}:
        return ok("serializers", "source text and JSON; a pickle is refused unread")
    return warn(
        "serializers",
        "more than source text and JSON is read, so that a caller's pickle would run",
        f"let allowed_serializers in {file} be PureSourceTextInspect and JSONData alone",
    )


def _script(folder: Path) -> Iterator[Verdict]:
    """What each job runs first: a script of this folder, or text that stands in the template."""
    template = folder / "user_config_template.yaml.j2"
    script = folder / "worker_init.sh"
    try:
        provider = yaml.safe_load(_rendered(folder, template))["engine"]["provider"]
        first = str(provider.get("worker_init") or "")
    except Exception:  # noqa: BLE001  said by the check of the template
        if not script.exists():
            return
        first = f". {shlex.quote(str(script))}"
    named = _sourced(first)
    if named and not named.exists():
        found = f"jobs begin with {named}, which does not exist"
        yield fail("worker_init", found, f"name {script} under 'worker_init' in {template}")
        return
    text, where = (named.read_bytes(), named) if named else (first.encode(), template)
    fault = "its lines end as those of Windows do" if b"\r\n" in text else shell_fault(text)
    if fault:
        yield fail("worker_init", fault, f"fix {where}")
    elif named and named.resolve() != script.resolve():
        found = f"jobs begin with {named}, and not with the script of this folder"
        yield warn("worker_init", found, f"name {script} under 'worker_init' in {template}")
    else:
        yield ok("worker_init", "bash can read it")
    if not exported(text.decode(errors="replace"), "MLFLOW_TRACKING_URI"):
        yield fail(
            "registry of workers",
            f"{where.name} does not name it",
            f"add 'export MLFLOW_TRACKING_URI=...' to {where}",
        )


def _sourced(first: str) -> Path | None:
    """The ``worker_init.sh`` that jobs read, where the template only names it."""
    try:
        words = shlex.split(first, comments=True)
    except ValueError:  # a quote without its other, as in a script that stands there itself
        return None
    sourced = (
        Path(expandvars(word)).expanduser()
        for dot, word in pairwise(words)
        if dot in (".", "source")
    )
    return next((path for path in sourced if path.name == "worker_init.sh"), None)


def _secrets(folder: Path) -> Verdict:
    sent = [f for f in map(folder.joinpath, _SENT) if f.exists()]
    if holding := [f.name for f in sent if holds_secret(f.read_text(errors="replace"))]:
        script = folder / "worker_init.sh"
        place = str(script) if script.exists() else "what workers have, such as the pods' image"
        return fail(
            "secrets",
            f"what looks like a password or a token is in {', '.join(holding)}, which Globus is "
            "sent",
            f"move it into {place}, and change it: it is known by now",
        )
    files = [f for f in folder.iterdir() if f.is_file() and f.suffix in (".sh", ".json", ".yaml")]
    exposed = sorted(f.name for f in files if f.stat().st_mode & 0o077)
    if exposed and folder.stat().st_mode & 0o077:
        found = f"others may read {', '.join(exposed)}"
        return fail("secrets", found, f"run 'chmod -R go= {folder}'")
    return ok("secrets", "none in what Globus is sent, and others may not read the folder")


def _first_line(error: BaseException) -> str:
    """What an error says without quoting the file, in which there may be what nobody should see."""
    first, *more = str(error).strip().splitlines() or [type(error).__name__]
    if "validation error" in first:  # pydantic's; its first line says only that
        first += ": " + " ".join(line.partition("[type=")[0].strip() for line in more[:2])
    return first
