"""Write the folder of a Globus Compute endpoint, for ``globus-compute-endpoint start NAME``."""

import re
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from globus_compute_sdk.sdk.compute_dir import get_compute_dir

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.errors.machine import files, packages, whole_file
from matminer_compute.registration import Bundle

from .catalogue import read_site
from .options import EndpointOptions
from .rendering import allowed, render
from .script import shell_fault

__all__ = ["EndpointOptions", "allow_functions", "endpoint_folder", "init_endpoint"]

#: The list in ``config.yaml``, as ``init_endpoint`` or an operator wrote it.
_ALLOWED = re.compile(r"^allowed_functions:.*(\n[ \t]*-.*|\n[ \t]+\S.*)*(\n|\Z)", re.MULTILINE)


def init_endpoint(name: str, options: EndpointOptions) -> Path:
    """Write the endpoint's folder, whole or not at all, readable by its owner alone.

    No account is needed. The registry's address, which may hold a password, is only in
    ``worker_init.sh``: the endpoint sends configuration and template to Globus when it starts.

    Returns:
        The folder, below ``GLOBUS_COMPUTE_USER_DIR`` or else ``~/.globus_compute``.

    Raises:
        BundleError: the bundle is not of Globus Compute.
        EndpointNotConfigured: the folder exists or cannot be written, or a value cannot be used.
        PackageMissing: globus-compute-endpoint is not installed.
    """
    _check_name(name)
    site = read_site(options.site)
    options = options.at(site)
    with _compute_folder():
        folder = get_compute_dir().absolute() / name
        if folder.exists():
            raise EndpointNotConfigured(
                f"The endpoint folder {folder} exists; edit its files, or remove it first."
            )
        texts = render(name, folder, options, site)
        _check_shell(texts.get("worker_init.sh") or options.worker_init or "")
        _write(folder, texts)
    return folder


def allow_functions(name: str, bundle: Bundle) -> bool:
    """Let the functions of ``bundle`` run on an endpoint of this machine, and no others.

    The rest of ``config.yaml`` stays as it is, its comments too. The agent reads it at its start.

    Returns:
        Whether the file was changed.

    Raises:
        BundleError: the bundle is not of Globus Compute.
        EndpointNotConfigured: there is no such endpoint, or no ``allowed_functions`` in its file
            that could be replaced.
    """
    file = endpoint_folder(name) / "config.yaml"
    with _compute_folder():
        text = file.read_text(encoding="utf-8")
        listed = _ALLOWED.search(text)
        if listed is None:
            raise EndpointNotConfigured(
                f"{file} has no list under 'allowed_functions:', where the ids would go; add the "
                "line 'allowed_functions:' and run this again."
            )
        changed = text[: listed.start()] + _allowing(bundle) + text[listed.end() :]
        if not _allows(changed, bundle):
            raise EndpointNotConfigured(
                f"The list under 'allowed_functions:' in {file} is written in a way that cannot be "
                "replaced, so the file stays as it was; delete its ids, also those under a second "
                "'allowed_functions:', leave one line 'allowed_functions:' and run this again."
            )
        if changed == text:
            return False
        with whole_file(file) as part:
            part.write_text(changed, encoding="utf-8")
        file.chmod(0o600)
    return True


def _allowing(bundle: Bundle) -> str:
    return f"allowed_functions:\n{allowed(bundle)}\n"


def _allows(text: str, bundle: Bundle) -> bool:
    """Whether a ``config.yaml``, as the agent reads it, allows this bundle's functions alone."""
    with packages():
        import yaml
    try:
        listed = yaml.safe_load(text)["allowed_functions"]
    except (yaml.YAMLError, LookupError, TypeError):
        return False
    return bool(listed == [function.id for function in bundle.functions.values()])


def endpoint_folder(name: str) -> Path:
    """Where the endpoint of this name is.

    Raises:
        EndpointNotConfigured: there is none, or Globus Compute's own folder cannot be used.
    """
    with _compute_folder():
        folder = get_compute_dir().absolute() / name
        if not (folder / "config.yaml").is_file():
            raise EndpointNotConfigured(
                f"There is no endpoint {name!r} in {folder.parent}; make it with 'matminer-compute "
                "endpoint init', or set GLOBUS_COMPUTE_USER_DIR to where it is."
            )
    return folder


def _compute_folder() -> AbstractContextManager[None]:
    return files(
        "The folder of Globus Compute cannot be used",
        EndpointNotConfigured,
        "set GLOBUS_COMPUTE_USER_DIR to a folder of yours",
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for file_name, text in texts.items():
            file = part / file_name
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.touch(mode=0o700 if file.parent.name == "bin" else 0o600)
            file.write_text(text, encoding="utf-8")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_name(name: str) -> None:
    with packages():
        from globus_compute_endpoint.endpoint.endpoint import Endpoint

    try:
        Endpoint.validate_endpoint_name(name)
    except ValueError as error:
        raise EndpointNotConfigured(str(error)) from error


def _check_shell(text: str) -> None:
    """Let bash read the script, without running it: a slip would end every job at its start."""
    try:
        script = text.encode()
    except UnicodeEncodeError as error:
        raise EndpointNotConfigured("The registry and --worker-init must be UTF-8.") from error
    if fault := shell_fault(script):
        raise EndpointNotConfigured(
            f"bash cannot read the script of worker_init ({fault}); fix --worker-init."
        )
