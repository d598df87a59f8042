"""What a function takes along when it travels, found in its source; what cannot go is refused."""

import ast
import builtins
import functools
import importlib.util
import inspect
import symtable
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any


def take(module: str, taken: dict[str, str]) -> None:
    """Add a module's source by its name, after those of the modules that it imports relatively.

    Raises:
        TypeError: it, or one of those, cannot travel.
    """
    if module in taken:
        return
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise TypeError(f"{module} is not a module of Python source, so it cannot travel.")
    if spec.submodule_search_locations is not None:
        raise TypeError(
            f"{module} is a package; import from the module of it that defines what you need."
        )
    source = Path(spec.origin).read_text(encoding="utf-8")
    taken[module] = source  # now, so that two that import each other come to an end
    for name in _brought(module, source):
        take(name, taken)
    taken[module] = taken.pop(module)


@functools.cache
def _brought(module: str, source: str) -> tuple[str, ...]:
    """The modules that a source imports relatively; functions share most of theirs."""
    nodes = ast.walk(ast.parse(source))
    return tuple(name for node in nodes for name in _imported(node, module))


def _imported(node: ast.AST, module: str) -> Iterator[str]:
    """The modules that an import statement brings along."""
    if isinstance(node, ast.ImportFrom) and node.level:
        package = module.rpartition(".")[0]
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            child = f"{base}.{alias.name}"
            yield child if _is_module(child) else base
    elif _brings_along(node):
        raise TypeError(
            f"{module} holds '{ast.unparse(node)}': a worker does not know it by that name; import "
            "it relatively ('from . import ...')."
        )


def _brings_along(node: ast.AST) -> bool:
    """Whether it imports what a worker can only have if it goes along."""
    if isinstance(node, ast.Import):
        return any(is_own(alias.name) for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.level > 0 or is_own(node.module or ""))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what should be its package is a module
        return False


def is_own(module: str) -> bool:
    """Whether a module is the user's (or this package's): a worker cannot have it by itself."""
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return True
    if top in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # __main__ has none
        return True
    if spec is None:
        return False
    places = spec.submodule_search_locations
    places = [spec.origin or ""] if places is None else places
    return not all(_is_installed(Path(place).parent) for place in places)


@functools.cache
def _is_installed(folder: Path) -> bool:
    """Whether an installer fills a folder: of an environment, a user (``--user``), a cluster."""
    return folder.name in ("site-packages", "dist-packages") or any(folder.glob("*.dist-info"))


class Bag:
    """What a function of a user's own uses.

    Attributes:
        home: the name of the module that holds it.
        text: its source, after those of the functions and classes of its file that it uses.
        travelled: the travelling functions that they call, by the name they have there.
        imported: module and attribute (empty: the module itself) of what else they name.
        modules: source by name of the user's own modules among these, those they import first.
    """

    def __init__(
        self, function: Callable[..., Any], travelling: Collection[Callable[..., Any]]
    ) -> None:
        self.travelled: dict[str, Callable[..., Any]] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        self.modules: dict[str, str] = {}
        self._travelling = travelling
        self.home = function.__module__.strip("_")  # __main__
        self._steps: dict[str, str] = {}
        self._step(function)
        self.text = "\n\n".join(self._steps.values())

    def _step(self, step: Any) -> None:
        """Take a function or class of the file along, after what it uses."""
        name, text = step.__name__, source_of(step)
        self._steps[name] = text  # now, so that two that use each other come to an end
        for node in ast.walk(ast.parse(text)):
            if _brings_along(node):
                raise TypeError(
                    f"{name} holds '{ast.unparse(node)}', which a worker does not have; import it "
                    "at the top of the file, so that it goes along."
                )
        scope = vars(sys.modules[step.__module__]) if isinstance(step, type) else step.__globals__
        for free in sorted(free_names(text) - {name}):
            if free not in scope:
                raise TypeError(f"{name} uses {free!r}, which is not defined; a worker would fail.")
            self._use(free, scope[free], step)
        self._steps[name] = self._steps.pop(name)

    def _use(self, name: str, value: Any, step: Any) -> None:
        """Take along what a step knows by a name."""
        home, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        if isinstance(value, FunctionType) and value in self._travelling:
            self.travelled[name] = value
        elif isinstance(value, ModuleType):
            self._import(name, value.__name__, "")
        elif home == step.__module__ and isinstance(value, FunctionType | type):
            if value.__name__ != name:
                raise TypeError(f"{step.__name__} calls {value.__name__} {name!r}; use one name.")
            if name not in self._steps:
                self._step(value)
        elif home and getattr(sys.modules.get(home), qualified, None) is value:
            self._import(name, home, qualified)
        else:
            raise TypeError(
                f"{step.__name__} uses {name!r}, which cannot travel as source text; import it, or "
                "write it, inside the function."
            )

    def _import(self, name: str, module: str, attribute: str) -> None:
        self.imported[name] = (module, attribute)
        if is_own(module):
            take(module, self.modules)


def source_of(function: Any) -> str:
    """The source of a plain function or class, as it stands but for its indentation.

    Raises:
        TypeError: it has none, or would not be the same elsewhere.
    """
    name = getattr(function, "__name__", repr(function))
    if not isinstance(function, FunctionType | type) or name == "<lambda>":
        raise TypeError(f"{name!r} is not a function written with 'def', so it cannot travel.")
    if getattr(function, "__closure__", None):
        raise TypeError(
            f"{name!r} holds names of the function around it (a closure), so it cannot travel; "
            "pass them as arguments."
        )
    try:
        text = textwrap.dedent(inspect.getsource(function))
        (node,) = ast.parse(text).body
    except (OSError, SyntaxError, ValueError) as error:
        raise TypeError(f"The source of {name!r} cannot be found, so it cannot travel.") from error
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.decorator_list:
        raise TypeError(f"{name!r} is decorated, or no plain function, so it cannot travel.")
    return text


def free_names(source: str) -> set[str]:
    """Names that ``source`` reads but neither defines nor finds among the builtins."""

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                yield symbol.get_name()
        for child in table.get_children():
            if child.get_type() != "annotation":
                yield from walk(child)

    table = symtable.symtable(source, "<source>", "exec")
    defined = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    return {n for c in table.get_children() for n in walk(c)} - set(dir(builtins)) - defined


def signature(node: ast.FunctionDef) -> str:
    """Name, parameters and annotations, less annotations of types that are no builtins.

    Raises:
        TypeError: a default is not a literal, which a worker could not evaluate.
    """
    a = node.args
    for default in [*a.defaults, *(d for d in a.kw_defaults if d)]:
        if _names(default):
            raise TypeError(
                f"A default of {node.name} is {ast.unparse(default)}, which a worker does not "
                "know; write its value."
            )
    for argument in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]:
        if argument and argument.annotation and _names(argument.annotation):
            argument.annotation = None
    returns = "" if not node.returns or _names(node.returns) else f" -> {ast.unparse(node.returns)}"
    return f"{node.name}({ast.unparse(a)}){returns}"


def forwarded(a: ast.arguments) -> str:
    """The arguments of a call that passes every parameter on."""
    given = [argument.arg for argument in (*a.posonlyargs, *a.args)]
    given += [f"*{a.vararg.arg}"] if a.vararg else []
    given += [f"{argument.arg}={argument.arg}" for argument in a.kwonlyargs]
    given += [f"**{a.kwarg.arg}"] if a.kwarg else []
    return ", ".join(given)


def _names(node: ast.AST) -> set[str]:
    """Names in an expression that are no builtins."""
    found = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return found - set(dir(builtins))
