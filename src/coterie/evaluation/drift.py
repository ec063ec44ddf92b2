"""Drift: how far the people of today differ from those that a model was made of, as sizes of effect, not p-values.

With many people any p-value is small; what matters is how much has moved, beside how much moves by chance alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError

Ints = npt.NDArray[np.int64]
MINOR, MAJOR = 0.1, 0.25
"""Below .1 a PSI is no drift to speak of, above .25 it is a large one: Siddiqi (2006), Credit Risk Scorecards."""

BINS = 10
_LEVELS = 20  # of text: the most frequent ones are told apart, the rest count together
Kind = Literal["numbers", "levels", "shares"]


@dataclass(frozen=True)
class Drift:
    """How far one feature, or the sizes of segments, have moved.

    Parameters
    ----------
    name
        The feature, or what the shares are of.
    kind
        ``numbers`` (compared in bins of equal shares of the reference), ``levels`` (of text) or ``shares`` (counts that
        were given).
    psi
        Population stability index: 0 for no drift; below .1 little, above .25 much.
    js
        Jensen-Shannon divergence with base 2: 0 for the same distribution, 1 for distributions without overlap.
    chance
        What ``psi`` stays below in 95 of 100 cases when nothing has changed and people are drawn anew, given how many
        they are. A figure below it says nothing.
    missing
        The share of people without a value, before and after.
    """

    name: str
    kind: Kind
    psi: float
    js: float
    chance: float
    missing: tuple[float, float] = (0.0, 0.0)


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the population stability index of two counts of people in the same cells.

    The sum over cells of (q - p) · ln(q / p), with p and q the shares of the reference and of now. A cell that is empty
    on one side counts there as half a person, so that the index stays finite; one that is empty on both is left out.

    Parameters
    ----------
    reference, current
        People in each cell, not negative: shape (cells,).

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, chapter 9; Kullback & Leibler (1951): it is their symmetric divergence.

    Examples
    --------
    >>> round(psi([50, 50], [40, 60]), 4)
    0.0405
    >>> psi([5, 0, 5], [50, 0, 50])
    0.0
    """
    before, after = _counts(reference, current)
    either = (before > 0) | (after > 0)
    p, q = (np.where(side > 0, side, 0.5)[either] / side.sum() for side in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def js(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the Jensen-Shannon divergence (base 2, from 0 to 1) of two counts of people in the same cells.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy.

    >>> js([10, 0], [0, 10]), js([1, 3], [10, 30])
    (1.0, 0.0)
    """
    before, after = _counts(reference, current)
    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2

    def apart(side: npt.NDArray[np.float64]) -> float:
        here = side > 0
        return float((side[here] * np.log2(side[here] / middle[here])).sum())

    return min(max((apart(p) + apart(q)) / 2, 0.0), 1.0)


def chance(cells: int, reference: int, current: int) -> float:
    """Return what the PSI of samples of one population stays below in 95 of 100 cases.

    Without drift it is about (1/n + 1/m) times a chi-squared variable with as many degrees of freedom as cells, less
    one. Where the same people are looked at twice, chance moves less than this.

    Parameters
    ----------
    cells
        How many cells have anybody in them.
    reference, current
        People on each side.

    References
    ----------
    Yurdakul & Naranjo (2020), Statistical properties of the population stability index.

    >>> round(chance(10, 1000, 1000), 3), chance(1, 1000, 1000)
    (0.034, 0.0)
    """
    from scipy.stats import chi2

    if min(reference, current) < 1:
        raise TooFewPeopleError.of("Drift", 1, min(reference, current))
    return float((1 / reference + 1 / current) * chi2.ppf(0.95, cells - 1)) if cells > 1 else 0.0


def of_shares(name: str, reference: npt.ArrayLike, current: npt.ArrayLike) -> Drift:
    """Return the drift of counts that are known already, such as people a segment: shape (cells,) each."""
    before, after = _counts(reference, current)
    return _drift(name, "shares", before, after, (0.0, 0.0))


def of_values(name: str, reference: npt.ArrayLike, current: npt.ArrayLike, *, bins: int = BINS) -> Drift:
    """Return the drift of one feature from one group of people to another.

    Numbers are counted in bins that hold equal shares of the reference; a value that alone fills a bin has a cell of
    its own. Of text the 20 most frequent levels of the reference are told apart, all others count together. Missing
    values (NaN and infinity, None) are a cell, too.

    Parameters
    ----------
    name
        Of the feature.
    reference, current
        Its values: numbers, truth values or text, shape (people,) each, of any two numbers of people.
    bins
        How many, at least 2.

    Raises
    ------
    TooFewPeopleError
        One side has nobody.
    ParameterError
        The values are of two kinds or of another one, or there are too few bins.
    """
    if bins < 2:
        raise ParameterError.of("Drift", "bins", bins, "at least 2")
    before, after = np.asarray(reference), np.asarray(current)
    if before.ndim != 1 or after.ndim != 1:
        raise ParameterError.of("Drift", "values", (before.shape, after.shape), "one value a person")
    if not len(before) or not len(after):
        raise TooFewPeopleError.of(f"The drift of {name}", 1, 0)
    if before.dtype.kind in "iufb" and after.dtype.kind in "iufb":
        cells, kind = _of_numbers(before.astype(np.float64), after.astype(np.float64), bins), "numbers"
    elif before.dtype.kind in "OUT" and after.dtype.kind in "OUT":
        cells, kind = _of_levels(before, after), "levels"
    else:
        got = f"{before.dtype} and {after.dtype}"
        raise ParameterError.of("Drift", f"the values of {name}", got, "numbers on both sides, or text on both")
    missing = (float(cells[0][-1] / len(before)), float(cells[1][-1] / len(after)))
    return _drift(name, "numbers" if kind == "numbers" else "levels", *cells, missing)


def edges(reference: npt.NDArray[np.float64], bins: int = BINS) -> npt.NDArray[np.float64]:
    """Return the upper ends of the bins of finite numbers, without that of the last one, which is open.

    A value at which two quantiles meet (many people have it) gets a bin of its own: else a shop whose people all have 0
    could not be told from one where all have less.

    >>> edges(np.arange(1.0, 11.0), 5).tolist()
    [2.0, 4.0, 6.0, 8.0]
    >>> [round(edge, 9) for edge in edges(np.array([0.0, 0.0, 0.0, 1.0]), 2).tolist()]
    [-0.0, 0.0]
    """
    if not len(reference):
        return np.empty(0)
    # Quantiles that are values of somebody: between two values of a count there is nothing to cut.
    ends = np.quantile(reference, np.arange(bins + 1) / bins, method="inverted_cdf")
    value, times = np.unique(ends, return_counts=True)
    lumps = np.nextafter(value[times > 1], -np.inf)
    return np.unique(np.concatenate([ends[1:-1], lumps]))


def _of_numbers(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], bins: int) -> tuple[Ints, Ints]:
    """Return the people in each bin, those without a value last."""
    ends = edges(before[np.isfinite(before)], bins)

    def counted(values: npt.NDArray[np.float64]) -> Ints:
        finite = values[np.isfinite(values)]
        held = np.bincount(np.searchsorted(ends, finite, side="left"), minlength=len(ends) + 1)
        return np.append(held, len(values) - len(finite)).astype(np.int64)

    return counted(before), counted(after)


def _of_levels(before: npt.NDArray[np.generic], after: npt.NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Return the people with each of the frequent levels, with any other one, and with none."""
    counts = [Counter(None if value is None or value != value else str(value) for value in side.tolist())
              for side in (before, after)]  # fmt: skip
    lost = [count.pop(None, 0) for count in counts]
    frequent = [level for level, _ in sorted(counts[0].items(), key=lambda item: (-item[1], str(item[0])))][:_LEVELS]

    def counted(side: int) -> Ints:
        told = [counts[side][level] for level in frequent]
        return np.array([*told, sum(counts[side].values()) - sum(told), lost[side]], dtype=np.int64)

    return counted(0), counted(1)


def _drift(name: str, kind: Kind, before: npt.NDArray[np.int64], after: Ints, missing: tuple[float, float]) -> Drift:
    cells = int(((before > 0) | (after > 0)).sum())
    limit = chance(cells, int(before.sum()), int(after.sum()))
    return Drift(name, kind, psi(before, after), js(before, after), limit, missing)


def _counts(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Ints, Ints]:
    before, after = np.asarray(reference), np.asarray(current)
    if before.shape != after.shape or before.ndim != 1:
        raise ParameterError.of("Drift", "counts", (before.shape, after.shape), "of the same cells on both sides")
    for side in (before, after):
        if side.dtype.kind not in "iuf" or (side < 0).any() or (side != np.rint(side)).any():
            raise ParameterError.of("Drift", "counts", side.tolist(), "whole numbers of people, none below 0")
        if not side.sum():
            raise TooFewPeopleError.of("Drift", 1, 0)
    return before.astype(np.int64), after.astype(np.int64)
