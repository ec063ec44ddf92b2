"""Figures inside a notebook: markup with its own colours, light or dark as the notebook is, without a script."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from coterie.charts.drawing import clean
from coterie.charts.palette import FIGURE_CSS, variables

_OWN = ".coterie"
_BOX = (
    ".coterie{padding:14px 16px;max-width:900px;background:var(--paper);color:var(--ink);"
    "font:14px/1.5 ui-sans-serif,system-ui,sans-serif}"
    ".coterie h4{margin:0 0 8px;font-size:15px}.coterie p{margin:0 0 10px;max-width:44rem;color:var(--muted)}"
    ".coterie svg.figure{display:block;max-width:100%;height:auto;margin:0 0 18px}"
    ".coterie table{border-collapse:collapse;font-size:13px;color:var(--ink);background:none}"
    ".coterie th,.coterie td{padding:3px 14px 3px 0;text-align:left;vertical-align:top;background:none;"
    "border-bottom:1px solid var(--rule)}"
)


def notebook(
    title: str,
    figures: Sequence[Markup] = (),
    *,
    notes: Sequence[str] = (),
    head: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (),
) -> str:
    """Return what a notebook shows of a result.

    Parameters
    ----------
    title
        What it is.
    figures
        Drawn by functions of this room.
    notes
        Sentences above the figures.
    head, rows
        A table below them: the same as words, for those who cannot see figures.
    """
    parts = [Markup("<h4>{}</h4>").format(clean(title))]
    parts += [Markup("<p>{}</p>").format(clean(note)) for note in notes]
    parts += figures
    if rows:
        heads = Markup().join(Markup('<th scope="col">{}</th>').format(clean(one)) for one in head)
        lines = Markup().join(
            Markup("<tr>{}</tr>").format(Markup().join(Markup("<td>{}</td>").format(clean(one)) for one in row))
            for row in rows
        )
        parts.append(Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(heads, lines))
    style = Markup("<style>{}</style>").format(Markup(_style()))  # noqa: S704 (our own constants)
    return str(Markup('<div class="coterie">{}{}</div>').format(style, Markup().join(parts)))


def _style() -> str:
    """Return our rules, each for our own box only: a notebook has classes of its own."""
    light, dark = variables(dark=False), variables(dark=True)
    own = re.sub(r"([^{}]+)(?={)", lambda rule: ",".join(f"{_OWN} {one}" for one in rule[1].split(",")), FIGURE_CSS)
    themes = (
        f"{_OWN}{{{light}}}@media (prefers-color-scheme:dark){{{_OWN}{{{dark}}}}}"
        f"[data-jp-theme-light=true] {_OWN},.vscode-light {_OWN}{{{light}}}"
        f"[data-jp-theme-light=false] {_OWN},.vscode-dark {_OWN}{{{dark}}}"
    )
    return themes + own + _BOX
