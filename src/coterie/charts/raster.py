"""A figure as pixels, for slides and mail: the same picture on every machine, also on one without any font.

Text is set in Arimo (metric-compatible with Arial; Latin, Greek, Cyrillic, Hebrew), which comes as a package of its
own; fonts of the system are asked only for letters that it lacks, such as Chinese, Japanese or Arabic ones.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import resvg_py
from markupsafe import Markup

from coterie.charts.drawing import standalone
from coterie.charts.palette import DARK, LIGHT
from coterie.errors import ParameterError

_FAMILY = "Arimo"
_LARGEST = 16_384  # pixels a side: four times a 4K screen, 1 GB of memory
# Latin, Greek, Cyrillic, Hebrew; punctuation, currencies and the arrows and signs that figures use.
_OWN = re.compile("[\n\x20-\u052f\u0591-\u05f4\u1e00-\u1fff\u2000-\u206f\u20a0-\u20bf\u2190-\u2195\u2212\u2248]*")


def png(svg: Markup, *, dark: bool = False, scale: float = 2.0, margin: int = 16) -> bytes:
    """Turn a figure into a PNG file, with its colours and its paper.

    Parameters
    ----------
    svg
        What a function of this room returned.
    dark
        Whether to take the colours for dark pages.
    scale
        Pixels of the file for one of the figure; 2 is sharp on today's screens and in print.
    margin
        Pixels of the figure's paper around it.

    Returns
    -------
    bytes
        The same for the same figure, on every machine, as long as Arimo has all its letters.

    Raises
    ------
    ParameterError
        What is given is no figure, or would be more than 16,384 pixels wide or high.
    """
    file = standalone(svg, dark=dark, margin=margin)
    size = [float(side) for side in re.findall(r' (?:width|height)="([\d.]+)"', file[: file.index(">")])]
    if not (scale > 0 and max(size) * scale <= _LARGEST):
        allowed = f"above 0 and at most {_LARGEST / max(size):.1f}, so that no side has more than {_LARGEST:,} pixels"
        raise ParameterError.of("png", "scale", scale, allowed)
    plain = _resolved(file, dark=dark)
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=plain,
            zoom=scale,
            skip_system_fonts=_OWN.fullmatch(plain) is not None,
            font_files=[_font()],
            font_family=_FAMILY,
            sans_serif_family=_FAMILY,
        )
    )


@cache
def _font() -> str:
    return str(files("fontpkg_arimo") / "files" / "Arimo[wght].ttf")


def _resolved(file: str, *, dark: bool) -> str:
    """Write the colours into a file: its renderer knows no CSS variables, and of weights only the hundreds.

    A shape's own colour ``--c`` is that of the group around it; ``currentColor`` is handed down in the same way.
    """
    colours = DARK if dark else LIGHT
    before, style, after = re.split("(?<=<style>)(.*?)(?=</style>)", file, maxsplit=1)  # words stay as they are
    style = re.sub(r"--c:var\(--(\w+)\)", lambda found: f"color:{colours[found[1]]}", style)
    style = re.sub(r"var\(--(\w+)\)", lambda found: "currentColor" if found[1] == "c" else colours[found[1]], style)
    style = re.sub(r"font-family:[^;}]+", f"font-family:{_FAMILY}", style)
    return before + style.replace("font-weight:650", "font-weight:700") + after
