"""k-means by Lloyd's steps: the best of several random starts, also over millions of people."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

from coterie.segments.people import Scaled, distinct

STARTED = 20_000
"""People whom random starts are tried on. The best start goes on with all, so that more starts cost little."""


def started(X: Scaled, k: int, *, n_init: int, seed: int) -> Scaled:
    """Return the centres of the best of several random starts among the first 20,000 people.

    People are to be in an order that says nothing of them (``people.fixed_order``), so that the first are like all.

    Parameters
    ----------
    X
        Rows of the matrix: float32 of shape (people, columns).
    k
        How many centres; where fewer of the first people differ, more of them are looked at.
    n_init
        How many starts (k-means++).
    seed
        Of the starts.
    """
    people = STARTED
    while people < len(X) and distinct(X[:people], k) < k:  # nearly all are alike
        people *= 2
    model = KMeans(k, n_init=n_init, random_state=seed, algorithm="lloyd").fit(X[:people])
    return np.asarray(model.cluster_centers_, dtype=np.float32)


def settled(X: Scaled, centres: Scaled) -> Scaled:
    """Return the centres that Lloyd's steps over all people lead to from those of the first ones."""
    if len(X) <= STARTED:
        return centres
    model = KMeans(len(centres), init=centres, n_init=1, algorithm="lloyd").fit(X)
    return np.asarray(model.cluster_centers_, dtype=np.float32)
