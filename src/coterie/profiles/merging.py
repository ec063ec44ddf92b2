"""Joining nodes of a graph whose edges come one after the other: who belongs to whom since when, vectorised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Nodes = npt.NDArray[np.intp]

_FEW = 256  # components that are left: from here on a plain loop is as quick as whole arrays


def numbered(parts: Sequence[Keys]) -> tuple[Keys, list[Nodes]]:
    """Return the distinct keys of several arrays, ascending, and each array as places among them."""
    everything = np.concatenate(parts)
    order = np.argsort(everything)  # quick, not stable: np.unique takes twice as long
    ordered = everything[order]
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    place = np.empty(len(ordered), dtype=np.intp)
    place[order] = np.cumsum(fresh) - 1
    return ordered[fresh], np.split(place, np.cumsum([len(part) for part in parts[:-1]]))


def components(count: int, a: Nodes, b: Nodes) -> Nodes:
    """Return the number of the component of each node when all edges hold."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if count == 0:
        return np.zeros(0, dtype=np.intp)
    small = np.int32 if count < np.iinfo(np.int32).max else np.int64
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a.astype(small), b.astype(small))), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def anchors(component: Nodes, a: Nodes, b: Nodes, time: Keys, known: Keys) -> tuple[Nodes, Keys]:
    """Join edges in the order of time, and return of each node whom it was joined to, and when.

    At each joining the person that was known first (ties: the smaller node) keeps its anchor, and the anchor of the
    other is given that one as its next. So each node has at most one next; the nodes that it belongs to in the course
    of time are its next, that one's next, and so on.

    Parameters
    ----------
    component
        The component of each node.
    a, b, time
        The edges: two nodes and a microsecond each.
    known
        Of each node, since when it is known.

    Returns
    -------
    tuple
        ``next`` (-1 for none) and the microsecond of it, by node.
    """
    following, moment = np.full(len(component), -1, dtype=np.intp), np.zeros(len(component), dtype=np.int64)
    if len(a):
        grown = _grown(component, a, b, time, known, following, moment)
        if not (left := ~grown[component[a]]).all():
            a, b, time = a[left], b[left], time[left]
        _in_turn(component, a, b, time, known, following, moment)
    return following, moment


def _grown(
    component: Nodes, a: Nodes, b: Nodes, time: Keys, known: Keys, following: Nodes, moment: Keys
) -> npt.NDArray[np.bool_]:
    """Join the components that have grown from one seed, all at once; return of each component whether it is one.

    A seed is an edge that is the first one of both its ends. Where the seeds of a component share a node, whoever is in
    it was joined by the first of their edges; and where the oldest node is in a seed, it is the anchor from there on.
    """
    count, never = int(component.max(initial=-1)) + 1, np.iinfo(np.int64).max
    moment.fill(never)
    np.minimum.at(moment, a, time)
    np.minimum.at(moment, b, time)
    seed = np.flatnonzero(time == moment[a])
    seed = seed[time[seed] == moment[b[seed]]]
    ends = np.concatenate([a[seed], b[seed]])
    often = np.bincount(ends, minlength=len(component))
    home = component[ends]
    seeds = np.bincount(home[: len(seed)], minlength=count)
    shared = np.zeros(count, dtype=np.int64)
    np.maximum.at(shared, home, often[ends])
    oldest = np.full(count, never)
    np.minimum.at(oldest, component, known)
    old = np.flatnonzero(known == oldest[component])
    anchor = np.full(count, len(component), dtype=np.intp)
    np.minimum.at(anchor, component[old], old)
    grown: npt.NDArray[np.bool_] = (seeds > 0) & (shared == seeds) & (often[anchor] > 0)
    following[:] = np.where(grown, anchor, -1)[component]
    following[anchor[grown]] = -1
    return grown


def _in_turn(component: Nodes, a: Nodes, b: Nodes, time: Keys, known: Keys, following: Nodes, moment: Keys) -> None:
    """Join the first edges of all components at once, then the second ones, and so on.

    Components do not touch each other. The few that have more edges than the rest end in a plain loop.
    """
    top = np.arange(len(component))
    order = np.argsort(time)
    mine = component[a[order]]
    order = order[np.argsort(mine * len(a) + np.arange(len(a)))]
    a, b, time = a[order], b[order], time[order]
    sizes = np.bincount(mine)
    starts = np.cumsum(sizes) - sizes
    longest = np.argsort(-sizes, kind="stable")
    ascending = -sizes[longest]
    done = 0
    while (left := int(np.searchsorted(ascending, -done))) > _FEW:
        edge = starts[longest[:left]] + done
        one, other = _tops(top, a[edge]), _tops(top, b[edge])
        apart = one != other
        edge, one, other = edge[apart], one[apart], other[apart]
        first = (known[one] < known[other]) | ((known[one] == known[other]) & (one < other))
        older, newer = np.where(first, one, other), np.where(first, other, one)
        following[newer] = older
        moment[newer] = time[edge]
        top[newer] = older
        top[a[edge]] = top[b[edge]] = older
        done += 1
    for group in longest[:left].tolist():
        rest = slice(starts[group] + done, starts[group] + sizes[group])
        _join(top, following, moment, known, a[rest].tolist(), b[rest].tolist(), time[rest].tolist())


def _tops(top: Nodes, nodes: Nodes) -> Nodes:
    """Return the anchors of nodes."""
    found = top[nodes]
    while not np.array_equal(above := top[found], found):
        found = above
    return found


def _join(top: Nodes, following: Nodes, moment: Keys, known: Keys, a: list[int], b: list[int], time: list[int]) -> None:
    """Join the edges of one component one by one, as ``anchors`` does."""
    nodes = np.unique(np.array(a + b, dtype=np.intp))
    nodes = np.unique(np.concatenate([nodes, _tops(top, nodes)]))
    up: dict[int, int] = dict(zip(nodes.tolist(), _tops(top, nodes).tolist(), strict=True))
    since: dict[int, int] = dict(zip(nodes.tolist(), known[nodes].tolist(), strict=True))
    joined: list[tuple[int, int, int]] = []

    def anchor(node: int) -> int:
        while up[node] != node:
            up[node] = node = up[up[node]]
        return node

    for one, other, at in zip(a, b, time, strict=True):
        x, y = anchor(one), anchor(other)
        if x != y:
            older, newer = (x, y) if (since[x], x) < (since[y], y) else (y, x)
            up[newer] = older
            joined.append((newer, older, at))
    if joined:
        newer_, older_, at_ = (np.array(column) for column in zip(*joined, strict=True))
        following[newer_], moment[newer_] = older_, at_


def steps(following: Nodes, moment: Keys) -> tuple[Nodes, Keys, Nodes, Nodes]:
    """Return node, time, new anchor of every change that ``anchors`` found, and which of its node's changes it is."""
    node = np.flatnonzero(following >= 0)
    at = node
    found: list[tuple[Nodes, Keys, Nodes, Nodes]] = []
    while len(node):
        found.append((node, moment[at], following[at], np.full(len(node), len(found), dtype=np.intp)))
        at = following[at]
        goes_on = following[at] >= 0
        node, at = node[goes_on], at[goes_on]
    if not found:
        none = np.zeros(0, dtype=np.intp)
        return none, none.astype(np.int64), none, none
    changed, times, now, number = (np.concatenate(column) for column in zip(*found, strict=True))
    return changed, times, now, number


def intervals(
    keys: Keys, node: Nodes, time: Keys, anchor: Nodes, number: Nodes, beginning: int, end: int
) -> tuple[Keys, Keys, Keys, Keys]:
    """Turn changes into intervals without gaps: subject, person, from, until; in the order of subjects and time.

    Parameters
    ----------
    keys
        The subject of each node; each begins as its own person.
    node, time, anchor, number
        The changes, and which of its node's changes each is (0, 1, 2 …, in the order of time).
    beginning, end
        The ends of time.
    """
    many = np.bincount(node, minlength=len(keys))
    many += 1
    last = np.cumsum(many)
    last -= 1
    subject = np.repeat(keys, many)
    person, start = subject.copy(), np.full(len(subject), beginning, dtype=np.int64)
    place = (last - many)[node]
    place += number
    place += 2
    person[place], start[place] = keys[anchor], time
    until = np.empty_like(start)
    until[:-1] = start[1:]
    until[last] = end
    if not (lasting := start < until).all():  # several joinings at one moment leave only the last
        subject, person, start, until = subject[lasting], person[lasting], start[lasting], until[lasting]
    return subject, person, start, until
