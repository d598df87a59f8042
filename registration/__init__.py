"""Registers the functions with Globus Compute and keeps their ids in a bundle file."""

from .bundle import Bundle, RegisteredFunction
from .chain import chain
from .register import check, register, travelling_functions

__all__ = [
    "Bundle",
    "RegisteredFunction",
    "chain",
    "check",
    "register",
    "travelling_functions",
]
