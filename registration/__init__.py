"""Registers the functions with Globus Compute and keeps their ids in a bundle file."""

from .bundle import Bundle, RegisteredFunction
from .register import FUNCTIONS, check, register

__all__ = [
    "FUNCTIONS",
    "Bundle",
    "RegisteredFunction",
    "check",
    "register",
]
