"""Figures on many resamples at once: people are counted, not copied, so that 100,000 of them cost seconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import RESAMPLES
from coterie.evaluation.metrics import Floats

Counts = npt.NDArray[np.uint16]

_BLOCK = 25  # resamples that are summed at once


def multiplicities(people: int, count: int = RESAMPLES, *, seed: int = 0) -> Counts:
    """Draw bootstrap samples of people as how often each was drawn: shape (count, people).

    The samples are those of ``intervals.resamples`` with the same seed.

    >>> multiplicities(3, 2, seed=1).sum(axis=1).tolist()
    [3, 3]
    """
    if people < 1:
        raise TooFewPeopleError.of("A bootstrap", 1, people)
    if count < 1:
        raise ParameterError.of("multiplicities", "count", count, "a whole number of at least 1")
    random = np.random.default_rng(seed)
    counts = np.empty((count, people), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(random.integers(0, people, people), minlength=people)
    return counts


def r2_repeats(outcome: npt.ArrayLike, prediction: npt.ArrayLike, counts: Counts) -> Floats:
    """Return R² on each resample: shape (count,), NaN where the outcome does not vary.

    Outcome and prediction have the shape (people,), or (people, items): then squares are pooled over items, each about
    its own mean.
    """
    y, p = (np.asarray(values, dtype=np.float64).reshape(counts.shape[1], -1) for values in (outcome, prediction))
    y, p = y - y.mean(axis=0), p - y.mean(axis=0)
    parts = np.column_stack([y, np.square(y).sum(axis=1), np.square(y - p).sum(axis=1)])
    blocks = [counts[start : start + _BLOCK].astype(np.float64) @ parts for start in range(0, len(counts), _BLOCK)]
    sums = np.concatenate(blocks)
    total = sums[:, -2] - np.square(sums[:, :-2]).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 1e-12 * sums[:, -2], 1 - sums[:, -1] / total, np.nan))


def auc_repeats(happened: npt.ArrayLike, score: npt.ArrayLike, counts: Counts) -> Floats:
    """Return the area under the ROC curve on each resample: shape (count,), NaN where all are alike."""
    y, s = np.asarray(happened, dtype=np.float64) > 0, np.asarray(score, dtype=np.float64)
    order = np.argsort(s, kind="stable")
    place = np.cumsum(np.diff(s[order], prepend=s[order[0]]) > 0)
    yes = np.flatnonzero(y[order])
    levels = int(place[-1]) + 1
    found = np.empty(len(counts))
    for draw, row in enumerate(counts):
        weight = row[order].astype(np.float64)
        everybody = np.bincount(place, weights=weight, minlength=levels)
        ones = np.bincount(place[yes], weights=weight[yes], minlength=levels)
        others = everybody - ones
        below = np.cumsum(others) - others / 2
        pairs = ones.sum() * others.sum()
        found[draw] = ones @ below / pairs if pairs else np.nan
    return found
