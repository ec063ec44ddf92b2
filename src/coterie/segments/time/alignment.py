"""Alignment: which new segment is which old one, and who keeps a segment although another came a little nearer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.segments.people import Ints

DISSOLVED = 0.5  # Hennig (2008), Dissolution point and isolation robustness: at or below .5 it is another segment


@dataclass(frozen=True)
class Alignment:
    """Which old segment each new one continues.

    Parameters
    ----------
    mapping
        By new id: the old id that it continues, or None where it continues none.
    agreement
        The share of people whose new segment continues the one that they were in.
    jaccard
        By new id: people in both, as a share of people in either; 0 where it continues none.
    born
        New ids that continue no old segment.
    gone
        Old ids that no new segment continues.
    overlaps
        People by old id (rows) and new id (columns).
    """

    mapping: tuple[int | None, ...]
    agreement: float
    jaccard: tuple[float, ...]
    born: tuple[int, ...]
    gone: tuple[int, ...]
    overlaps: tuple[tuple[int, ...], ...]

    @property
    def dissolved(self) -> tuple[int, ...]:
        """New ids that have an old number, but at most half of their people in common with it: hardly the same."""
        return tuple(new for new, old in enumerate(self.mapping) if old is not None and self.jaccard[new] <= DISSOLVED)

    @property
    def renumbered(self) -> tuple[int, ...]:
        """By new id: the number to use from now on, the old one, or for a born segment one that was never used."""
        free = iter(range(len(self.overlaps), len(self.overlaps) + len(self.born)))
        return tuple(next(free) if old is None else old for old in self.mapping)

    def apply(self, labels: npt.ArrayLike) -> Ints:
        """Return new labels in the old numbering: int64 of shape (people,)."""
        new = _labels("labels", labels)
        if new.max(initial=0) >= len(self.mapping):
            raise ParameterError.of("Alignment", "labels", int(new.max()), f"below {len(self.mapping)}")
        return np.array(self.renumbered, dtype=np.int64)[new]


def align(old: npt.ArrayLike, new: npt.ArrayLike, *, old_k: int | None = None, new_k: int | None = None) -> Alignment:
    """Match new segments with old ones so that as many people as possible keep theirs.

    Parameters
    ----------
    old, new
        The segment of each person by the old and by the new model, at the same moment, in the same order:
        shape (people,) each. Looked at on two dates, a new model and a changed behaviour could not be told apart.
    old_k, new_k
        How many segments each has; one more than the largest label, when not given.

    Raises
    ------
    ParameterError, TooFewPeopleError
        The labels are not of the same people, no segment ids, or of nobody.

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem; Hennig (2007) for the Jaccard of a segment.

    Examples
    --------
    >>> found = align([0, 0, 0, 1, 1, 2], [2, 2, 2, 0, 0, 1])
    >>> found.mapping, found.agreement
    ((1, 2, 0), 1.0)
    >>> found.apply([2, 0, 1]).tolist()
    [0, 1, 2]
    """
    from scipy.optimize import linear_sum_assignment

    a, b = _labels("old", old), _labels("new", new)
    if a.shape != b.shape:
        raise ParameterError.of("align", "new", b.shape, f"the segments of the same people, of shape {a.shape}")
    if not len(a):
        raise TooFewPeopleError.of("Aligning segments", 1, 0)
    rows = max(int(a.max()) + 1, old_k or 0)
    columns = max(int(b.max()) + 1, new_k or 0)
    both = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    # The people in common decide; the Jaccard, whose sum stays below 1 after scaling, decides between equals.
    alike = both / np.maximum(either, 1)
    matched = linear_sum_assignment(both + alike / (min(rows, columns) + 1), maximize=True)
    mapping: list[int | None] = [None] * columns
    for i, j in zip(*(side.tolist() for side in matched), strict=True):
        if both[i, j]:
            mapping[j] = i
    kept = {old: new for new, old in enumerate(mapping) if old is not None}
    return Alignment(
        mapping=tuple(mapping),
        agreement=float(sum(both[i, j] for i, j in kept.items()) / len(a)),
        jaccard=tuple(float(alike[i, j]) if i is not None else 0.0 for j, i in enumerate(mapping)),
        born=tuple(j for j, i in enumerate(mapping) if i is None),
        gone=tuple(i for i in range(rows) if i not in kept),
        overlaps=tuple(tuple(row) for row in both.tolist()),
    )


@dataclass(frozen=True)
class Held:
    """Segments with hysteresis.

    Parameters
    ----------
    labels
        The segment of each person: int64 of shape (people,).
    held
        How many times in a row each person has kept a segment that was not the nearest: int64 of shape (people,).
    """

    labels: Ints
    held: Ints


def hysteresis(
    previous: npt.ArrayLike,
    distances: npt.ArrayLike,
    margin: float,
    *,
    held: npt.ArrayLike | None = None,
    patience: int = 3,
) -> Held:
    """Let people change segment only when another one is clearly nearer, or has been nearer for a while.

    A person near a border would otherwise go to and fro. Who was in a segment keeps it while its distance is at most
    (1 + margin) times that of the nearest one, and for at most ``patience`` times in a row. So nobody ever sits in a
    segment that is farther than that, nor for longer than that in one that is not the nearest.

    Parameters
    ----------
    previous
        The segment that each person was in; -1 for people who were in none (they get the nearest): shape (people,).
    distances
        From each person to each segment, not negative: shape (people, k).
    margin
        At least 0; 0 always takes the nearest segment.
    held
        ``Held.held`` of the time before; None where this is the first.
    patience
        At least 0; 0 always takes the nearest segment.

    References
    ----------
    Schmitt (1938), A thermionic trigger: two thresholds in place of one.

    Examples
    --------
    >>> near = [[1.0, 1.05], [1.05, 1.0], [2.0, 1.0]]
    >>> hysteresis([0, 0, 0], near, 0.1).labels.tolist(), hysteresis([0, 0, 0], near, 0.0).labels.tolist()
    ([0, 0, 1], [0, 1, 1])
    """
    far = np.asarray(distances, dtype=np.float64)
    before = np.asarray(previous)
    if far.ndim != 2 or far.shape[1] < 1 or not np.isfinite(far).all() or (far < 0).any():
        raise ParameterError.of("hysteresis", "distances", far.shape, "finite, not negative, of shape (people, k)")
    k = far.shape[1]
    wrong = before.dtype.kind not in "iu" or before.shape != far.shape[:1]
    if wrong or (len(before) and (before.min() < -1 or before.max() >= k)):
        raise ParameterError.of("hysteresis", "previous", before.shape, f"ids from -1 to {k - 1}, one a person")
    if not (np.isfinite(margin) and margin >= 0):
        raise ParameterError.of("hysteresis", "margin", margin, "a finite number of at least 0")
    if patience < 0:
        raise ParameterError.of("hysteresis", "patience", patience, "at least 0")
    times = np.zeros(len(before), dtype=np.int64) if held is None else np.asarray(held, dtype=np.int64)
    if times.shape != before.shape or (times < 0).any():
        raise ParameterError.of("hysteresis", "held", times.shape, "one count a person, none below 0")
    nearest = far.argmin(axis=1).astype(np.int64)
    rows = np.arange(len(before))
    own = far[rows, before]  # of -1 the last one, which is not used
    keeps = (before >= 0) & (own <= (1 + margin) * far[rows, nearest]) & (margin > 0)
    behind = own > far[rows, nearest]  # another one is nearer
    keeps &= ~behind | (times < patience)
    labels = np.where(keeps, before, nearest).astype(np.int64)
    return Held(labels, np.where(keeps & behind, times + 1, 0).astype(np.int64))


def _labels(name: str, labels: npt.ArrayLike) -> Ints:
    found = np.asarray(labels)
    if found.ndim != 1 or (len(found) and (found.dtype.kind not in "iu" or found.min() < 0)):
        raise ParameterError.of("Alignment", name, f"{found.dtype} of shape {found.shape}", "segment ids from 0 up")
    return found.astype(np.int64)
