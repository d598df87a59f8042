"""What a worker's own report, of ``inspect_worker``, says of its machine, packages and registry."""

from collections.abc import Iterator, Mapping
from typing import Any

from .verdict import Verdict, fail, ok, warn

_SCRIPT = "worker_init.sh of the endpoint"
_GB = 1e9


def examine_worker(
    report: Mapping[str, Any], *, agent: Mapping[str, str | None], asked: float, answered: float
) -> Iterator[Verdict]:
    """Judge a report.

    Args:
        report: what ``inspect_worker`` returned.
        agent: versions by package on the machine of the endpoint's agent; nothing is compared with
            a version that is not known.
        asked: when the worker was asked, in seconds since 1970 by the clock of this machine.
        answered: when its answer was there.
    """
    python = f"{report['host']}, Python {report['python']}"
    yield ok("worker", python)
    yield from _same_as_agent(report["packages"], agent)
    yield from _registry(report)
    if report["model"]:
        yield from _environment(report)
        yield from _loading(report)
    yield from _node(report["node"])
    yield _clock(report["node"]["clock"], asked, answered)


def _same_as_agent(
    packages: Mapping[str, str | None], agent: Mapping[str, str | None]
) -> Iterator[Verdict]:
    """Parsl must be the same on both sides; of the agent's package the minor version."""
    for package, parts in (("parsl", 3), ("globus-compute-endpoint", 2)):
        there, here = packages.get(package), agent.get(package)
        if not there or not here:
            continue
        if there.split(".")[:parts] == here.split(".")[:parts]:
            yield ok(package, f"{there} on both sides")
            continue
        found = f"{there} on the worker, {here} here"
        advice = f"run 'pip install {package}=={here}' in the environment that {_SCRIPT} activates"
        yield (fail if package == "parsl" else warn)(package, found, advice)


def _registry(report: Mapping[str, Any]) -> Iterator[Verdict]:
    registry, model, half = report["registry"], report["model"], report["featurizer"]
    where = registry["address"] or "no address"
    if registry["reachable"]:
        yield ok("registry", f"{where} answers in {registry['seconds']:.2g} s")
    if model:
        yield ok(
            "model",
            f"'{model['name']}' version {model['version']}, with '{half['name']}' version "
            f"{half['version']}",
        )
    if error := registry["error"]:
        code, _, sentence = error.removeprefix("[").partition("] ")
        check = "loading" if model else "model" if registry["reachable"] else "registry"
        yield fail(check, sentence or code, _ADVICE.get(code, f"see {_SCRIPT}"))


#: What to change, by the code that the worker's own functions give a failure.
_ADVICE = {
    "registry-not-set": f"add 'export MLFLOW_TRACKING_URI=...' to {_SCRIPT}",
    "registry-unreachable": "start the registry, or fix its address or the way there from a node: "
    f"MLFLOW_TRACKING_URI in {_SCRIPT}",
    "registry-refused": f"fix MLFLOW_TRACKING_URI and the credentials beside it in {_SCRIPT}, "
    "or, for an artifact store, what the sentence names",
    "no-such-model": "ask for a model that is there (--model), or publish it",
    "no-production-version": "run 'matminer-compute model promote' where it was published",
    "package-missing": "install what the model was trained with into the environment that "
    f"{_SCRIPT} activates",
    "no-room": f"make room on the node, or set MATMINER_COMPUTE_CACHE in {_SCRIPT} to where there "
    "is some",
    "artifact-altered": "publish the model again, and promote that",
    "model-not-loadable": "publish the model again with this version of matminer-compute",
}


def _environment(report: Mapping[str, Any]) -> Iterator[Verdict]:
    if report["load_seconds"] is None:
        return
    differing = [w for w in report["warnings"] if "was trained with" in w]
    for warning in differing:
        advice = f"install that into the environment that {_SCRIPT} activates"
        yield warn("libraries", warning, advice)
    if not differing and report["trained_with"]:
        yield ok("libraries", "of the versions that the model was trained with")
    for warning in report["warnings"]:
        if warning not in differing:
            yield warn("loading", warning, f"see {_SCRIPT}")


def _loading(report: Mapping[str, Any]) -> Iterator[Verdict]:
    cold, warm = report["load_seconds"], report["warm_seconds"]
    if cold is not None and warm is not None:
        yield ok("loading", f"first answer in {cold:.2g} s, the next in {warm:.2g} s")


def _node(node: Mapping[str, Any]) -> Iterator[Verdict]:
    cache = node["cache"]
    elsewhere = f"set MATMINER_COMPUTE_CACHE in {_SCRIPT} to a folder of yours on a local disk"
    if cache["error"]:
        yield warn("cache", f"{cache['folder']} cannot be used ({cache['error']})", elsewhere)
    elif cache["free"] < _GB:
        yield warn("cache", f"{cache['folder']} has {cache['free'] / _GB:.2g} GB left", elsewhere)
    else:
        yield ok("cache", f"{cache['folder']} can be written, {cache['free'] / _GB:.0f} GB left")
    held, free = node["memory"]["held"], node["memory"]["free"]
    workers = int(node["threads"]["PARSL_WORKER_COUNT"] or 1)
    if held and free:
        found = f"this worker holds {held / _GB:.2g} GB, the node has {free / _GB:.3g} GB left"
        if free < held * (workers - 1):
            advice = "lower max_workers_per_node, or ask for more memory, in the template"
            yield warn("memory", f"{found} for {workers - 1} more like it", advice)
        else:
            yield ok("memory", found)
    yield _threads(node, workers)


def _threads(node: Mapping[str, Any], workers: int) -> Verdict:
    ours = node["threads"]["MATMINER_COMPUTE_THREADS"]
    found = f"{node['cpus']} CPUs for {workers} {'worker' if workers == 1 else 'workers'}"
    if workers > node["cpus"]:
        advice = "lower max_workers_per_node, or ask for more CPUs, in the template"
        return warn("threads", found, advice)
    if workers > 1 and not (ours and node["threads"]["OMP_NUM_THREADS"]):
        advice = f"add 'export MATMINER_COMPUTE_THREADS=1 OMP_NUM_THREADS=1' to {_SCRIPT}"
        return warn("threads", f"{found}, and each starts as many threads as it likes", advice)
    return ok("threads", found)


def _clock(clock: float, asked: float, answered: float) -> Verdict:
    """The worker looked at its clock between the two."""
    off = max(asked - clock, clock - answered, 0.0)
    if off < 60:
        return ok("clock", "it agrees with this machine's")
    return warn(
        "clock",
        f"it is {off:.0f} s off this machine's: signatures and tokens may be refused for that",
        "ask the site to set the node's clock, or set this machine's",
    )
