"""The page of a `Content`: HTML in one file, pictures inside it."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from cmr_synth.reports.content import Content, Link
from cmr_synth.reports.numbers import show
from cmr_synth.reports.plots import png

TEMPLATES = Path(__file__).parent / "templates"


def page(content: Content, *, footer: str = "") -> str:
    """Lay a report out as a page.

    Parameters
    ----------
    content : Content
    footer : str
        A last line.

    Returns
    -------
    str
        HTML; text is escaped, nothing is loaded from elsewhere, and nothing in it depends on when
        it was made unless the footer does.
    """
    return str(
        _template().render(
            content=content,
            show=show,
            png=lambda plot: base64.b64encode(png(plot)).decode("ascii"),
            footer=footer,
        )
    )


@lru_cache(maxsize=1)
def _template() -> Any:
    """Compiled once: a release has a page for every picture."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment.get_template("page.html")
