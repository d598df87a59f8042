"""Each room imports the rooms below it, and nothing back."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
#: The rooms that each may import.
BELOW = {
    "functions": set(),
    "errors": set(),
    "registration": {"functions", "errors"},
    "client": {"registration", "functions", "errors"},
    "endpoint": {"registration", "functions", "errors"},
    "model": {"registration", "functions", "errors"},
    "cli": {"client", "endpoint", "model", "registration", "functions", "errors"},
}


def imported(path):
    """The rooms that a file names in an import, wherever in it."""
    depth = len(path.relative_to(PROJECT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
            if node.module == "matminer_compute":
                names = [f"matminer_compute.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"{path} leaves its room"
        for name in names:
            package, _, rest = name.partition(".")
            if package == "matminer_compute":
                yield rest.partition(".")[0]


@pytest.mark.parametrize("room", BELOW)
def test_imports_point_one_way(room):
    files = sorted((PROJECT / room).rglob("*.py"))
    assert files
    named = {(file, other) for file in files for other in imported(file)}
    assert {file.name for file, other in named if other not in {room, *BELOW[room]}} == set()
