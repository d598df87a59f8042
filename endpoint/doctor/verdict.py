"""What a check says."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """One line: what was looked at, how it is, what was found, and what to do about it.

    A ``fail`` keeps tasks from being answered; a ``warn`` may, or makes them slow or unsafe.
    """

    check: str
    verdict: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Verdict:
    """All is well."""
    return Verdict(check, "ok", found)


def warn(check: str, found: str, advice: str) -> Verdict:
    """It works, but not as well as it could."""
    return Verdict(check, "warn", found, advice)


def fail(check: str, found: str, advice: str) -> Verdict:
    """It does not work."""
    return Verdict(check, "fail", found, advice)
