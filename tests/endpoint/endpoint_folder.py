"""An endpoint's folder as the agent takes it: by its own command and its own loader."""

import json
import sys
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

with pytest.MonkeyPatch.context() as patch:
    # It looks for its name there, and a process of pytest-xdist has none.
    patch.setattr(sys, "argv", ["/globus-compute-endpoint"])
    from globus_compute_endpoint.cli import app


def render_user_config(name: str, chosen: dict[str, Any] | None = None) -> Result:
    """``globus-compute-endpoint render-user-config``, with what a caller chose."""
    command = ["render-user-config", "--endpoint", name]
    if chosen is None:
        return CliRunner().invoke(app, command)
    return CliRunner().invoke(app, [*command, "-o", "-"], input=json.dumps(chosen))


def rendered(name: str, chosen: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the agent makes of an endpoint's template."""
    done = render_user_config(name, chosen)
    assert done.exit_code == 0, done.output
    return yaml.safe_load(done.stdout)
