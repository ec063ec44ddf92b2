"""Figures of merit on plain arrays: what a grouping or a score tells of an outcome, and how far two groupings agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def r2(outcome: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the share of the outcome's variance that a prediction explains: 1 at best, below 0 worse than the mean.

    >>> r2([1, 2, 3], [1, 2, 3]), r2([1, 2, 3], [2, 2, 2])
    (1.0, 0.0)
    """
    y, p = paired(outcome, prediction, "prediction")
    total = float(np.square(y - y.mean()).sum())
    return float("nan") if total == 0 else 1 - float(np.square(y - p).sum()) / total


def auc(happened: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the chance that a person to whom it happened has a higher score than one to whom it did not.

    Ties count one half; .5 is guessing; NaN when it happened to all or to nobody.

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a ROC curve.

    >>> auc([False, True, False, True], [0.1, 0.8, 0.3, 0.3])
    0.875
    """
    y, s = paired(happened, score, "score")
    yes = y > 0
    ones = int(yes.sum())
    if ones in (0, len(y)):
        return float("nan")
    _, place, count = np.unique(s, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[yes].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def group_means(outcome: npt.ArrayLike, groups: npt.ArrayLike) -> Floats:
    """Return, for each person, the mean outcome of the person's group: shape (people,)."""
    y, place, count = _grouped(outcome, groups)
    return (np.bincount(place, weights=y, minlength=count) / np.bincount(place, minlength=count))[place]


def out_of_fold_means(outcome: npt.ArrayLike, groups: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """Return, for each person, the mean outcome of the group's members in the other folds.

    A group that has no members elsewhere gets the mean of everybody elsewhere.
    """
    y, place, count = _grouped(outcome, groups)
    fold = np.asarray(folds)
    if fold.shape != y.shape:
        raise ParameterError.of("out_of_fold_means", "folds", fold.shape, f"of shape {y.shape}")
    means = np.empty(len(y))
    for part in np.unique(fold):
        here = fold == part
        if here.all():
            raise TooFewPeopleError.of("Out-of-fold means", 2, len(y), hint="use at least two folds.")
        size = np.bincount(place[~here], minlength=count)
        total = np.bincount(place[~here], weights=y[~here], minlength=count)
        rate = np.where(size > 0, total / np.maximum(size, 1), y[~here].mean())
        means[here] = rate[place[here]]
    return means


def r2_of_groups(outcome: npt.ArrayLike, groups: npt.ArrayLike, folds: npt.ArrayLike | None = None) -> float:
    """Return the share of the outcome's variance that group means explain; out of fold where folds are given.

    In-sample, a grouping never falls below 0, and many small groups flatter themselves.
    """
    means = group_means(outcome, groups) if folds is None else out_of_fold_means(outcome, groups, folds)
    return r2(outcome, means)


def mix_means(shares: npt.ArrayLike, groups: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """Return, for each person, the mean shares of the group's members in the other folds: shape (people, items)."""
    parts = np.asarray(shares, dtype=np.float64)
    if parts.ndim != 2:
        raise ParameterError.of("mix_means", "shares", parts.shape, "of shape (people, items)")
    if not len(parts):
        raise TooFewPeopleError.of("A grouping", 1, 0)
    place, part = (np.unique(np.asarray(one), return_inverse=True)[1] for one in (groups, folds))
    k, count = int(place.max()) + 1, int(part.max()) + 1
    if count < 2:
        raise TooFewPeopleError.of("Out-of-fold means", 2, len(parts), hint="use at least two folds.")
    cell = place * count + part
    size = np.bincount(cell, minlength=k * count).reshape(k, count)
    sums = np.stack([np.bincount(cell, weights=one, minlength=k * count).reshape(k, count) for one in parts.T])
    others, amounts = size.sum(axis=1, keepdims=True) - size, sums.sum(axis=2, keepdims=True) - sums
    everybody = amounts.sum(axis=1, keepdims=True) / others.sum(axis=0)  # of the other folds
    means = np.where(others > 0, amounts / np.maximum(others, 1), everybody)
    return np.asarray(means[:, place, part].T, dtype=np.float64)


def pooled_r2(outcomes: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Return the share of the variance of several outcomes that predictions explain, squares pooled over outcomes.

    Of shares of spend by category, a large category counts more than a small one, as its shares vary more.

    Parameters
    ----------
    outcomes, predictions
        Of shape (people, items).

    >>> pooled_r2([[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]), pooled_r2([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    (0.0, 1.0)
    """
    y, p = np.asarray(outcomes, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if y.ndim != 2 or y.shape != p.shape:
        raise ParameterError.of("pooled_r2", "predictions", p.shape, f"of shape {y.shape}, people by items")
    if not len(y):
        raise TooFewPeopleError.of("A metric", 1, 0)
    total = float(np.square(y - y.mean(axis=0)).sum())
    return float("nan") if total == 0 else 1 - float(np.square(y - p).sum()) / total


def overlaps(groups: npt.ArrayLike, others: npt.ArrayLike) -> Ints:
    """Return the table of how many people lie in group i of one and group j of the other grouping."""
    a, b = np.asarray(groups), np.asarray(others)
    if a.shape != b.shape or a.ndim != 1:
        raise ParameterError.of("overlaps", "others", b.shape, f"of shape {a.shape}")
    rows, i = np.unique(a, return_inverse=True)
    columns, j = np.unique(b, return_inverse=True)
    flat = np.bincount(i * len(columns) + j, minlength=len(rows) * len(columns))
    return flat.reshape(len(rows), len(columns)).astype(np.int64)


def jaccard(groups: npt.ArrayLike, others: npt.ArrayLike) -> Floats:
    """Return, for each group in rising order, its Jaccard similarity to the nearest group of another grouping.

    1 when the very same people are together again, towards 0 when they are scattered.

    >>> jaccard([0, 0, 1, 1], [5, 5, 5, 7]).tolist()
    [0.6666666666666666, 0.5]
    """
    both = overlaps(groups, others)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return np.asarray((both / union).max(axis=1), dtype=np.float64)


def paired(outcome: npt.ArrayLike, other: npt.ArrayLike, name: str) -> tuple[Floats, Floats]:
    """Return an outcome and what is held against it as floats, if they are finite and one a person."""
    y, p = np.asarray(outcome, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ParameterError.of("A metric", name, p.shape, f"of shape {y.shape}")
    if not len(y):
        raise TooFewPeopleError.of("A metric", 1, 0)
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise ParameterError.of("A metric", name, "NaN or infinity", "finite, as must be the outcome")
    return y, p


def _grouped(outcome: npt.ArrayLike, groups: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.intp], int]:
    y, g = np.asarray(outcome, dtype=np.float64), np.asarray(groups)
    if y.ndim != 1 or g.shape != y.shape:
        raise ParameterError.of("A grouping", "groups", g.shape, f"of shape {y.shape}")
    if not len(y):
        raise TooFewPeopleError.of("A grouping", 1, 0)
    names, place = np.unique(g, return_inverse=True)
    return y, place, len(names)
