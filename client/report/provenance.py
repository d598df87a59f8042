"""Where the values of a screening come from, without what is nobody else's business."""

import shlex
from importlib.metadata import version

from matminer_compute.client.numerals import count
from matminer_compute.client.screened import Screening
from matminer_compute.functions.worker.address import public_address

from .markup import duration, lines, moment, text

#: What is said of a model and a featurizer beside the name, by what it is called.
_SAID = {"version": "version", "run": "run_id", "schema": "schema"}


def provenance(screening: Screening) -> str:
    """HTML of a list: versions, endpoints, command, dates."""
    entries = [
        ("property", f"<code>{text(screening.property)}</code>, in {text(screening.unit)}"
         if screening.unit else f"<code>{text(screening.property)}</code>"),
        ("model", _versioned(screening.model)),
        ("featurizer", _versioned(screening.featurizer)),
        ("endpoints", "<br>".join(f"<code>{text(_public(e))}</code>"
                                  for e in screening.endpoints)),
        ("command", f"<code>{text(public_command(screening.command))}</code>"
         if screening.command else "none: asked for in Python"),
        ("results", f"<code>{text(screening.output.name)}</code>, "
         f"{count(screening.kept, 'row')}"),
        ("started", moment(screening.started)),
        ("ended", f"{moment(screening.ended)}, "
         f"{duration(screening.ended - screening.started)} later"),
        ("software", f"matminer-compute {text(version('matminer-compute'))}"),
    ]  # fmt: skip
    return lines(f"<div><dt>{what}</dt><dd>{said}</dd></div>" for what, said in entries)


def public_command(command: str) -> str:
    """A command as it may be shown: the addresses in it without user, password and query."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote is not closed, so where an address ends is not known
        words = [command]
    return shlex.join(map(_public, words))


def _public(word: str) -> str:
    return public_address(word) if "://" in word else word


def _versioned(half: dict[str, object]) -> str:
    """Which model or featurizer it was, as far as it says."""
    said = {label: half.get(key) for label, key in _SAID.items()}
    known = [f"{label} {text(value)}" for label, value in said.items() if value is not None]
    return f"<b>{text(half.get('name'))}</b> {'<br>'.join(known)}"
