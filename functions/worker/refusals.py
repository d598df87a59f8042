"""The codes and sentences of failures, as a caller meets them.

Each is a builtin exception whose text begins with a code in brackets and ends with what to do.
Raise them ``from None``: MLflow's own text may hold a password in an address.
"""


def refused(code: str, sentence: str) -> RuntimeError:
    """The exception for a failure with a code."""
    return RuntimeError(f"[{code}] {sentence}")


def address(registry: str | None) -> str:
    """A registry's address without the user, password and options that it may hold."""
    scheme, slashes, rest = str(registry).partition("//")
    return scheme + slashes + rest.rpartition("@")[2].partition("?")[0]


def not_set() -> RuntimeError:
    """No registry is named on this worker."""
    sentence = "MLFLOW_TRACKING_URI is not set on this worker; its worker_init should."
    return refused("registry-not-set", sentence)


def unreachable(what: str, registry: str | None, failure: Exception) -> RuntimeError:
    """The registry did not answer; ``what`` begins the sentence and says what was wanted of it."""
    why = getattr(failure, "error_code", type(failure).__name__)
    sentence = f"{what}: the registry {address(registry)} does not answer ({why}); check that it"
    return refused("registry-unreachable", f"{sentence} runs and what MLFLOW_TRACKING_URI names.")


def not_there(name: str, version: str | int, numbers: list[int]) -> RuntimeError:
    """The registry has no such version; ``numbers``, ascending, are those that it has."""
    if not numbers:
        return refused("no-such-model", f"The registry has no '{name}'; publish one.")
    has = f"it has {', '.join(map(str, numbers))}."
    if isinstance(version, str):
        sentence = f"No version of '{name}' is marked '{version}'; promote one: {has}"
        return refused("no-production-version", sentence)
    if version > numbers[-1]:  # a registry never gives a number twice
        return refused("unknown-version", f"'{name}' has no version {version}; {has}")
    return refused("version-deleted", f"'{name}' has no version {version} any more; {has}")


def another_schema(theirs: dict, model: dict, ours: dict) -> RuntimeError:
    """Features of ``theirs`` given to a model that was trained on ``ours``: names and versions."""
    return refused(
        "feature-schema-mismatch",
        f"Features of '{theirs.get('name')}' version {theirs.get('version')} do not fit "
        f"'{model['name']}' version {model['version']}, which was trained on '{ours['name']}' "
        f"version {ours['version']}; featurize again with that.",
    )
