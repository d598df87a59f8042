"""``python -m matminer_compute.cli``."""

from . import main

main()
