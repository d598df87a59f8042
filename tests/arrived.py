"""What our functions leave in a process that ran them, as a worker."""

import re
import sys

OURS = re.compile(r"matminer_compute_[0-9a-f]{16}(\.|$)")


def forget():
    """Be a worker that starts: no function has come yet, no model is loaded."""
    for name in [name for name in sys.modules if OURS.match(name)]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Arrival"]
