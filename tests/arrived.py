"""What our functions leave in a process that ran them, as a worker."""

import sys


def forget():
    """Be a worker that starts: no function has come yet, no model is loaded."""
    for name in [name for name in sys.modules if name.startswith("matminer_compute_")]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Arrival"]
