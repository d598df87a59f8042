"""Compiled loops of the artifacts, one a file with its formula in words above it.

They travel as text beside an artifact's tables, and are imported under a name that carries their
digest: numba finds its machine code again by that name, and two versions never meet.
"""
