"""Identifiers that were seen with too many others to be one person's: a till's e-mail, a tablet in the store."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coterie.profiles.guards import NEVER

Keys = npt.NDArray[np.int64]
Nodes = npt.NDArray[np.intp]
Kinds = npt.NDArray[np.int8]


def since(kind: Kinds, most: Keys, a: Nodes, b: Nodes, time: Keys) -> Keys:
    """Return of each node the microsecond at which it turned out to be a hub; ``NEVER`` for the others.

    Parameters
    ----------
    kind
        Of each node; the smaller, the stronger.
    most
        Of each kind, how many different nodes of one stronger kind such a node may be seen with.
    a, b, time
        What was seen together, and when it became known.
    """
    found = np.full(len(kind), NEVER, dtype=np.int64)
    weak, strong, time = _pairs(kind, a, b, time)
    often = np.bincount(weak, minlength=len(kind)) > most[kind]
    few = often[weak]
    weak, strong, time = first(weak[few], strong[few], time[few])
    order = np.lexsort((time, kind[strong], weak))
    weak, strong, time = weak[order], strong[order], time[order]
    place = places(weak, kind[strong])
    over = place == most[kind[weak]]  # the one that is too many
    np.minimum.at(found, weak[over], time[over])
    return found


def seen_with(kind: Kinds, hubs: Nodes, a: Nodes, b: Nodes, time: Keys) -> Keys:
    """Return of each hub with how many different nodes of one stronger kind it was seen, at most over kinds."""
    among = np.zeros(len(kind), dtype=bool)
    among[hubs] = True
    near = among[a] | among[b]
    weak, strong, time = _pairs(kind, a[near], b[near], time[near])
    weak, strong, _ = first(weak, strong, time)
    order = np.lexsort((kind[strong], weak))
    weak, strong = weak[order], strong[order]
    most = np.zeros(len(kind), dtype=np.int64)
    np.maximum.at(most, weak, places(weak, kind[strong]) + 1)
    return most[hubs]


def _pairs(kind: Kinds, a: Nodes, b: Nodes, time: Keys) -> tuple[Nodes, Nodes, Keys]:
    """Return the weaker and the stronger end of the edges between unlike kinds."""
    one, other = kind[a], kind[b]
    if not (unlike := one != other).all():
        a, b, time, one, other = a[unlike], b[unlike], time[unlike], one[unlike], other[unlike]
    weaker = one > other
    return np.where(weaker, a, b), np.where(weaker, b, a), time


def first(one: Nodes, other: Nodes, time: Keys) -> tuple[Nodes, Nodes, Keys]:
    """Return each pair of nodes once, at its first time; sorted by the pair."""
    order = np.lexsort((time, other, one))
    one, other, time = one[order], other[order], time[order]
    fresh = places(one, other) == 0
    return one[fresh], other[fresh], time[fresh]


def places(*columns: npt.NDArray[np.integer]) -> Nodes:
    """Return the place of each row in its run of equal rows: 0, 1, 2 …."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.intp)
    fresh = np.ones(len(columns[0]), dtype=bool)
    fresh[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    at = np.arange(len(fresh))
    found: Nodes = at - np.maximum.accumulate(np.where(fresh, at, 0))
    return found
