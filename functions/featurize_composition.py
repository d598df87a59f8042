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
        """(model, its version, what loading took); a version is loaded once in a worker process."""
        import concurrent.futures
        import contextlib
        import errno
        import fcntl
        import hashlib
        import importlib.metadata
        import json
        import os
        import platform
        import shutil
        import sys
        import tempfile
        import threading
        import time
        from pathlib import Path

        started, name, version = time.perf_counter(), str(name), str(version)
        registry = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
        refresh = float(os.environ.get("MATMINER_COMPUTE_REFRESH_S") or 30)
        pointer = (registry, name, version)
        # A module outlives the task. This text does not: it is compiled anew for each.
        module = type(sys)("matminer_compute_worker")
        state = vars(sys.modules.setdefault(module.__name__, module))
        known = state.setdefault("known", {})  # by pointer: what the registry last said
        asking = state.setdefault("asking", {})  # by pointer: the question under way
        answered = state.setdefault("answered", {})  # by pointer: the version that answered last
        failed = state.setdefault("failed", {})  # by pointer: when loading failed, and why
        models = state.setdefault("models", {})  # by registry, name and number

        def error(code: str, sentence: str) -> RuntimeError:
            # Always raised "from None": MLflow's own text may hold a password in an address.
            return RuntimeError(f"[{code}] {sentence}")

        def unreachable(what: str, failure: Exception) -> RuntimeError:
            scheme, slashes, rest = str(registry).partition("//")
            address = scheme + slashes + rest.rpartition("@")[2].partition("?")[0]
            why = getattr(failure, "error_code", type(failure).__name__)
            sentence = f"{what}: the registry {address} does not answer ({why}); check that it runs"
            return error("registry-unreachable", f"{sentence} and what MLFLOW_TRACKING_URI names.")

        def look_up() -> dict:
            """What the registry says of the pointer: a version, or why there is none."""
            import mlflow

            client = mlflow.MlflowClient()
            by_alias, by_number = client.get_model_version_by_alias, client.get_model_version
            try:
                found = (by_number if version.isdigit() else by_alias)(name, version)
            except mlflow.MlflowException as absent:
                if absent.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                query = "name='{}'".format(name.replace("'", "''"))
                there = {int(v.version): v for v in client.search_model_versions(query)}
                staged = [number for number, v in there.items() if v.current_stage == version]
                if not staged:
                    return {"refusal": refusal(sorted(there))}
                found = there[max(staged)]
            tags = dict(found.tags)
            return {"version": str(found.version), "run_id": found.run_id or "", "tags": tags}

        def refusal(numbers: list) -> str:
            has = f"it has {', '.join(map(str, numbers))}."
            if not numbers:
                return f"[no-such-model] The registry has no '{name}'; publish one."
            if not version.isdigit():
                sentence = f"No version of '{name}' is marked '{version}'; promote one: {has}"
                return f"[no-production-version] {sentence}"
            if int(version) > numbers[-1]:  # a registry never gives a number twice
                return f"[unknown-version] '{name}' has no version {version}; {has}"
            return f"[version-deleted] '{name}' has no version {version} any more; {has}"

        def ask(question: concurrent.futures.Future) -> None:
            try:
                info = {**look_up(), "stale": False, "until": time.monotonic() + refresh}
                if "refusal" in info:
                    known.pop(pointer, None)
                else:
                    known[pointer] = info
                    known[registry, name, info["version"]] = {**info, "until": float("inf")}
                question.set_result(info)
            except Exception as failure:  # noqa: BLE001  judged by whoever waits
                question.set_exception(failure)
            finally:
                asking.pop(pointer)

        def go_on_with(info: dict) -> dict:
            known[pointer] = {**info, "stale": True, "until": time.monotonic() + refresh}
            return known[pointer]

        def resolve() -> dict:
            """The version that the pointer names, asked again when the answer has aged."""
            info = known.get(pointer)
            if info and time.monotonic() < info["until"]:
                return info
            # What these imports take, on a busy node, is not the registry's time.
            from mlflow.store.db.db_types import DATABASE_ENGINES

            if str(registry).startswith(tuple(DATABASE_ENGINES)):
                import mlflow.store.model_registry.sqlalchemy_store  # noqa: F401

            # MLflow waits for minutes and draws bars by default; an operator's settings win.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            with state.setdefault("lock", threading.Lock()):
                info, mine = known.get(pointer), pointer not in asking
                if info and (time.monotonic() < info["until"] or not mine):
                    return info  # one call waits for the registry; others go on with what they have
                question = asking.setdefault(pointer, concurrent.futures.Future())
                if mine:
                    threading.Thread(target=ask, args=(question,), daemon=True).start()
            try:
                info = question.result(10 if not info else 0.3 if info["stale"] else 2)
            except Exception as failure:  # noqa: BLE001  stores raise what they like
                if not info:
                    raise unreachable(f"'{name}' cannot be found", failure) from None
                info = go_on_with(info)
            if "refusal" in info:
                raise RuntimeError(info["refusal"]) from None
            return info

        def digest(folder: Path) -> str:
            files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
            files.pop("registered_model_meta", None)  # MLflow adds it to what it downloads
            lines = hashlib.sha256()
            for path in sorted(files):
                with files[path].open("rb") as file:
                    hexadecimal = hashlib.file_digest(file, "sha256").hexdigest()
                lines.update(f"{hexadecimal}  {path}\n".encode())
            return lines.hexdigest()

        def intact(folder: Path) -> bool:
            """Whether it holds what its name says: hashed once a boot, and when a file changed."""
            boot, note = Path("/proc/sys/kernel/random/boot_id"), folder.with_suffix(".hashed")
            files = {str(p): p.stat() for p in sorted(folder.rglob("*")) if p.is_file()}
            # No write leaves a file's ctime as it was, whatever it does to its mtime.
            seen = [[path, s.st_ino, s.st_size, s.st_ctime_ns] for path, s in files.items()]
            found = json.dumps([boot.read_text() if boot.exists() else "", seen])
            if note.exists() and note.read_text() == found:
                return True
            if digest(folder) != folder.name:
                return False
            with contextlib.suppress(OSError):  # read-only, or full: then every load hashes
                note.write_text(found)
            return True

        def download(info: dict, part: Path) -> None:
            import mlflow.artifacts

            what = f"Version {info['version']} of '{name}'"
            try:
                source = f"models:/{name}/{info['version']}"
                mlflow.artifacts.download_artifacts(source, dst_path=str(part))
            except Exception as failure:  # noqa: BLE001  stores raise what they like
                for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    if os.strerror(number) in str(failure):
                        raise OSError(number, os.strerror(number)) from None
                raise unreachable(f"{what} cannot be downloaded", failure) from None
            for left in part.rglob("__pycache__"):  # by whoever loaded it in a store that is a disk
                shutil.rmtree(left)
            if digest(part) != info["tags"]["digest"]:
                raise error("artifact-altered", f"{what} is not what was published; publish again.")

        def fetch(info: dict, cache: Path) -> Path:
            """The artifact in a cache folder, downloaded by one worker for all of the node."""
            folder = cache / info["tags"]["digest"]
            if intact(folder):
                if os.access(folder, os.W_OK):  # a cache may be filled beforehand, and read-only
                    os.utime(folder)
                return folder
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            with folder.with_suffix(".lock").open("a") as lock:
                before = os.fstat(lock.fileno()).st_mtime_ns
                fcntl.flock(lock, fcntl.LOCK_EX)
                if intact(folder):
                    return folder
                if os.fstat(lock.fileno()).st_mtime_ns != before:  # or each would try in its turn
                    raise unreachable(f"Another worker failed to get '{name}'", TimeoutError())
                for dead in cache.glob(f".{folder.name}-*"):  # its writer was killed
                    shutil.rmtree(dead, ignore_errors=True)
                part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
                try:
                    download(info, part)
                    shutil.rmtree(folder, ignore_errors=True)
                    part.rename(folder)  # whole or not at all
                except RuntimeError:
                    os.utime(lock.fileno())
                    raise
                finally:
                    shutil.rmtree(part, ignore_errors=True)
            prune(cache, folder)
            return folder

        def prune(cache: Path, keep: Path) -> None:
            """Remove what was unused for longest, beyond the limit; who has it mapped keeps it."""
            room = float(os.environ.get("MATMINER_COMPUTE_CACHE_GB") or 20) * 1e9
            folders = [f for f in cache.iterdir() if f.is_dir() and f.name != ".compiled"]
            for folder in sorted(folders, key=lambda f: f.stat().st_mtime, reverse=True):
                room -= sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                if room < 0 and folder != keep:
                    shutil.rmtree(folder, ignore_errors=True)
                    for suffix in (".lock", ".hashed"):
                        folder.with_suffix(suffix).unlink(missing_ok=True)

        def read(info: dict, folder: Path) -> object:
            import mlflow.pyfunc

            # Nothing may be written into the folder, or its digest would no longer hold.
            wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
            chosen = os.environ.get("NUMBA_CACHE_DIR")
            os.environ["NUMBA_CACHE_DIR"] = chosen or str(folder.with_name(".compiled"))
            try:
                return mlflow.pyfunc.load_model(
                    str(folder), suppress_warnings=True
                ).unwrap_python_model()
            except Exception as failure:  # noqa: BLE001  the artifact's code raises what it likes
                why = failure.__cause__ or failure
                if isinstance(why, OSError):  # the folder's fault
                    raise why from None
                code = "package-missing" if isinstance(why, ImportError) else "model-not-loadable"
                sentence = f"Version {info['version']} of '{name}' does not load on this worker"
                raise error(code, f"{sentence}; put right: {type(why).__name__}: {why}") from None
            finally:
                sys.dont_write_bytecode = wrote
                if not chosen:
                    del os.environ["NUMBA_CACHE_DIR"]

        def differing(trained_with: dict) -> list:
            """Libraries of another minor version than the model's."""
            found = {p: importlib.metadata.distributions(name=p) for p in trained_with}
            here = {p: next((d.version for d in found[p]), "missing") for p in trained_with}
            here["python"] = platform.python_version()
            return [
                f"{package} is {here[package]} on this worker; '{name}' was trained with {wanted}."
                for package, wanted in trained_with.items()
                if here[package].split(".")[:2] != wanted.split(".")[:2]
            ]

        def materialize(info: dict) -> dict:
            """The model, and what is worth saying in each of its answers."""
            tags, what = info["tags"], f"Version {info['version']} of '{name}'"
            if not {"schema", "digest"} <= tags.keys():
                sentence = f"{what} was not published by matminer-compute; publish it with that."
                raise error("model-not-loadable", sentence)
            half, number = tags.get("featurizer"), tags.get("featurizer_version")
            try:
                if half:  # a pair comes into use as a whole, or not at all
                    load(half, number)
            except RuntimeError as failure:
                if not str(failure).startswith(("[version-", "[unknown-version", "[no-such-model")):
                    raise
                sentence = f"{what} needs version {number} of '{half}', which is gone; train again."
                raise error("featurizer-missing", sentence) from None
            warnings = differing(json.loads(tags.get("requirements", "{}")))
            caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
            shared = os.environ.get("MATMINER_COMPUTE_CACHE") or f"{caches}/matminer-compute"
            try:
                folder = fetch(info, Path(shared).absolute())
                return {"model": read(info, folder), "warnings": warnings}
            except OSError as unusable:
                full = f"The cache folder {shared} cannot be used ({unusable.strerror or unusable})"
                warnings.append(f"{full}; this worker has a private copy.")
            try:  # read or mapped, it needs no folder; a worker that is killed would leave one
                with tempfile.TemporaryDirectory(prefix="matminer-compute-") as private:
                    return {"model": read(info, fetch(info, Path(private))), "warnings": warnings}
            except OSError:
                raise error("no-room", f"{full}, nor can {tempfile.gettempdir()}.") from None

        def bring() -> tuple:
            """Load the version that the pointer names; out of reach, go on with the one before."""
            info = resolve()  # another thread may have loaded it, or found it out of reach
            key = (registry, name, info["version"])
            if key in models:
                return info, models[key], False
            if failed.get(pointer, (0.0, ""))[0] > started:  # or each thread would try in its turn
                raise RuntimeError(failed[pointer][1]) from None
            try:
                models[key] = {**materialize(info), "used": time.monotonic()}
            except RuntimeError as failure:
                before = answered.get(pointer, info)
                record = models.get((registry, name, before["version"]))
                if record and str(failure).startswith("[registry-unreachable]"):
                    return go_on_with(before), record, False
                failed[pointer] = (time.perf_counter(), str(failure))
                raise
            versions = [k for k in models if k[:2] == key[:2]]
            for older in sorted(versions, key=lambda k: models[k]["used"])[:-2]:
                del models[older]
            return info, models[key], True

        if not registry:
            sentence = "MLFLOW_TRACKING_URI is not set on this worker; its worker_init should."
            raise error("registry-not-set", sentence)
        info, cold = resolve(), False
        record = models.get((registry, name, info["version"]))
        if record is None:
            # One at a time: MLflow hands a model from code over in a global.
            with state.setdefault("loading", threading.RLock()):
                info, record, cold = bring()
        record["used"], answered[pointer] = time.monotonic(), info
        model, loading = record["model"], {"cold": cold, "stale": info["stale"]}
        loading |= {"seconds": time.perf_counter() - started, "warnings": record["warnings"]}
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
