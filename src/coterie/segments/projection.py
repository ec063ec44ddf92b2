"""The map: people as points in two dimensions, with axes that say what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.errors import NoVariationError, ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.people import SPEND, Floats, Ints, one_order, read
from coterie.segments.words.description import known, listed, lower

POINTS = 2_000
_LOUD = 0.6  # features whose loading is at least this part of the strongest one are named
_NAMED = 3


@dataclass(frozen=True)
class Projection:
    """People on a plane.

    Parameters
    ----------
    x, y
        Float arrays of shape (points,): where each point lies, in standard deviations of the axis. The points of a
        segment come in an order drawn by lot, so that its first ones are a fair part of it.
    segment
        Integer array of shape (points,): the point's segment.
    axes
        What grows to the right, and what grows upwards, in words.
    people
        How many people the points stand for; points are a sample of at most 2,000.
    shares
        The share of the variance of all features that each axis keeps, 0 to 1.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    segment: npt.NDArray[np.int64]
    axes: tuple[str, str]
    people: int
    shares: tuple[float, float] = (0.0, 0.0)


def project(
    frame: Any,
    labels: Ints,
    matrix: Matrix,
    features: Mapping[str, tuple[str, str]] | None = None,
    *,
    points: int = POINTS,
    minimum_group: int = 1,
    seed: int = 0,
) -> Projection:
    """Lay people out by the two main axes of their scaled features (PCA).

    Each axis points to where spend is higher (or, without spend, to where its strongest feature is). A sample keeps
    every segment's share, and at least one point of each that is large enough.

    Parameters
    ----------
    frame
        The people, shape (people, columns).
    labels
        The segment of each row.
    matrix
        The fitted scaling of the segmentation, so that the map shows what the segmentation saw.
    features
        Column → (title, unit), for the words; None asks the catalogue.
    points
        How many points at most.
    minimum_group
        Nobody is drawn of segments of fewer people.
    seed
        Of the sample, and of the order in which points come.

    References
    ----------
    Pearson (1901), On lines and planes of closest fit to systems of points in space.
    """
    data = read(frame)
    groups = np.asarray(labels)
    if groups.shape != (len(data),):
        raise ParameterError.of("project", "labels", groups.shape, f"of shape ({len(data)},)")
    if points < 1:
        raise ParameterError.of("project", "points", points, "a whole number of at least 1")
    data, rows = one_order(data, tuple(part.name for part in matrix.parts_))
    groups = groups[rows].astype(np.int64)
    X = matrix.transform(data.to_native()).astype(np.float64)
    X -= X.mean(axis=0)
    variances, axes = np.linalg.eigh(X.T @ X / len(X))
    if variances[-1] <= 0:
        raise NoVariationError(f"All {len(X):,} people look the same.", hint="choose other columns.")
    loadings = np.zeros((X.shape[1], 2))
    main = axes[:, ::-1][:, :2]
    loadings[:, : main.shape[1]] = main
    loadings = np.column_stack([_upright(column, matrix.columns_) for column in loadings.T])
    places = X @ loadings
    spread = places.std(axis=0)
    places /= np.where(spread > 1e-12, spread, 1.0)
    about = features or known(data)
    shown = _sample(groups, points, minimum_group, seed)
    kept = np.maximum(variances[::-1][:2], 0) / variances.sum()
    return Projection(
        places[shown, 0],
        places[shown, 1],
        groups[shown],
        (_words(loadings[:, 0], matrix.columns_, about), _words(loadings[:, 1], matrix.columns_, about)),
        len(X),
        (float(kept[0]), float(kept[1]) if len(kept) > 1 else 0.0),
    )


def _upright(loading: Floats, columns: tuple[str, ...]) -> Floats:
    """Turn an axis so that spend grows along it; where spend hardly matters, its strongest feature."""
    strongest = int(np.argmax(np.abs(np.round(loading, 6))))
    spend = columns.index(SPEND) if SPEND in columns else strongest
    guide = spend if abs(loading[spend]) >= 0.3 * abs(loading[strongest]) else strongest
    return -loading if loading[guide] < 0 else loading


def _words(loading: Floats, columns: tuple[str, ...], features: Mapping[str, tuple[str, str]]) -> str:
    """Say what grows and what shrinks along an axis: its loudest features, windows of time left out."""
    loudest = float(np.abs(loading).max())
    if loudest == 0:
        return "nothing else"
    said: dict[str, list[str]] = {"more": [], "less": [], "fewer": []}
    told: list[str] = []
    for place in np.argsort(-np.abs(np.round(loading, 6)), kind="stable"):
        title, unit = features.get(columns[place], (columns[place].replace("_", " "), "number"))
        name = lower(title).split(",")[0]
        if abs(loading[place]) < _LOUD * loudest or len(told) == _NAMED:
            break
        if name not in told:
            told.append(name)
            said["more" if loading[place] > 0 else "fewer" if unit in ("count", "days") else "less"].append(name)
    return ", ".join(f"{word} {listed(names)}" for word, names in said.items() if names)


def _sample(groups: Ints, points: int, least: int, seed: int) -> Ints:
    """Return positions of at most so many people in an order drawn by lot, each large segment by its share."""
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    of_segments = [shuffled[groups[shuffled] == segment] for segment in np.unique(groups)]
    part = min(points / len(groups), 1.0)
    chosen = [members[: max(1, int(part * len(members)))] for members in of_segments if len(members) >= least]
    return np.concatenate(chosen or [shuffled[:0]])[:points].astype(np.int64)
