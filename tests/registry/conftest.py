"""Two sites on one PostgreSQL and one S3 store: files through the server, and past it."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import boto3
import pytest
from arrived import forget
from mlflow.store.artifact import s3_artifact_repo
from worker.server import MlflowServer

from matminer_compute.model import promote, train

from .bucket import BUCKET, Store, TokenGate
from .planted import SECRETS
from .postgres import Postgres
from .site import SMALL, Site

_AUTH = """\
[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = admin
auth_cache_ttl_seconds = 600
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@pytest.fixture(scope="session")
def postgres():
    with Postgres(SECRETS["database"]) as postgres:
        yield postgres


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="session")
def sites(postgres, store, tmp_path_factory):
    """Both kinds: ``proxied`` asks for a password, ``direct`` stands behind a gate with a token."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("proxied", "direct")}
    (folders["proxied"] / "auth.ini").write_text(_AUTH.format(folder=folders["proxied"]))
    options = {
        "proxied": ("--app-name=basic-auth", f"--artifacts-destination=s3://{BUCKET}/proxied"),
        "direct": ("--no-serve-artifacts", f"--default-artifact-root=s3://{BUCKET}/direct"),
    }
    own = {
        "proxied": {
            "MLFLOW_AUTH_CONFIG_PATH": str(folders["proxied"] / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": SECRETS["admin"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": SECRETS["flask"],
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            **store.environment,
        },
        "direct": {},
    }
    servers = {
        kind: MlflowServer(
            folders[kind],
            options[kind],
            own[kind] | {"MLFLOW_BACKEND_STORE_URI": postgres.database(kind)},
        )
        for kind in options
    }
    with ExitStack() as stack, ThreadPoolExecutor() as at_once:
        list(at_once.map(stack.enter_context, servers.values()))
        gate = TokenGate(servers["direct"].uri, SECRETS["token"])
        stack.callback(gate.close)
        user = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": SECRETS["admin"]}
        # moto knows no signed addresses where it checks keys, and the server would give them out.
        user["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "false"
        token = {"MLFLOW_TRACKING_TOKEN": SECRETS["token"]}
        proxied, direct = servers["proxied"], servers["direct"]
        yield {
            "proxied": Site(proxied.uri, user, store, proxied),
            "direct": Site(gate.uri, token | store.environment, store, direct, gate),
        }


@pytest.fixture
def cache(tmp_path):
    """The node's cache folder of this test; it does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def enter(sites, cache):
    """Become one who publishes to a site and asks its models, with a cache of this test's own.

    ``enter(kind, **variables)``; a variable that is None is not set. A model is there, trained by
    whoever comes first; its version 1 is Production.
    """
    before = dict(os.environ)

    def enter(kind, **variables):
        site = sites[kind]
        begin_anew()
        os.environ.clear()
        os.environ.update(before | site.environment)
        # Workers that wait for a registry in trouble should not make a test wait as long.
        os.environ.update(MATMINER_COMPUTE_REFRESH_S="0.2", MATMINER_COMPUTE_CACHE=str(cache))
        os.environ["MLFLOW_TRACKING_URI"] = site.uri
        if not site.trained:
            site.trained.append(train(SMALL))
            promote(force=True)
        for variable, value in variables.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
        return site

    yield enter
    for site in sites.values():
        site.store.gate.reset()
        if site.gate is not None:
            site.gate.reset()
    os.environ.clear()
    os.environ.update(before)
    begin_anew()


def begin_anew():
    """Be a process that starts: MLflow and boto keep clients, and in them the keys of before."""
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    boto3.DEFAULT_SESSION = None
    forget()
