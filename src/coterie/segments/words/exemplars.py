"""Exemplars: the people most like their segment, as figures in the shop's own units, apart from who they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from coterie.errors import ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.people import Ints, numbers, one_order, read

COUNT = 3


@dataclass(frozen=True)
class Figure:
    """One thing known of an exemplar.

    Parameters
    ----------
    feature
        The feature's name in the catalogue.
    title
        Its name for people.
    unit
        money (minor units), count, days, share (0 to 1), number or text.
    value
        The figure, in that unit; None where it is not known of this person.
    """

    feature: str
    title: str
    unit: str
    value: float | str | None


@dataclass(frozen=True)
class Exemplar:
    """A person who is most like the others of a segment; nothing says who it is.

    Parameters
    ----------
    segment
        The segment's id.
    distance
        How far from the segment's centre, on the scale of the segmentation's matrix.
    figures
        What is known of the person, in the order of the features given.
    """

    segment: int
    distance: float
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Exemplars:
    """The exemplars of all segments, and, apart from them, who they are.

    Parameters
    ----------
    people
        The exemplars, by segment, the most typical first.
    persons
        The key of each of them (the row's number where there is no column ``person``); to be withheld from whoever may
        not see single customers.
    """

    people: tuple[Exemplar, ...]
    persons: tuple[int | str, ...]

    def of(self, segment: int) -> tuple[Exemplar, ...]:
        """Return the exemplars of one segment."""
        return tuple(one for one in self.people if one.segment == segment)


def exemplars(
    frame: Any, labels: Ints, matrix: Matrix, features: Mapping[str, tuple[str, str]], *, count: int = COUNT
) -> Exemplars:
    """Find the people nearest to the centre of their segment.

    The centre is the mean of the segment's people on the matrix's scale; people who are equally near are taken in the
    order of their figures, then of their keys, so that the order of rows does not matter.

    Parameters
    ----------
    frame
        The people, shape (people, columns).
    labels
        The segment of each row.
    matrix
        The fitted scaling of the segmentation: near is what is near in its eyes.
    features
        Column → (title, unit) of what to tell of them; columns may be numbers or text.
    count
        How many of each segment; a smaller segment has fewer.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"person": [7, 8, 9, 10], "orders": [1, 2, 4, 90]})
    >>> matrix = Matrix(scaling="standard").fit(people)
    >>> found = exemplars(people, np.array([1, 1, 1, 0]), matrix, {"orders": ("Orders", "count")}, count=1)
    >>> found.of(1)[0].figures[0].value, found.persons
    (2.0, (10, 8))
    """
    data = read(frame)
    groups = np.asarray(labels)
    if groups.shape != (len(data),):
        raise ParameterError.of("exemplars", "labels", groups.shape, f"of shape ({len(data)},)")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ParameterError.of("exemplars", "count", count, "a whole number of at least 1")
    keyed = ("person",) if "person" in data.columns else ()
    data, rows = one_order(data, (*(part.name for part in matrix.parts_), *keyed))
    groups = groups[rows]
    X = matrix.transform(data.to_native()).astype(np.float64)
    chosen: list[int] = []
    away: list[float] = []
    for segment in np.unique(groups):
        here = np.flatnonzero(groups == segment)
        distance = np.round(np.linalg.norm(X[here] - X[here].mean(axis=0), axis=1), 9)
        nearest = np.argsort(distance, kind="stable")[:count]
        chosen.extend(here[nearest].tolist())
        away.extend(distance[nearest].tolist())
    told = {name: _column(data, name, chosen) for name in features}
    people = tuple(
        Exemplar(
            int(groups[row]),
            away[place],
            tuple(Figure(name, title, unit, told[name][place]) for name, (title, unit) in features.items()),
        )
        for place, row in enumerate(chosen)
    )
    persons = data.get_column("person").to_list() if keyed else rows.tolist()
    return Exemplars(people, tuple(persons[row] for row in chosen))


def _column(data: nw.DataFrame[Any], name: str, chosen: list[int]) -> list[float | str | None]:
    """Return what is known of the chosen people, in plain Python values."""
    kind = data.schema.get(name)
    if isinstance(kind, nw.String | nw.Categorical | nw.Enum):
        return [None if value is None else str(value) for value in data.get_column(name)[chosen].to_list()]
    return [None if math.isnan(value) else value for value in numbers(data, name)[chosen].tolist()]
