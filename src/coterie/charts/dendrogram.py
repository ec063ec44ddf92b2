"""A tree of groups within groups, lying on its side: the root at the left, names at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, hint, line, number, part, text
from coterie.charts.palette import group


@dataclass(frozen=True)
class Branch:
    """A node of a tree.

    Parameters
    ----------
    node, parent
        Its number, and that of the node it is part of; None for the root.
    height
        At what distance its parts join.
    label
        Its name; drawn at leaves.
    words
        Its size in words; drawn at leaves.
    segment
        The segment it lies in; None above the cut.
    """

    node: int
    parent: int | None
    height: float
    label: str
    words: str
    segment: int | None


def dendrogram(
    branches: Sequence[Branch], *, title: str, description: str, scale: str, cut: float | None = None, width: int = 860
) -> Markup:
    """Draw a tree with its heights to scale.

    Parameters
    ----------
    branches
        The nodes, root first, parents before children.
    title, description
        For those who cannot see it.
    scale
        What the horizontal distance means, in words.
    cut
        The height at which the tree was cut into segments; drawn as a line.
    width
        Pixels.
    """
    children: dict[int, list[Branch]] = {}
    for branch in branches[1:]:
        if branch.parent is not None:
            children.setdefault(branch.parent, []).append(branch)
    leaves = [branch for branch in _walk(branches[0], children) if branch.node not in children] if branches else []
    pitch, top = 24.0, 46.0
    wanted = max((extent(leaf.label) + extent(leaf.words) + 26 for leaf in leaves), default=0.0)
    room = min(wanted, width * (0.42 if width >= 600 else 0.58))
    right = width - room
    tallest = max((branch.height for branch in branches), default=1.0) or 1.0
    height = top + pitch * len(leaves) + 6
    across = {branch.node: (1 - branch.height / tallest) * (right - 10) + 2 for branch in branches}
    down = {leaf.node: top + pitch * (index + 0.5) for index, leaf in enumerate(leaves)}
    for branch in reversed(branches):
        if branch.node in children:
            spots = [down[child.node] for child in children[branch.node]]
            down[branch.node] = (min(spots) + max(spots)) / 2
    body: list[Markup] = []
    if cut is not None:
        x = (1 - cut / tallest) * (right - 10) + 2
        body.append(line(x, top - 10, x, height - 4, "axis dash"))
        anchor = "start" if x < width / 2 else "end"
        body.append(text(x, top - 16, "cut into segments", classes="muted small", anchor=anchor))
    body.append(text(0, 13, f"← {fit(scale, width - 30, 12)}", classes="muted small"))
    for branch in sorted(branches, key=lambda branch: branch.segment is not None):  # colours over grey
        look = "plain" if branch.segment is None else group(branch.segment)
        body.append(part(_lines(branch, children, across, down, right, width), look, segment=branch.segment))
    return figure(body, width=width, height=height, title=title, description=description)


def _walk(root: Branch, children: dict[int, list[Branch]]) -> list[Branch]:
    """Return all nodes, each before its children, without recursion: a degenerate tree is as deep as it is long."""
    order, waiting = [], [root]
    while waiting:
        branch = waiting.pop()
        order.append(branch)
        waiting.extend(reversed(children.get(branch.node, [])))
    return order


def _lines(
    branch: Branch,
    children: dict[int, list[Branch]],
    across: dict[int, float],
    down: dict[int, float],
    right: float,
    width: int,
) -> list[Markup]:
    """Draw a node: the way to its parts, or its name where it has none."""
    x, y = across[branch.node], down[branch.node]
    thick = "1.5" if branch.segment is None else "2.25"
    below = children.get(branch.node)
    shapes = []
    if branch.parent is not None:
        shapes.append(_stroke(f"M{number(across[branch.parent])} {number(y)}H{number(x if below else right)}", thick))
    elif not below:
        shapes.append(_stroke(f"M0 {number(y)}H{number(right)}", thick))
    if below:
        spots = [down[child.node] for child in below]
        shapes.append(_stroke(f"M{number(x)} {number(min(spots))}V{number(max(spots))}", thick))
        return shapes
    # A leaf's line only leads the eye to its name; what splits further below is not drawn.
    shapes.append(box(right + 2, y - 4, 8, 8))
    label = fit(branch.label, width - right - 24 - extent(branch.words))
    shapes.append(
        Markup('<text x="{}" y="{}">{} <tspan class="muted">{}</tspan>{}</text>').format(
            number(right + 16),
            number(y + 4.5),
            label,
            branch.words,
            hint(branch.label if label != branch.label else ""),
        )
    )
    return shapes


def _stroke(path: str, thick: str) -> Markup:
    return Markup('<path class="stroke" stroke-width="{}" d="{}"/>').format(thick, path)
