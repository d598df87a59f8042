"""Two who try the demo at the same moment, in one fresh folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from matminer_compute.model import list_versions
from matminer_compute.registration.address import sqlite_address

pytestmark = pytest.mark.slow


def test_two_demos_on_a_fresh_folder_train_one_model(tmp_path):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [str(Path(sys.executable).with_name("matminer-compute")), "demo", "--rows", "200"]
    both = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("a network on 200" in err for _, err in said) == [False, True]
    assert all("Mg2Si" in out for out, _ in said)
    uri = sqlite_address(tmp_path / "data" / "matminer-compute" / "registry.db")
    (version,) = list_versions(tracking_uri=uri)
    assert version.aliases == ("Production",)
