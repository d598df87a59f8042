"""Formulas to features, on the worker."""


def featurize_composition(
    formulas: list[str],
    *,
    name: str = "Matminer Featurizer",
    version: str = "Production",
    encode: bool = True,
) -> dict:
    """Featurize compositions with a registered featurizer; travels as this text alone.

    Args:
        formulas: chemical formulas, any number; an unusable one is data, not an error.
        name: registered model name of the featurizer.
        version: an alias, a stage (older registries) or a version number.
        encode: ``False`` leaves the array as it is, one row per *distinct* composition with an
            ``index`` into it: for a step in the same task, where nothing crosses a wire.

    Returns:
        ``features``: base64 of a compressed ``.npz`` holding ``features``, float64 of shape
        (n_accepted, n_features); ``labels`` of its columns; ``rows``: index into ``formulas`` of
        each accepted row;
        ``rejected``: reason by row, the row as text; ``featurizer``: name, version, run_id,
        schema; ``loading``: cold, stale, seconds, warnings.

    Raises:
        TypeError: ``formulas`` is not a list.
        RuntimeError: ``[code] sentence``: the registry or the version is at fault.
    """
    import base64
    import io
    import time

    import numpy as np

    # The loader stands in predict too, to the letter: each function travels alone.
    def load(name: str, version: str) -> tuple:
        """(model, its tags and numbers, what loading it took); once per worker and version."""
        import errno
        import fcntl
        import hashlib
        import os
        import shutil
        import sys
        import tempfile
        import threading
        import types
        import urllib.parse
        from pathlib import Path

        home = sys.modules.setdefault(  # outlives the task: source text is compiled for each
            "matminer_compute_worker", types.ModuleType("matminer_compute_worker")
        )
        state = vars(home).setdefault("state", {"resolved": {}, "models": {}, "locks": {}})
        registry = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
        name, version = str(name), str(version)
        loading: dict = {"cold": False, "stale": False, "seconds": 0.0, "warnings": []}
        started = time.perf_counter()

        def error(code: str, sentence: str) -> RuntimeError:
            # Always raised "from None": MLflow's own message may hold a password in an address.
            return RuntimeError(f"[{code}] {sentence}")

        def locked(*key: object) -> threading.Lock:
            return state["locks"].setdefault(key, threading.Lock())

        def address() -> str:
            parts = urllib.parse.urlsplit(str(registry))
            return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

        def refusal(known: list) -> RuntimeError:
            numbers = ", ".join(map(str, known))
            if not known:
                return error("no-such-model", f"The registry has no '{name}'; publish one.")
            if not version.isdigit():
                sentence = (
                    f"No version of '{name}' is marked '{version}'; promote one of {numbers}."
                )
                return error("no-production-version", sentence)
            gone = int(version) < known[-1]  # a registry counts on and never gives a number twice
            return error(
                "version-deleted" if gone else "unknown-version",
                f"'{name}' has no version {version}{' any more' * gone}; ask for one of {numbers}.",
            )

        def look_up() -> dict:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            client = MlflowClient()
            get = (
                client.get_model_version if version.isdigit() else client.get_model_version_by_alias
            )
            try:
                found = get(name, version)
            except MlflowException as absent:
                if absent.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                known = {int(v.version): v for v in client.search_model_versions(f"name='{name}'")}
                staged = [number for number in known if known[number].current_stage == version]
                if not staged:
                    raise refusal(sorted(known)) from None
                found = known[max(staged)]
            return {
                "version": str(found.version),
                "run_id": found.run_id or "",
                "tags": dict(found.tags),
            }

        def resolve() -> dict:
            """The version behind the alias, asked again when its answer has aged."""
            key = (registry, name, version)
            refresh = float(os.environ.get("MATMINER_COMPUTE_REFRESH_S", 30))

            def fresh() -> bool:
                kept = state["resolved"].get(key)
                return kept is not None and (
                    version.isdigit() or time.monotonic() - kept["checked"] < refresh
                )

            if not fresh():
                with locked("resolve", key):
                    if not fresh():
                        ask(key)
            loading["stale"] = state["resolved"][key]["stale"]
            return state["resolved"][key]["info"]

        def ask(key: tuple) -> None:
            # MLflow waits for minutes and draws bars by default; an operator's settings win.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            kept, errors = state["resolved"].get(key), []

            def run() -> None:  # goes on if it is slow: the next call has its answer
                try:
                    info = look_up()
                    state["resolved"][key] = {
                        "info": info, "stale": False, "checked": time.monotonic()
                    }  # fmt: skip
                except Exception as failure:  # noqa: BLE001  judged by the thread that waits
                    errors.append(failure)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            thread.join(2.0 if kept else 12.0)  # a warm worker can go on with what it has
            if state["resolved"].get(key) is not kept:
                return
            said = str(errors[0]) if errors and isinstance(errors[0], RuntimeError) else ""
            if said.startswith("["):  # the registry answered, and the answer is no
                state["resolved"].pop(key, None)
                raise RuntimeError(said) from None
            if kept is None:
                why = type(errors[0]).__name__ if errors else "no answer in 12 s"
                raise error(
                    "registry-unreachable",
                    f"The registry {address()} does not answer ({why}); check that it runs and "
                    "that this worker's MLFLOW_TRACKING_URI names it.",
                ) from None
            state["resolved"][key] = {**kept, "stale": True, "checked": time.monotonic()}

        def digest(folder: Path) -> str:
            lines = []
            for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
                if path.is_file() and path.name != "registered_model_meta":
                    with path.open("rb") as file:
                        digested = hashlib.file_digest(file, "sha256").hexdigest()
                    lines.append(f"{digested}  {path.relative_to(folder).as_posix()}\n")
            return hashlib.sha256("".join(lines).encode()).hexdigest()

        def fetch(info: dict, cache: Path) -> Path:
            """The artifact in the node's cache, downloaded by one worker for all of the node."""
            import mlflow.artifacts

            folder = cache / info["tags"]["digest"]
            if folder.is_dir() and digest(folder) == folder.name:
                os.utime(folder)
                return folder
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (cache / f"{folder.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if folder.is_dir() and digest(folder) == folder.name:
                    return folder
                for dead in cache.glob(f".{folder.name}-*"):  # its writer was killed
                    shutil.rmtree(dead, ignore_errors=True)
                part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
                try:
                    source = f"models:/{name}/{info['version']}"
                    mlflow.artifacts.download_artifacts(source, dst_path=str(part))
                except Exception as failure:  # noqa: BLE001  stores raise what they like
                    shutil.rmtree(part, ignore_errors=True)
                    if os.strerror(errno.ENOSPC) in str(failure):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
                    raise error(
                        "registry-unreachable",
                        f"Version {info['version']} of '{name}' cannot be downloaded from "
                        f"{address()} ({type(failure).__name__}); check its artifact store.",
                    ) from None
                if digest(part) != folder.name:
                    shutil.rmtree(part, ignore_errors=True)
                    raise error(
                        "artifact-altered",
                        f"Version {info['version']} of '{name}' is not what was published; "
                        "publish it again.",
                    )
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)  # whole or not at all
            prune(cache, folder)
            return folder

        def prune(cache: Path, keep: Path) -> None:
            limit = float(os.environ.get("MATMINER_COMPUTE_CACHE_GB", 20)) * 1e9
            folders = sorted(
                (f for f in cache.glob("[0-9a-f]*") if f.is_dir()), key=lambda f: -f.stat().st_mtime
            )
            for folder in folders:
                limit -= sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                if limit < 0 and folder != keep:
                    shutil.rmtree(folder, ignore_errors=True)

        def differing(trained_with: dict) -> list:
            import importlib.metadata
            import platform

            def here(package: str) -> str:
                if package == "python":
                    return platform.python_version()
                try:
                    return importlib.metadata.version(package)
                except importlib.metadata.PackageNotFoundError:
                    return "missing"

            return [
                f"{package} is {here(package)} on this worker; '{name}' was trained with {wanted}."
                for package, wanted in trained_with.items()
                if here(package).split(".")[:2] != wanted.split(".")[:2]
            ]

        def materialize(info: dict) -> tuple:
            """The model, and what is worth saying in each of its answers."""
            import json

            import mlflow.pyfunc

            if not {"schema", "digest"} <= info["tags"].keys():
                raise error(
                    "model-not-loadable",
                    f"Version {info['version']} of '{name}' was not published by matminer-compute; "
                    "publish it with 'matminer-compute model publish'.",
                )
            warnings = differing(json.loads(info["tags"].get("requirements", "{}")))
            shared = os.environ.get("MATMINER_COMPUTE_CACHE") or (
                Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
                / "matminer-compute"
            )
            try:
                folder = fetch(info, Path(shared).absolute())
            except OSError as unusable:
                warnings.append(
                    f"The cache folder {shared} cannot be used ({unusable.strerror or unusable}); "
                    "this worker keeps a private copy."
                )
                if "private" not in state:
                    state["private"] = tempfile.TemporaryDirectory(prefix="matminer-compute-")
                folder = fetch(info, Path(state["private"].name))
            # Nothing may be written into the folder, or its digest would no longer hold.
            os.environ.setdefault("NUMBA_CACHE_DIR", str(folder.parent / ".compiled"))
            wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
            try:
                return mlflow.pyfunc.load_model(str(folder)).unwrap_python_model(), warnings
            finally:
                sys.dont_write_bytecode = wrote

        if not registry:
            raise error(
                "registry-not-set",
                "MLFLOW_TRACKING_URI is not set on this worker; set it in the endpoint's "
                "worker_init.",
            )
        info = resolve()
        models, key = state["models"], (registry, name, info["version"])
        loaded = models.get(key)
        if loaded is None:
            with locked("load"):  # MLflow hands a model from code over in a global: one at a time
                loaded = models.get(key)
                if loaded is None:
                    loading["cold"] = True
                    try:
                        loaded = materialize(info)
                    except ImportError as missing:
                        sentence = f"This worker lacks a package ({missing}); install it there."
                        raise error("package-missing", sentence) from None
                    models[key] = loaded
        with locked("models"):  # the one in use goes last, and of the others one is kept
            models.pop(key, None)
            models[key] = loaded
            for older in [k for k in models if k[:2] == key[:2]][:-2]:
                del models[older]
        model, loading["warnings"] = loaded
        loading["seconds"] = time.perf_counter() - started
        return model, info, loading

    if not isinstance(formulas, list):
        raise TypeError(
            f"[formulas-not-a-list] formulas must be a list of text, not {type(formulas).__name__};"
            " write ['NaCl'] for one."
        )
    featurizer, info, loading = load(name, version)
    started = time.perf_counter()
    features, rows, index, rejected = featurizer.featurize(formulas)
    result = {
        "features": features,
        "rows": rows,
        "rejected": {str(row): reason for row, reason in rejected.items()},
        "featurizer": {
            "name": name,
            "version": info["version"],
            "run_id": info["run_id"],
            "schema": info["tags"]["schema"],
        },
        "loading": loading,
    }
    if encode:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, features=features[index])
        result["features"] = base64.b64encode(buffer.getvalue()).decode("ascii")
        result["labels"] = list(featurizer.labels)
    else:
        result["index"] = index
    result["seconds"] = time.perf_counter() - started
    return result
