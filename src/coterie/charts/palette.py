"""Colours, light and dark: CSS variables that every figure and page draws with.

The eight colours of groups keep at least 3 : 1 against their paper (WCAG 2.2, 1.4.11) and stay apart under simulated
protanopia, deuteranopia and tritanopia; a ninth group starts over, which is bearable because no figure tells groups
apart by colour alone: each also carries its number or its name.
"""

from __future__ import annotations

GROUPS = 8

LIGHT = {
    "paper": "#fdfcf9",
    "raised": "#f5f3ed",
    "ink": "#1b1a17",
    "muted": "#5f5b53",
    "rule": "#dedad0",
    "bar": "#a19b8e",
    "accent": "#0a4a9b",
    "warn": "#9a3412",
    "g0": "#0a4a9b",
    "g1": "#e5491d",
    "g2": "#0f8070",
    "g3": "#7a2f70",
    "g4": "#6f9a2a",
    "g5": "#4f96d6",
    "g6": "#e8589a",
    "g7": "#5a4038",
}
DARK = {
    "paper": "#141619",
    "raised": "#1d2024",
    "ink": "#ebe8e1",
    "muted": "#a8a499",
    "rule": "#33373c",
    "bar": "#7d7a73",
    "accent": "#8ab4ff",
    "warn": "#f5a66e",
    "g0": "#5b8bff",
    "g1": "#e8692f",
    "g2": "#47e6c0",
    "g3": "#c67ad4",
    "g4": "#e0c84e",
    "g5": "#a6e1fb",
    "g6": "#f19488",
    "g7": "#938599",
}

_SANS = 'ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif'

FIGURE_CSS = (
    f"svg.figure{{font-family:{_SANS};font-size:13px;font-variant-numeric:tabular-nums;fill:var(--ink)}}"
    "svg.figure text{unicode-bidi:isolate}"
    ".figure .muted{fill:var(--muted)}.figure .strong{font-weight:650}.figure .small{font-size:12px}"
    ".figure .line{stroke:var(--rule);stroke-width:1;fill:none}"
    ".figure .axis{stroke:var(--muted);stroke-width:1;fill:none}"
    ".figure .dash{stroke-dasharray:4 4}.figure .fill{fill:var(--c)}.figure .stroke{stroke:var(--c);fill:none}"
    ".figure .points{stroke:var(--c);fill:none;stroke-linecap:round}"
    ".figure .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}"
    ".figure .paper,.figure .hollow{fill:var(--paper)}.figure .tint{fill-opacity:.24}.figure .see{fill-opacity:.75}"
    ".figure .plate{fill:var(--paper);fill-opacity:.86}"
    ".plain{--c:var(--bar)}.accent{--c:var(--accent)}.warn{--c:var(--warn)}"
    + "".join(f".g{index}{{--c:var(--g{index})}}" for index in range(GROUPS))
)


def group(index: int) -> str:
    """Return the CSS class that gives a group its colour.

    >>> group(0), group(8)
    ('g0', 'g0')
    """
    return f"g{index % GROUPS}"


def variables(*, dark: bool) -> str:
    """Return the colours as CSS declarations.

    >>> variables(dark=False).startswith("--paper:#fdfcf9;")
    True
    """
    return "".join(f"--{name}:{value};" for name, value in (DARK if dark else LIGHT).items())


def page_css() -> str:
    """Return the rules that give a page its colours: those of the reader's system, unless the page says otherwise."""
    dark = f"color-scheme:dark;{variables(dark=True)}"
    return (
        f":root{{color-scheme:light;{variables(dark=False)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}"
    )
