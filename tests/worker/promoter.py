"""Promotes versions as they come on standard input, in a process of its own, like a publisher."""

import os
import sys

from matminer_compute.model import promote

for line in sys.stdin:
    name, version = line.rstrip("\n").split("\t")
    # back and forth, whichever is better
    promote(version, model=name, force=True, tracking_uri=os.environ["PUBLISHER_URI"])
    print(version, flush=True)
