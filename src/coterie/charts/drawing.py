"""The parts that all figures are drawn with: text that fits, escaped; the frame of a figure; a file of its own."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from coterie.charts.palette import FIGURE_CSS, variables
from coterie.errors import ParameterError

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufffe\uffff]")
_HEAD = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)" width="[\d.]+" height="[\d.]+"')
_NARROW, _WIDE = frozenset("iljtfrI.,:;'!|()[] "), frozenset("mwMWGOQ@%&")


class Figure(NamedTuple):
    """One figure, drawn for a desk and for a phone; a page shows one of the two."""

    wide: Markup
    narrow: Markup


def clean(words: str) -> str:
    r"""Drop what no page or SVG file may hold: control characters and halves of surrogate pairs.

    >>> clean("a\x00b\ud800c")
    'abc'
    """
    return _UNPRINTABLE.sub("", words)


def extent(words: str, size: float = 13) -> float:
    """Estimate how wide words are, in pixels, in a sans-serif face of ``size`` pixels.

    >>> extent("") == 0 and extent("漢字") > extent("ab")
    True
    """
    total = 0.0
    for letter in words:
        if unicodedata.combining(letter):
            continue
        if unicodedata.east_asian_width(letter) in "WF":
            total += 1.02
        elif letter in _NARROW:
            total += 0.33
        elif letter in _WIDE:
            total += 0.88
        else:
            total += 0.68 if letter.isupper() else 0.57
    return total * size


def fit(words: str, room: float, size: float = 13) -> str:
    """Shorten words with an ellipsis until they fit into ``room`` pixels.

    >>> fit("Stock-up families", 1000), fit("Stock-up families", 60)
    ('Stock-up families', 'Stock-u…')
    """
    words = clean(words)
    if extent(words, size) <= room:
        return words
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if extent(words[:middle] + "…", size) <= room else (low, middle - 1)
    return words[:low].rstrip() + "…" if low else ""


def wrap(words: str, room: float, size: float = 13, *, lines: int = 2) -> list[str]:
    """Break words into at most ``lines`` lines of ``room`` pixels; the last one is shortened where it must be.

    >>> wrap("Occasional stock-ups", 90), wrap("Regulars", 90)
    (['Occasional', 'stock-ups'], ['Regulars'])
    """
    broken: list[str] = []
    rest = clean(words).split()
    while rest and len(broken) < lines - 1:
        taken = 1
        while taken < len(rest) and extent(" ".join(rest[: taken + 1]), size) <= room:
            taken += 1
        broken.append(fit(" ".join(rest[:taken]), room, size))
        rest = rest[taken:]
    return [*broken, fit(" ".join(rest), room, size)] if rest else broken


def number(value: float) -> str:
    """Write a coordinate with at most one decimal.

    >>> number(3.04), number(2.96), number(-0.01)
    ('3', '3', '0')
    """
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def text(
    x: float, y: float, words: str, *, classes: str = "", anchor: str = "start", size: float | None = None
) -> Markup:
    """Draw words with their baseline at ``y``; the words are escaped."""
    extra = Markup(' text-anchor="{}"').format(anchor) if anchor != "start" else Markup()
    extra += Markup(' class="{}"').format(classes) if classes else Markup()
    extra += Markup(' font-size="{}"').format(number(size)) if size else Markup()
    return Markup('<text x="{}" y="{}"{}>{}</text>').format(number(x), number(y), extra, clean(words))


def line(x1: float, y1: float, x2: float, y2: float, classes: str = "line") -> Markup:
    """Draw a straight line."""
    shape = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
    return Markup('<path class="{}" d="{}"/>').format(classes, shape)


def box(x: float, y: float, width: float, height: float, classes: str = "fill", tip: str = "") -> Markup:
    """Draw a filled rectangle, with words that show when it is pointed at."""
    place = Markup('x="{}" y="{}" width="{}" height="{}"').format(
        number(x), number(y), number(max(width, 0.0)), number(max(height, 0.0))
    )
    return Markup('<rect class="{}" {}>{}</rect>').format(classes, place, hint(tip))


def hint(words: str) -> Markup:
    """Attach words to the shape around them: a native tooltip, which a page's script may draw more finely."""
    return Markup("<title>{}</title>").format(clean(words)) if words else Markup()


def part(body: Iterable[Markup], classes: str = "", *, segment: int | None = None) -> Markup:
    """Group shapes; shapes of one segment are marked, so that a page can point them out in all figures at once."""
    mark = Markup(' data-segment="{}"').format(segment) if segment is not None else Markup()
    return Markup('<g class="{}"{}>{}</g>').format(classes, mark, Markup().join(body))


def figure(body: Iterable[Markup], *, width: float, height: float, title: str, description: str) -> Markup:
    """Frame shapes as an image with a name and a description for those who cannot see it."""
    inner, title = Markup().join(body), clean(title)
    key = hashlib.sha256(f"{width}|{title}|{inner}".encode()).hexdigest()[:10]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        'role="img" aria-labelledby="t{key}" aria-describedby="d{key}"><title id="t{key}">{title}</title>'
        '<desc id="d{key}">{desc}</desc>{inner}</svg>'
    ).format(w=number(width), h=number(height), key=key, title=title, desc=clean(description), inner=inner)


def stack(figures: Sequence[tuple[str, Markup]], *, title: str) -> Markup:
    """Put figures below each other, each under its own heading, as one figure.

    Parameters
    ----------
    figures
        Heading and figure.
    title
        For those who cannot see it; each figure keeps its own description.
    """
    y, width = 0.0, 0.0
    body: list[Markup] = []
    for heading, drawn in figures:
        wide, high = _extents(drawn, "stack")
        body.append(text(0, y + 14, heading, classes="strong"))
        body.append(Markup('<g transform="translate(0 {})">{}</g>').format(number(y + 28), drawn))
        y, width = y + high + 56, max(width, wide)
    described = "; ".join(heading for heading, _ in figures)
    return figure(body, width=width, height=max(y - 28, 0.0), title=title, description=described)


def standalone(svg: Markup, *, dark: bool = False, margin: int = 16) -> Markup:
    """Turn a figure into a file of its own, with its colours and its paper, for example for a README.

    Parameters
    ----------
    svg
        What a function of this room returned.
    dark
        Whether to take the colours for dark pages.
    margin
        Pixels of paper around the figure.

    Returns
    -------
    Markup
        An SVG document in UTF-8 that fetches nothing.
    """
    inner, end = _extents(svg, "standalone"), svg.index(">") + 1
    width, height = inner[0] + 2 * margin, inner[1] + 2 * margin
    view = f"{-margin} {-margin} {number(width)} {number(height)}"
    named = _HEAD.sub("", str(svg[:end]), count=1)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox="{view}" '
        f'width="{number(width)}" height="{number(height)}"{named}'
    )
    style = Markup("<style>:root{{{}}}{}</style>").format(
        Markup(variables(dark=dark)),  # noqa: S704 (our own constants)
        Markup(FIGURE_CSS),  # noqa: S704
    )
    paper = Markup('<rect class="paper" x="{}" y="{}" width="100%" height="100%"/>').format(-margin, -margin)
    names, rest = str(svg)[end:].split("</desc>", 1)
    return Markup(opening + names + "</desc>") + style + paper + Markup(rest)  # noqa: S704 (escaped when it was drawn)


def _extents(svg: Markup, owner: str) -> tuple[float, float]:
    """Return width and height of a figure."""
    head = _HEAD.match(svg)
    if head is None:
        raise ParameterError.of(owner, "svg", str(svg)[:40], "a figure that a function of coterie.charts drew")
    return float(head[1]), float(head[2])
