"""Who went where: parts as blocks at each moment, and between moments bands as thick as the people who moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, hint, number, part, text, wrap
from coterie.charts.palette import group

_BLOCK = 12.0  # pixels a block is wide
_GAP = 16.0  # pixels between blocks: names of thin blocks do not touch
_STAY, _MOVE = 0.18, 0.5  # opacity of bands: what moved is what is looked for


@dataclass(frozen=True)
class Block:
    """A part at one moment.

    Parameters
    ----------
    key
        What it is called in bands.
    label
        Its name.
    size
        How many, not negative.
    words
        Its size in words.
    segment
        Its id; None for those who came or went.
    """

    key: str
    label: str
    size: float
    words: str
    segment: int | None


@dataclass(frozen=True)
class Band:
    """Those who went from one block to one of the next moment.

    Parameters
    ----------
    start, end
        Keys of the blocks.
    size
        How many; no block sends out or takes in more than its size.
    words
        What is said when it is pointed at.
    """

    start: str
    end: str
    size: float
    words: str


def flow(
    moments: Sequence[tuple[str, Sequence[Block]]],
    bands: Sequence[Sequence[Band]],
    *,
    title: str,
    description: str,
    width: int = 860,
) -> Markup:
    """Draw an alluvial diagram.

    Parameters
    ----------
    moments
        Of each moment, in order of time, its name and its blocks from top to bottom.
    bands
        Between each moment and the next, who went where: one fewer than moments. Those who stay under the same key
        are drawn paler.
    title, description
        For those who cannot see it.
    width
        Pixels; below 600 blocks carry their numbers, and their names stand below.
    """
    narrow = width < 600
    most = max((len(blocks) for _, blocks in moments), default=1)
    top, tall = 49.0, max(280.0, 46.0 * most)
    left = right = 0.0
    if moments:
        left = _room(moments[0][1], width, narrow=narrow)
        right = _room(moments[-1][1], width, narrow=narrow)
    total = max((sum(block.size for block in blocks) for _, blocks in moments), default=0.0) or 1.0
    scale = (tall - _GAP * (most - 1)) / total
    step = (width - left - right - _BLOCK) / max(len(moments) - 1, 1)
    places = [_stack(blocks, top, scale) for _, blocks in moments]
    body: list[Markup] = []
    for index, between in enumerate(bands):
        start, end = left + index * step + _BLOCK, left + (index + 1) * step
        body += _bands(between, moments[index][1], moments[index + 1][1], places[index : index + 2], start, end, scale)
    for index, (name, blocks) in enumerate(moments):
        x = left + index * step
        anchor, at = "middle", x + _BLOCK / 2
        if index == 0:
            anchor, at = "start", 0.0
        elif index == len(moments) - 1:
            anchor, at = "end", float(width)
        words = wrap(name, max(step - 8, 30.0), 12)
        first = top - 20 - 15 * (len(words) - 1)
        body += [
            text(at, first + 15 * row, said, classes="muted small", anchor=anchor) for row, said in enumerate(words)
        ]
        side = -1 if index == 0 else 1 if index == len(moments) - 1 else 0
        left_ = {band.start for band in bands[index]} if index < len(bands) else set()
        for block in blocks:
            y, tall_ = places[index][block.key], block.size * scale
            if side == 0 and block.segment is None:  # who came has nothing at its left, who went nothing at its right
                body.append(_passing(block, x, y, tall_, step, came=block.key in left_))
            else:
                body.append(_block(block, x, y, tall_, side, left, right, narrow=narrow))
    height = top + tall + 8
    if narrow:
        known = {block.segment: block.label for _, blocks in moments for block in blocks if block.segment is not None}
        for segment, label in sorted(known.items()):
            height += 17
            body.append(text(0, height - 8, fit(f"{segment + 1} {label}", width, 12), classes="muted small"))
    return figure(body, width=width, height=height, title=title, description=description)


def _room(blocks: Sequence[Block], width: float, *, narrow: bool) -> float:
    """Return what names at a side need."""
    if narrow:
        return max((extent(_short(block)) for block in blocks), default=0.0) + 12
    widest = max((extent(_named(block)) for block in blocks), default=0.0)
    said = max((extent(block.words, 12) for block in blocks), default=0.0)
    return min(max(widest, said) + 14, width * 0.26)


def _stack(blocks: Sequence[Block], top: float, scale: float) -> dict[str, float]:
    """Return where each block begins."""
    places, y = {}, top
    for block in blocks:
        places[block.key] = y
        y += block.size * scale + _GAP
    return places


def _bands(
    bands: Sequence[Band],
    before: Sequence[Block],
    after: Sequence[Block],
    places: Sequence[Mapping[str, float]],
    start: float,
    end: float,
    scale: float,
) -> list[Markup]:
    """Draw the bands between two moments, each block's in the order in which they arrive, so that few cross."""
    order = {block.key: place for place, block in enumerate(after)}
    of = {block.key: block.segment for block in before} | {
        block.key: block.segment for block in after if block.segment is None
    }
    out, into = dict(places[0]), dict(places[1])
    ranked = {block.key: place for place, block in enumerate(before)}
    drawn: list[tuple[bool, Markup]] = []
    for band in sorted(bands, key=lambda band: (ranked[band.start], order[band.end])):
        thick = band.size * scale
        high, low = out[band.start], into[band.end]
        out[band.start] += thick
        into[band.end] += thick
        middle = (start + end) / 2
        shape = (
            f"M{number(start)} {number(high)}C{number(middle)} {number(high)} {number(middle)} {number(low)} "
            f"{number(end)} {number(low)}V{number(low + thick)}C{number(middle)} {number(low + thick)} "
            f"{number(middle)} {number(high + thick)} {number(start)} {number(high + thick)}z"
        )
        stays = band.start == band.end
        path = Markup('<path class="fill" fill-opacity="{}" d="{}">{}</path>').format(
            _STAY if stays else _MOVE, shape, hint(band.words)
        )
        segment = of[band.start]
        look = "plain" if segment is None else group(segment)
        drawn.append((not stays, part([path], look, segment=segment)))
    return [path for _, path in sorted(drawn, key=lambda one: one[0])]


def _block(
    block: Block, x: float, y: float, tall: float, side: int, left: float, right: float, *, narrow: bool
) -> Markup:
    """Draw a block; at the sides with its name, between them with its number where there is room."""
    tip = f"{_named(block)}: {block.words}"
    shapes = [box(x, y, _BLOCK, max(tall, 1.0), "fill", tip)]
    middle = y + tall / 2
    if side == 0:
        if block.segment is not None and tall >= 14:
            shapes.append(text(x + _BLOCK + 4, middle + 4.5, str(block.segment + 1), classes="strong small halo"))
    else:
        anchor, at = ("end", x - 6) if side < 0 else ("start", x + _BLOCK + 6)
        room = (left if side < 0 else right) - 8
        said = _short(block) if narrow else _named(block)
        both = not narrow and tall >= 20
        classes = "strong" if block.segment is not None else "muted"
        shapes.append(text(at, middle + (-2 if both else 4.5), fit(said, room), classes=classes, anchor=anchor))
        if both:
            shapes.append(text(at, middle + 13, fit(block.words, room, 12), classes="muted small", anchor=anchor))
    return part(shapes, "plain" if block.segment is None else group(block.segment), segment=block.segment)


def _passing(block: Block, x: float, y: float, tall: float, step: float, *, came: bool) -> Markup:
    """Draw who came or went between the first moment and the last."""
    shapes = [box(x, y, _BLOCK, max(tall, 1.0), "fill", f"{block.label}: {block.words}")]
    if extent(block.label, 12) + 20 < step / 2:
        anchor, at = ("end", x - 5) if came else ("start", x + _BLOCK + 5)
        shapes.append(text(at, y + tall / 2 + 4, block.label, classes="muted small", anchor=anchor))
    return part(shapes, "plain")


def _named(block: Block) -> str:
    return block.label if block.segment is None else f"{block.segment + 1} {block.label}"


def _short(block: Block) -> str:
    return block.label if block.segment is None else str(block.segment + 1)
