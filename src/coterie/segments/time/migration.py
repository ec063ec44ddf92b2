"""Migration: who went from which segment to which, of one model at two moments; how sure that is, where it would end.

Two models at one moment are no migration but a re-definition: ``segments.redefinition`` tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import DataError, MissingColumnError, ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate, interval
from coterie.segments.people import Floats, Ints, read
from coterie.segments.suppression import cells, in_steps, told_share, withheld

_DRAWS = 200
CLOSED = (
    "Where the sizes would end if people kept moving as between these two moments; nobody new, nobody gone, no seasons."
)


@dataclass(frozen=True)
class Migration:
    """People between the segments of one model at two moments.

    Parameters
    ----------
    names
        The segments by id, for people.
    counts
        People known at both moments, by segment before (rows) and after (columns).
    probabilities
        Of those in a segment before (rows), the share in each one after, with Wilson's 95 % interval: how far it would
        move had other people of the same kind come. It says nothing of another month. None in the row of a segment that
        nobody was in.
    stayed
        The share of people known at both moments who are in the same segment.
    entered
        New people, by the segment that they are in after.
    left
        People who are gone, by the segment that they were in before.
    steady
        The share of each segment in the long run, with a 95 % interval over people drawn anew; None where there is no
        single answer.
    caveat
        What to beware of with ``steady``, or why there is none, in words.
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    probabilities: tuple[tuple[Estimate | None, ...], ...]
    stayed: Estimate
    entered: tuple[int, ...]
    left: tuple[int, ...]
    steady: tuple[Estimate, ...] | None
    caveat: str

    @property
    def before(self) -> tuple[int, ...]:
        """People in each segment before, those included who are gone after."""
        return tuple(sum(row) + gone for row, gone in zip(self.counts, self.left, strict=True))

    @property
    def after(self) -> tuple[int, ...]:
        """People in each segment after, those included who are new."""
        return tuple(sum(column) + new for *column, new in zip(*self.counts, self.entered, strict=True))

    def withheld(self, minimum: int = 50) -> tuple[tuple[bool, ...], ...]:
        """Return which cells may not be told, of the table with one more row (new) and column (gone).

        See :func:`coterie.segments.suppression.withheld`.
        """
        table = [[*row, gone] for row, gone in zip(self.counts, self.left, strict=True)]
        rows, columns = ([place for place, hide in enumerate(cells(sizes, minimum)) if hide]
                         for sizes in (self.before, self.after))  # fmt: skip
        return withheld([*table, [*self.entered, 0]], minimum, rows=rows, columns=columns)

    def stayed_told(self, minimum: int = 50) -> Estimate:
        """Return ``stayed`` as it may be told: exact, or where cells are withheld so that none follows from it.

        It is then rounded to steps of the minimum of people, and 1 (or 0) without an interval where fewer changed (or
        stayed) than that.
        """
        if not any(map(any, self.withheld(minimum))):
            return self.stayed
        return coarse(self.stayed, sum(map(sum, self.counts)), minimum)

    def probabilities_told(self, minimum: int = 50) -> tuple[tuple[Estimate | None, ...], ...]:
        """Return ``probabilities`` as they may be told: None where the cell is withheld, rounded where another is.

        Beside an exact count, an exact share would tell how many people its row has, and so how many are gone.
        """
        hidden = self.withheld(minimum)
        return tuple(
            tuple(
                None if hide or one is None else coarse(one, sum(self.counts[i]), minimum) if any(hidden[i]) else one
                for one, hide in zip(row, hidden[i], strict=False)
            )
            for i, row in enumerate(self.probabilities)
        )

    def _repr_html_(self) -> str:
        """Show who went where inside a notebook."""
        from coterie.segments import notebooks  # late: drawing is not needed to compute

        return notebooks.of_migration(self)


def coarse(share: Estimate, people: int, minimum: int) -> Estimate:
    """Return a share of so many people, with its interval, as it may be told beside their number."""
    value = told_share(share.value, people, minimum)
    if value in (0.0, 1.0):
        return Estimate(value, np.nan, np.nan)
    return Estimate(value, *(in_steps(end, people, minimum) for end in (share.low, share.high)))


def migration(before: Any, after: Any, k: int | None = None, names: Sequence[str] | None = None) -> Migration:
    """Compare the segments of one model at two moments.

    Parameters
    ----------
    before, after
        ``person`` and ``segment`` (ids from 0 up), any dataframe, in any order; nobody twice.
    k
        How many segments the model has; one more than the largest id, when not given. A segment may be empty.
    names
        Of the segments, by id; ``segment 1`` … when not given.

    Raises
    ------
    DataError
        Somebody is in a table twice.
    TooFewPeopleError
        Nobody is in both.

    References
    ----------
    Anderson & Goodman (1957), Statistical inference about Markov chains; Wilson (1927) for the intervals.

    Examples
    --------
    >>> then = {"person": [1, 2, 3, 4, 5], "segment": [0, 0, 1, 1, 1]}
    >>> now = {"person": [2, 3, 4, 5, 6], "segment": [0, 0, 1, 1, 1]}
    >>> moved = migration(pa.table(then), pa.table(now))
    >>> moved.counts, moved.entered, moved.left, str(moved.stayed)
    (((1, 0), (1, 2)), (0, 1), (1, 0), '0.750 [0.301, 0.954]')
    """
    who_before, was = members("before", before)
    who_after, is_ = members("after", after)
    segments = max(int(np.concatenate([was, is_]).max(initial=-1)) + 1, k or 0)
    if k is not None and segments > k:
        raise ParameterError.of("migration", "segment", segments - 1, f"an id from 0 to {k - 1}")
    _, here, there = np.intersect1d(who_before, who_after, assume_unique=True, return_indices=True)
    if not len(here):
        raise TooFewPeopleError(
            "Nobody is in both tables of members.", hint="compare two moments at which the same people were known."
        )
    counts = np.bincount(was[here] * segments + is_[there], minlength=segments**2).reshape(segments, segments)
    titles = named(names, segments)
    low, high = wilson(counts, counts.sum(axis=1, keepdims=True))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    same = int(np.trace(counts))
    stayed_low, stayed_high = wilson(np.array(same), np.array(len(here)))
    steady, caveat = _long_run(counts, titles)
    return Migration(
        names=titles,
        counts=_rows(counts),
        probabilities=tuple(
            tuple(Estimate(*(float(side[i, j]) for side in (shares, low, high))) for j in range(segments))
            if counts[i].any()
            else (None,) * segments
            for i in range(segments)
        ),
        stayed=Estimate(same / len(here), float(stayed_low), float(stayed_high)),
        entered=without(who_after, is_, who_before, segments),
        left=without(who_before, was, who_after, segments),
        steady=steady,
        caveat=caveat,
    )


def wilson(counts: npt.ArrayLike, of: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's 95 % interval of shares; 0 and 1 where there is nobody to count.

    Chosen for its coverage near 0 and 1 and with few people, where the textbook's interval fails; for each share by
    itself, not for all of a table together.

    Parameters
    ----------
    counts
        People with the property.
    of
        People in all; shapes broadcast.

    References
    ----------
    Wilson (1927), Probable inference; Brown, Cai & DasGupta (2001), Interval estimation for a binomial proportion.

    >>> low, high = wilson(3, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.1078, 0.6032)
    """
    z2 = 1.959963984540054**2
    x, n = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(of, dtype=np.float64))
    some = np.maximum(n, 1)
    p = x / some
    middle = (p + z2 / (2 * some)) / (1 + z2 / some)
    half = np.sqrt(z2 * (p * (1 - p) / some + z2 / (4 * some**2))) / (1 + z2 / some)
    low = np.where((n > 0) & (x > 0), middle - half, 0.0)
    high = np.where((n > 0) & (x < n), middle + half, 1.0)
    return low, high


def steady_state(probabilities: npt.ArrayLike) -> Floats:
    """Return the shares that a chain keeps once it has them: the left eigenvector of the eigenvalue 1.

    By elimination without subtraction, so that nearly separate chains lose no digits.

    Parameters
    ----------
    probabilities
        From each state (rows, each of sum 1) to each: shape (…, k, k), irreducible.

    References
    ----------
    Grassmann, Taksar & Heyman (1985), Regenerative analysis and steady state distributions for Markov chains.

    >>> steady_state([[0.9, 0.1], [0.3, 0.7]]).round(6).tolist()
    [0.75, 0.25]
    """
    P = np.array(probabilities, dtype=np.float64)
    k = P.shape[-1]
    for n in range(k - 1, 0, -1):
        P[..., :n, n] /= P[..., n, :n].sum(axis=-1)[..., None]
        P[..., :n, :n] += P[..., :n, n, None] * P[..., n, None, :n]
    shares = np.ones(P.shape[:-1])
    for n in range(1, k):
        shares[..., n] = (shares[..., :n] * P[..., :n, n]).sum(axis=-1)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True), dtype=np.float64)


def _long_run(counts: Ints, names: tuple[str, ...]) -> tuple[tuple[Estimate, ...] | None, str]:
    """Return the steady state with its intervals and caveat, or why there is none."""
    from scipy.sparse.csgraph import connected_components

    k = len(counts)
    if k == 1:
        return None, "There is only one segment."
    totals = counts.sum(axis=1)
    if (totals == 0).any():
        empty = ", ".join(name for name, total in zip(names, totals, strict=True) if not total)
        return None, f"No steady state: nobody was in {empty}, so that it is not known where they go."
    parts, part = connected_components(counts > 0, directed=True, connection="strong")
    if parts > 1:
        # A part that nobody leaves keeps whoever comes: where all end depends on where they begin, or is that part.
        closed = [one for one in range(parts) if not counts[part == one][:, part != one].any()]
        kept = "; ".join(", ".join(name for name, at in zip(names, part, strict=True) if at == one) for one in closed)
        return None, f"No steady state of all segments: nobody went from {kept} to any other."
    P = counts / totals[:, None]
    found = steady_state(P)
    random = np.random.default_rng(0)
    draws = np.stack([random.multinomial(int(n), p, size=_DRAWS) for n, p in zip(totals, P, strict=True)], axis=1)
    reached = _reached((draws > 0) | np.eye(k, dtype=bool), k)
    drawn = draws[reached.all(axis=(1, 2))]
    repeats = steady_state(drawn / totals[:, None]) if len(drawn) else np.full((1, k), np.nan)
    caveat = CLOSED
    if not _reached(counts > 0, (k - 1) ** 2 + 1).all():  # Wielandt (1950)
        caveat += " The sizes swing round it for ever: everybody changes at every step."
    if len(drawn) < _DRAWS:
        caveat += f" {1 - len(drawn) / _DRAWS:.0%} of the draws behind its intervals had none and are left out."
    return tuple(interval(float(value), column) for value, column in zip(found, repeats.T, strict=True)), caveat


def _reached(steps: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.bool_]:
    """Return who gets from where to where in a number of steps, a power of 2, of at least ``count``."""
    for _ in range(count.bit_length()):  # in one step, in two, in four …
        steps = steps.astype(np.float64) @ steps.astype(np.float64) > 0
    return steps


def members(name: str, table: Any) -> tuple[Ints, Ints]:
    """Return people in rising order and their segments."""
    if isinstance(table, pa.Table) and not table.num_rows:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    data = read(table)
    if lost := [column for column in ("person", "segment") if column not in data.columns]:
        raise MissingColumnError.of(f"The table of members {name}", lost, data.columns)
    person, segment = (data.get_column(column).to_numpy() for column in ("person", "segment"))
    if segment.dtype.kind not in "iu" or (len(segment) and segment.min() < 0):
        raise ParameterError.of("migration", f"segment {name}", str(segment.dtype), "ids from 0 up, without gaps")
    who, first = np.unique(person, return_index=True)
    if len(who) < len(person):
        raise DataError(f"Somebody is in the table of members {name} twice.", hint="give one row a person.")
    return who, segment[first].astype(np.int64)


def without(who: Ints, segment: Ints, others: Ints, k: int) -> tuple[int, ...]:
    """Count those who are not among the others, by segment."""
    return tuple(np.bincount(segment[~np.isin(who, others)], minlength=k).tolist())


def named(names: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Return k names: those that were given, then ``segment 4`` and so on."""
    told = tuple(names or ())
    return told[:k] + tuple(f"segment {number + 1}" for number in range(len(told), k))


def _rows(table: Ints) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())
