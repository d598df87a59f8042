"""A screening as one page: it holds all that it shows, runs no script and asks no network."""

import os
from importlib import import_module

from matminer_compute.client.screened import Screening
from matminer_compute.errors.machine import check_writable, files, packages, whole_file

__all__ = ["check_report", "write_report"]


def check_report(path: str | os.PathLike[str]) -> None:
    """Find out before a screening whether its report can be written after it.

    Raises:
        PackageMissing: matplotlib is not installed.
        FileUnusable: nothing can be written at ``path``.
    """
    with packages("go on without a report"):
        import_module("matplotlib")
    check_writable(path)


def write_report(screening: Screening, path: str | os.PathLike[str]) -> None:
    """Write a page for a person: figures, distribution, extremes, elements, rejections, provenance.

    Args:
        screening: what it is about.
        path: an HTML file; it is there when it is whole.

    Raises:
        PackageMissing: matplotlib is not installed.
        FileUnusable: the file cannot be written.
    """
    with packages("go on without a report"):
        from .page import page

    with whole_file(path) as part, files(f"{path} cannot be written"):
        part.write_text(page(screening), encoding="utf-8")
