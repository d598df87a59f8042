"""Files that are whole or not there, with the mode that whoever asked for them wants."""

import os
import stat

import pytest

from matminer_compute.errors.machine import rename, whole_file


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], indirect=True)
def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path, umask):
    with whole_file(tmp_path / "new.csv") as part:
        part.write_text("formula\n")
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o644])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, mode):
    path, link = tmp_path / "kept.csv", tmp_path / "link.csv"
    path.write_text("before\n")
    path.chmod(mode)
    link.symlink_to(path)
    with whole_file(link) as part:
        part.write_text("after\n")
    assert (path.read_text(), link.is_symlink()) == ("after\n", True)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    (tmp_path / "made").write_text("third\n")
    rename(tmp_path / "made", path)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("third\n", mode)
