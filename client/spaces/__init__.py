"""Spaces of candidate compositions, as a caller writes them down."""

from .space import Space

__all__ = ["Space"]
