"""Makes of a function, and the modules it uses, the one text that travels to a worker.

The text is a function of the same name, signature and docstring. It carries sources as they stand;
its first call on a worker makes modules of them, under names that carry the sources' digest, and
every later call finds these. Functions made ``together`` share one set of modules, and so whatever
these keep; other sources are another set.

A module travels whole, and with it those that it imports relatively. Whatever else it imports, at
its top or where it is used, a worker must have.
"""

import ast
import hashlib
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, TypeVarTuple, cast
from weakref import WeakKeyDictionary

from . import luggage
from .worker import arrival

_F = TypeVar("_F", bound=Callable[..., Any])
_Functions = TypeVarTuple("_Functions")

_TEXT = """\
def {signature}:
{docstring}    import importlib
    import sys

    if "{module}" not in sys.modules:
        sources = {{
{sources}
        }}
        scope = {{}}
        exec({arrival}, scope)
        scope["Arrival"](sources)
    return importlib.import_module("{module}").{name}({arguments})
"""
_ARRIVAL = Path(arrival.__file__).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Travels:
    """Where a travelling function is found on a worker, and the texts of the modules there."""

    module: str
    sources: dict[str, str]


_made: "WeakKeyDictionary[Callable[..., Any], _Travels]" = WeakKeyDictionary()


def together(*functions: *_Functions) -> tuple[*_Functions]:
    """Make travelling functions that share one set of modules on a worker.

    Args:
        functions: of modules in packages, which travel whole; a package's ``__init__`` does not.

    Returns:
        Each as it travels: ``inspect.getsource`` gives its whole text, so that the SDK's
        ``PureSourceTextInspect`` can serialize it. Running it here runs it as a worker would.

    Raises:
        TypeError: a module uses what would not be there on a worker.
    """
    plain = cast("tuple[FunctionType, ...]", functions)
    taken: dict[FunctionType, dict[str, str]] = {function: {} for function in plain}
    for function, modules in taken.items():
        luggage.take(function.__module__, modules)
    digest = _digest({name: text for modules in taken.values() for name, text in modules.items()})
    made = (
        _made_of(function, _there(function.__module__, digest), _placed(modules, digest))
        for function, modules in taken.items()
    )
    return cast("tuple[*_Functions]", tuple(made))


def travelling(function: _F) -> _F:
    """Make the travelling function of a user's own function.

    It takes along the functions and classes of its own file that it uses, as they stand, the
    travelling functions that it calls, and whole the modules of the user's own that it names.

    Args:
        function: a plain function; what it imports inside, a worker must have.

    Returns:
        As ``together``.

    Raises:
        TypeError: it, or what it uses, cannot travel as text; says why.
    """
    if function in _made:
        return function
    bag = luggage.Bag(function, _made)
    travelled = {name: _made[other] for name, other in bag.travelled.items()}
    digest = _digest(
        bag.modules | {bag.home: bag.text} | {there.module: "" for there in travelled.values()}
    )
    imports = [
        f"from {there.module} import {bag.travelled[name].__name__} as {name}"
        for name, there in travelled.items()
    ]
    for name, (module, attribute) in bag.imported.items():
        source = _there(module, digest) if module in bag.modules else module
        what = f"from {source} import {attribute}" if attribute else f"import {source}"
        imports.append(f"{what} as {name}")
    text = "\n".join(["from __future__ import annotations", *imports, "", bag.text])
    sources = _placed(bag.modules | {bag.home: text}, digest)
    for there in travelled.values():
        sources = there.sources | sources
    return _made_of(function, _there(bag.home, digest), sources)


def _made_of(function: _F, module: str, sources: dict[str, str]) -> _F:
    """The travelling function itself, from the text that it is."""
    written = luggage.source_of(function)
    (node,) = ast.parse(written).body
    assert isinstance(node, ast.FunctionDef)
    text = _TEXT.format(
        name=function.__name__,
        module=module,
        signature=luggage.signature(node),
        arguments=luggage.forwarded(node.args),
        docstring=_docstring(node, written),
        sources="\n".join(f'            "{m}": {_literal(s)},' for m, s in sources.items()),
        arrival=_literal(_ARRIVAL),
    )
    file = f"<travelling {module}.{function.__name__}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": file}
    exec(compile(text, file, "exec"), scope)  # noqa: S102  our own text, built above
    made: _F = scope[function.__name__]
    _made[made] = _Travels(module, sources)
    return made


def _digest(texts: dict[str, str]) -> str:
    lines = (f"{name}\n{text}" for name, text in sorted(texts.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _there(module: str, digest: str) -> str:
    """A module's name on a worker."""
    top, dot, rest = module.partition(".")
    return f"{top}_{digest}{dot}{rest}"


def _placed(modules: dict[str, str], digest: str) -> dict[str, str]:
    """Texts by the names they have on a worker, the packages around them without text."""
    placed: dict[str, str] = {}
    for module, text in modules.items():
        name = _there(module, digest)
        placed |= dict.fromkeys(_packages(name), "")
        placed[name] = text
    return placed


def _packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts)))


def _docstring(node: ast.FunctionDef, written: str) -> str:
    """The docstring's lines as they stand, if there is one."""
    if ast.get_docstring(node) is None or node.body[0].lineno == node.lineno:
        return ""
    lines = written.splitlines(keepends=True)
    return "".join(lines[node.body[0].lineno - 1 : node.body[0].end_lineno])


def _literal(text: str) -> str:
    """``text`` as a literal that a person can read on the service, where its quotes allow that."""
    plain = "'''" not in text and not text.endswith(("'", "\\"))
    return f"r'''{text}'''" if plain else repr(text)
