"""What makes the sources that a travelling function carries into modules, on a worker."""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType


class Arrival(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An importer of the modules in ``sources``: text by full name; a package has no text.

    Import itself sees to the rest: each module once, also for two threads, and after those that it
    imports. A traceback shows the lines of ``get_source``.
    """

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources
        sys.meta_path.append(self)

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How to load a module, if it is one of ours."""
        if name not in self.sources:
            return None
        package = not self.sources[name]
        return importlib.machinery.ModuleSpec(name, self, is_package=package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """An ordinary module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's text, under the name that its file has where it was written."""
        file = module.__name__.replace(".", "/") + ".py"
        code = compile(self.get_source(module.__name__), file, "exec")
        exec(code, vars(module))  # noqa: S102  it came with the task, as the function did

    def get_source(self, name: str) -> str:
        """A module's text."""
        return self.sources[name]
