"""Re-definition: did people change, or did what the segments mean, when new segments were made meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coterie.errors import DataError
from coterie.segments.time.migration import members, named, without


@dataclass(frozen=True)
class Shift:
    """How one segment's size changed, part by part.

    Parameters
    ----------
    name
        The segment.
    before
        People in it before, by the old definitions.
    left, entered
        People who are gone since; people who are new, by the old definitions.
    behaviour
        People who came into it less those who went, because they behaved differently: by the old definitions.
    definition
        People who came into it less those who went because the definitions are new.
    after
        People in it now, by the new definitions: ``before - left + entered + behaviour + definition``.
    """

    name: str
    before: int
    left: int
    entered: int
    behaviour: int
    definition: int
    after: int

    @property
    def between(self) -> int:
        """People in it now, were the definitions still the old ones."""
        return self.after - self.definition


@dataclass(frozen=True)
class Change:
    """What became of people's segments while behaviour and definitions changed at once.

    The first five figures are people known at both moments; they add up to ``people``.

    Parameters
    ----------
    people
        Known at both moments.
    unmoved
        In the same segment, by the old definitions and by the new.
    behaved
        In another segment, by the old definitions already: they behaved differently, and only that.
    redefined
        In another segment only because the definitions are new; they behaved as before.
    both
        Moved by the old definitions, and moved on by the new ones.
    returned
        Moved by the old definitions, and put back by the new ones.
    segments
        The change of each segment's size.
    """

    people: int
    unmoved: int
    behaved: int
    redefined: int
    both: int
    returned: int
    segments: tuple[Shift, ...]

    @property
    def moved(self) -> int:
        """People in another segment than before: ``behaved + redefined + both``."""
        return self.behaved + self.redefined + self.both


def tell_apart(
    before: Any, between: Any, after: Any, k: int | None = None, names: Sequence[str] | None = None
) -> Change:
    """Tell who changed segment by behaving differently from who did because the segments were made anew.

    People are followed in two steps: from ``before`` to ``between`` only time passes (migration), from ``between`` to
    ``after`` only the model changes (re-definition). Behaviour is thus judged by the definitions that were in use.

    Parameters
    ----------
    before
        ``person`` and ``segment`` by the old model at the earlier moment; any dataframe.
    between
        The same by the old model at the later moment.
    after
        The same by the new model at the later moment, in the old numbering (:meth:`Alignment.apply`).
    k, names
        As in :func:`migration`.

    Raises
    ------
    DataError
        The last two tables are not of the same people, or somebody is in a table twice.

    Examples
    --------
    >>> import pyarrow as pa
    >>> def at(*segments):
    ...     return pa.table({"person": range(len(segments)), "segment": segments})
    >>> found = tell_apart(at(0, 0, 0, 1), at(0, 1, 0, 1), at(0, 1, 1, 1))
    >>> found.unmoved, found.behaved, found.redefined
    (2, 1, 1)
    """
    (who, a), (who_between, b), (who_after, c) = (
        members(name, table) for name, table in (("before", before), ("between", between), ("after", after))
    )
    if not np.array_equal(who_between, who_after):
        raise DataError("The old and the new model were not asked about the same people at the later moment.")
    segments = max(int(np.concatenate([a, b, c]).max(initial=-1)) + 1, k or 0)
    _, here, there = np.intersect1d(who, who_after, assume_unique=True, return_indices=True)
    old, same, new = a[here], b[there], c[there]
    behaved, redefined = old != same, same != new
    size = {name: np.bincount(side, minlength=segments) for name, side in (("a", a), ("b", b), ("c", c))}
    left = np.array(without(who, a, who_after, segments))
    entered = np.array(without(who_between, b, who, segments))
    moved = np.bincount(same, minlength=segments) - np.bincount(old, minlength=segments)
    parts = zip(named(names, segments), *(side.tolist() for side in (
        size["a"], left, entered, moved, size["c"] - size["b"], size["c"])), strict=True)  # fmt: skip
    return Change(
        people=len(here),
        unmoved=int((~behaved & ~redefined).sum()),
        behaved=int((behaved & ~redefined).sum()),
        redefined=int((~behaved & redefined).sum()),
        both=int((behaved & redefined & (old != new)).sum()),
        returned=int((behaved & redefined & (old == new)).sum()),
        segments=tuple(Shift(*part) for part in parts),
    )
