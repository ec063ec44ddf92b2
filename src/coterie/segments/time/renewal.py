"""Renewal: segments made anew from today's people, begun where the old ones stand, so that chance moves nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.segments.clustering import KMeansSegments, inertia
from coterie.segments.people import Segmentation, by_value, fixed_order, mean_worth, nearest, read
from coterie.segments.prototypes import valued
from coterie.segments.rfm import RFMSegments

SLACK = 0.01


def renew(model: Segmentation, frame: Any, *, slack: float = SLACK) -> Segmentation:
    """Return segments of the same kind and with the same settings, made of these people.

    k-means has many answers that are nearly as good as each other, and begun at random it takes another one each month.
    So it is begun at the means of the people whom the old model puts together. The answer is kept unless random starts
    find one whose sum of squares is smaller by more than ``slack``: then the people have changed too much to go on.

    The numbers are those of the new segments, by value: ``alignment.align`` says which old one each continues.

    Parameters
    ----------
    model
        A fitted segmentation.
    frame
        The people, as for ``model.fit``.
    slack
        How much worse, as a share, the continued answer may be than the best of random starts.

    References
    ----------
    Chakrabarti, Kumar & Tomkins (2006), Evolutionary clustering: faithful to today's data, near to yesterday's answer.
    """
    fresh: Segmentation = _unfitted(model).fit(frame)
    if not isinstance(model, KMeansSegments) or not isinstance(fresh, KMeansSegments):
        return fresh
    data = read(frame)
    X = fresh.matrix_.transform(data.to_native())
    worth, by = valued(data, X, fresh.value)
    order = fixed_order(X, worth)
    people, old = X[order], model.predict(data)[order]
    k = model.k_
    size = np.bincount(old, minlength=k)
    if k != fresh.k_ or not size.all():
        return fresh
    start = np.stack([people[old == segment].mean(axis=0, dtype=np.float64) for segment in range(k)])
    with threadpool_limits(1):  # sums over several threads differ in the last digits
        found = KMeans(k, init=start.astype(np.float32), n_init=1, algorithm="lloyd").fit(people)
    centres = np.asarray(found.cluster_centers_, dtype=np.float32)
    labels = nearest(people, centres)
    total = inertia(people, centres, labels)
    if total > (1 + slack) * fresh.inertia_:
        return fresh
    ids = by_value(labels, worth[order], k)
    centres, labels = centres[np.argsort(ids)], ids[labels]
    held = np.bincount(labels, minlength=k)
    means = mean_worth(labels, worth[order], k)
    fresh._learnt(fresh.matrix_, centres, np.arange(k), held.astype(np.float64), means, by)
    fresh.inertia_ = total
    fresh.labels_ = np.empty(len(X), dtype=np.int64)
    fresh.labels_[order] = labels
    return fresh


def _unfitted(model: Segmentation) -> Segmentation:
    """Return the same kind of segments with the same settings."""
    if isinstance(model, RFMSegments):  # a stored one has its cuts as a setting, and would keep them
        return RFMSegments(model.recency, model.frequency, model.monetary, steps=model.steps)
    fresh: Segmentation = clone(model)
    if isinstance(model, KMeansSegments):
        fresh.set_params(k=model.k_)
    return fresh
