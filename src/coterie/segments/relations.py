"""How segments lie to each other: how far apart, who is next to whom, and how many people stand between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coterie.segments.people import Ints
from coterie.segments.prototypes import PrototypeSegments

BORDER = 0.9
"""People whose nearest segment is at least this part as far away as their second nearest stand on a border."""


@dataclass(frozen=True)
class Relations:
    """How the segments of one segmentation lie to each other, by id.

    Parameters
    ----------
    distance
        Between the centres of two segments, Euclidean, on the scale of the matrix (about standard deviations):
        k rows of k.
    next_to
        Row i, column j: the share of segment i's people whose second nearest segment is j, 0 to 1; each row adds up to
        1, or is all 0 where nobody is in the segment.
    between
        The share of all people who stand on a border (:data:`BORDER`).
    borders
        The same for each segment, as a share of its people; 0 where nobody is in it.
    people
        How many people were looked at.
    """

    distance: tuple[tuple[float, ...], ...]
    next_to: tuple[tuple[float, ...], ...]
    between: float
    borders: tuple[float, ...]
    people: int

    def neighbour(self, segment: int) -> int:
        """Return the segment that most of a segment's people have as their second nearest."""
        return int(np.argmax(self.next_to[segment]))

    def sentences(self, names: Sequence[str]) -> tuple[str, ...]:
        """Say of each segment what it is next to; segments without people are left out.

        Examples
        --------
        >>> near = Relations(((0.0, 3.0), (3.0, 0.0)), ((0.0, 1.0), (1.0, 0.0)), 0.04, (0.08, 0.02), 300)
        >>> near.sentences(["Regulars", "Rare"])[0]
        'Regulars: the next segment is Rare (of 100 % of them); 8 % stand on a border.'
        """
        told = []
        for segment, (name, shares, border) in enumerate(zip(names, self.next_to, self.borders, strict=True)):
            other = self.neighbour(segment)
            if shares[other]:
                told.append(
                    f"{name}: the next segment is {names[other]} (of {shares[other]:.0%} of them); "
                    f"{border:.0%} stand on a border.".replace("%", " %")
                )
        return tuple(told)


def relations(model: PrototypeSegments, frame: Any) -> Relations:
    """See how the segments of a fitted segmentation lie to each other.

    Parameters
    ----------
    model
        Fitted, with two segments or more.
    frame
        People with the columns of ``fit``, one row each.

    Raises
    ------
    NotFittedError, EmptyShopError, MissingColumnError
        The model is not fitted; there is nobody; a column is not there.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from coterie.segments.clustering import KMeansSegments
    >>> people = pa.table({"orders": [1, 2, 1, 9, 10, 9, 70, 80, 75], "spend": [5, 6, 5, 90, 80, 85, 900, 950, 990]})
    >>> relations(KMeansSegments(k=3).fit(people), people).next_to
    ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
    """
    far = model.distances(frame)
    k, rows = model.k_, np.arange(len(far))
    first: Ints = far.argmin(axis=1)
    nearest = far[rows, first].copy()
    far[rows, first] = np.inf
    second: Ints = far.argmin(axis=1)
    on_border = nearest >= BORDER * far[rows, second]

    size = np.bincount(first, minlength=k)
    beside = np.bincount(first * k + second, minlength=k * k).reshape(k, k) / np.maximum(size, 1)[:, None]
    borders = np.bincount(first[on_border], minlength=k) / np.maximum(size, 1)
    centres = model.centres_.astype(np.float64)
    apart = np.sqrt(np.square(centres[:, None] - centres[None]).sum(axis=2))
    return Relations(
        distance=tuple(tuple(row) for row in apart.tolist()),
        next_to=tuple(tuple(row) for row in beside.tolist()),
        between=float(on_border.mean()),
        borders=tuple(borders.tolist()),
        people=len(far),
    )
