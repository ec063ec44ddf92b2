"""What every page shares: its colours and styles, its policy, its script, and how a template becomes one file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from coterie.charts import bars, drawing, numbers, palette
from coterie.report import summary


def page(template: str, **values: Any) -> str:
    """Return a page, complete in itself: styles, script and figures are inside, and its policy allows nothing else.

    It follows the reader's light or dark colours, prints, and works without its script.
    """
    style, script = _style(), _asset("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 (our own files)
            script=Markup(script),  # noqa: S704
            policy=_policy(style, script),
            icon=_ICON,
            **values,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("coterie.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters |= {
        "count": numbers.count,
        "share": numbers.share,
        "ratio": numbers.ratio,
        "signed": numbers.signed,
        "date": summary.date,
        "short": summary.short,
        "paragraph": summary.paragraph,
    }
    environment.globals |= {"group": palette.group, "meter": bars.meter, "fate": bars.fate}
    return environment


def _clean(value: Any) -> Any:
    """Keep out of the page what no page may hold; markup was cleaned when it was made."""
    return drawing.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    return (files("coterie.report") / "templates" / name).read_text("utf-8")


@cache
def _style() -> str:
    return palette.page_css() + palette.FIGURE_CSS + _asset("page.css")


def _policy(style: str, script: str) -> str:
    """Return a policy that allows exactly this style, this script and the icon, and no connection at all."""

    def source(body: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; img-src data:; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


_ICON = (
    "data:image/svg+xml;base64,"
    + base64.b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="6" cy="6" r="4" fill="#0a4a9b"/>'
        b'<circle cx="11.5" cy="11" r="3" fill="#e5491d"/></svg>'
    ).decode()
)
