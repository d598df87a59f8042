"""``python -m matminer_compute.registration``: register the functions, or check the bundle."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from matminer_compute.errors import MatminerComputeError

from .register import check, register
from .service import service_registrar


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Register, print what an endpoint must allow, and return the exit code."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("bundle.json"), metavar="FILE")
    parser.add_argument(
        "--check", action="store_true", help="compare the bundle with the source; change nothing"
    )
    audience = parser.add_mutually_exclusive_group()
    audience.add_argument("--public", action="store_true", help="every Globus user may call them")
    audience.add_argument("--group", metavar="UUID", help="the Globus group that may call them")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            bundle = check(options.output)
            print(f"{options.output} matches the source.", file=sys.stderr)
        else:
            bundle = register(
                service_registrar(), options.output, public=options.public, group=options.group
            )
            print(f"{options.output} is up to date. An endpoint allows:", file=sys.stderr)
            print(bundle.endpoint_configuration(), end="")
    except MatminerComputeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
