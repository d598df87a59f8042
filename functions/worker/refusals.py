"""The codes and sentences of failures, as a caller meets them.

Each is a builtin exception whose text begins with a code in brackets and ends with what to do.
Raise them ``from None``: MLflow's own text may hold a password in an address.
"""

import difflib

from .address import public_address
from .faults import registry_fault


def refused(code: str, sentence: str) -> RuntimeError:
    """The exception for a failure with a code."""
    return RuntimeError(f"[{code}] {sentence}")


def not_set() -> RuntimeError:
    """No registry is named on this worker."""
    sentence = "MLFLOW_TRACKING_URI is not set on this worker; its worker_init should."
    return refused("registry-not-set", sentence)


def registry_at_fault(what: str, registry: str, failure: Exception) -> RuntimeError:
    """The registry did not do what was wanted of it; ``what`` begins the sentence."""
    fault = registry_fault(failure)
    code = "registry-unreachable" if fault.passing else "registry-refused"
    why = f" ({type(failure).__name__})" if fault.kind in ("unreachable", "refused") else ""
    who = f"the {'artifact store of the ' if fault.store else ''}registry"
    return refused(code, f"{what}: {who} {public_address(registry)} {fault.says}{why}.")


def no_registry(registry: str) -> RuntimeError:
    """There is no database where the registry should be."""
    sentence = f"There is no registry at {public_address(registry)}: check MLFLOW_TRACKING_URI"
    sentence += "; 'matminer-compute model train' makes one."
    return refused("registry-refused", sentence)


def no_such_model(name: str, others: list[str], registry: str) -> RuntimeError:
    """The registry has no model of that name; ``others`` are those that it has."""
    if not others:
        sentence = f"The registry {public_address(registry)} has no model: check "
        sentence += "MLFLOW_TRACKING_URI; 'matminer-compute model train' makes one."
        return refused("no-such-model", sentence)
    nearest = difflib.get_close_matches(name, others, n=5, cutoff=0.0)
    has = ", ".join(f"'{other}'" for other in nearest)
    more = f" and {len(others) - len(nearest)} more" if len(others) > len(nearest) else ""
    return refused("no-such-model", f"The registry has no '{name}'; it has {has}{more}.")


def no_such_version(
    name: str, version: str | int, numbers: list[int], marks: list[str]
) -> RuntimeError:
    """The model has no such version; ``numbers``, ascending, and ``marks`` are those it has."""
    has = f"it has {', '.join(map(str, numbers))}."
    if isinstance(version, str):
        nearest = difflib.get_close_matches(version, marks, n=5, cutoff=0.0)
        is_marked = f"there is {', '.join(repr(mark) for mark in nearest)}; or promote one: "
        sentence = f"No version of '{name}' is marked '{version}'; "
        sentence += (is_marked if marks else "promote one: ") + has
        return refused("no-production-version", sentence)
    if version > numbers[-1]:  # it may have been the newest, whose deletion leaves no trace
        never = f"'{name}' has no version {version} (deleted, or never given); {has}"
        return refused("unknown-version", never)
    return refused("version-deleted", f"'{name}' has no version {version} any more; {has}")


def not_a_model(name: str) -> RuntimeError:
    """A featurizer asked for predictions."""
    owner = name.removesuffix(" Featurizer")
    other = f"; ask '{owner}'" if owner != name else "; ask the model that it was made for"
    return refused("not-a-model", f"'{name}' is a featurizer and predicts nothing{other}.")


def unknown_interval(version: str, level: float, levels: list[float]) -> RuntimeError:
    """An interval of a level that was not learned."""
    has = ", ".join(f"{one:g}" for one in levels)
    sentence = f"{version} has no interval of level {level!r}; it has {has}."
    return refused("unknown-interval", sentence)


def another_schema(theirs: dict, model: dict, ours: dict) -> RuntimeError:
    """Features of ``theirs`` given to a model that was trained on ``ours``: names and versions."""
    return refused(
        "feature-schema-mismatch",
        f"Features of '{theirs.get('name')}' version {theirs.get('version')} do not fit "
        f"'{model['name']}' version {model['version']}, which was trained on '{ours['name']}' "
        f"version {ours['version']}; featurize again with that.",
    )
