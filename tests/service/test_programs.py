"""A missing Debian program skips a test on a developer's machine, and fails it in CI."""

import pytest

from .programs import PACKAGES, need

SENTENCE = "needs Debian's no-package: 'apt-get install --no-install-recommends no-package'"


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(PACKAGES, "no-program", "no-package")
    return "no-program"


def test_elsewhere_it_skips(missing, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=SENTENCE):
        need("setpriv", missing)


def test_in_ci_it_fails(missing, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=SENTENCE):
        need("setpriv", missing)
