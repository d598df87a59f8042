"""The command ``matminer-compute``: a thin face over the other rooms, which it imports lazily.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 a typed
error (one sentence) or no formula that could be used, 2 usage, 3 a screening that ended with rows
missing.
"""

import click

from .commands import Commands
from .demo import demo
from .describe import describe
from .endpoint import endpoint
from .enumerate import enumerate_space
from .functions import functions
from .model import model
from .predict import featurize, predict
from .register import register
from .screen import screen


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="matminer-compute")
def main() -> None:
    """Predict materials properties from compositions on Globus Compute endpoints."""


for _command in (
    demo,
    predict,
    screen,
    featurize,
    enumerate_space,
    register,
    functions,
    model,
    describe,
    endpoint,
):
    main.add_command(_command)
