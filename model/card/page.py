"""A card as one page of HTML: it holds all that it shows, runs no script and asks no network.

The words are those of the Markdown; what is added is the look, and the pictures of the run.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from string import Template

from markdown_it import MarkdownIt

from .authors import Authors
from .markdown import lead, sections, title
from .store import PLOTS, Described

#: Under which heading each picture stands.
_BESIDE = {"Errors": "parity", "Intervals": "calibration"}
_CLASSES = {
    "Training data": "facts",
    "How it was trained": "facts",
    "What it goes by": "features",
}
_BARS = re.compile("(<td[^>]*>)([█-▏]+)(?=</td>)")  # of blocks, from a whole one to an eighth


def page(described: Described, authors: Authors | None = None) -> str:
    """HTML of the whole page.

    Args:
        described: a version's card, and the pictures of its run.
        authors: what the publisher adds.
    """
    card = described.card
    return Template(_part("page.html")).substitute(
        style=_part("page.css"),
        title=escape(title(card, authors)),
        lead=_html(lead(card)),
        sections="\n".join(
            _section(heading, text, described.plots) for heading, text in sections(card, authors)
        ),
        version=escape(version("matminer-compute")),
    )


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text)).strip()


def _section(heading: str, text: str, plots: dict[str, str]) -> str:
    body = _html(text)
    longest = max((_eighths(bar) for _, bar in _BARS.findall(body)), default=1)
    body = _BARS.sub(
        lambda f: f'{f[1]}<i style="width:{100 * _eighths(f[2]) / longest:.1f}%"></i>', body
    )
    plot = _BESIDE.get(heading, "")
    if plot in plots:
        body = f'<div class="beside"><div>{body}</div>{_figure(plot, plots[plot])}</div>'
    return (
        f'<section class="{_CLASSES.get(heading, "")}">\n<h2>{escape(heading)}</h2>\n{body}\n'
        "</section>"
    )


def _eighths(bar: str) -> int:
    return sum(ord("▏") + 1 - ord(block) for block in bar)


def _figure(name: str, picture: str) -> str:
    said = escape(PLOTS[name])
    return (
        f'<figure><img alt="{said}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{said}</figcaption></figure>"
    )
