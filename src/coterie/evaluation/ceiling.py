"""Ceilings: what could be known of each single person by a model, out of fold, beside which groups are judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.errors import MissingExtraError, ParameterError
from coterie.evaluation.metrics import Floats

ROUNDS, LEAVES = 150, 15  # of the boosted trees: few and small, never tuned on what is judged


def ridge_scores(features: npt.ArrayLike, outcome: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """Return out-of-fold predictions of a ridge regression on single people.

    Parameters
    ----------
    features
        Scaled, of shape (people, columns).
    outcome
        Shape (people,) or (people, outcomes).
    folds
        The fold of each person: shape (people,).

    Notes
    -----
    The penalty is chosen inside each training part by generalised cross-validation over 10⁻² … 10⁴. Being linear, it is
    no bound to what groups can tell.
    """
    from sklearn.linear_model import RidgeCV

    return _out_of_fold(lambda: RidgeCV(np.logspace(-2, 4, 13)), features, outcome, folds, "predict")


def logistic_scores(features: npt.ArrayLike, happened: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """Return out-of-fold probabilities of a logistic regression on single people (L2, C = .1): shape (people,)."""
    from sklearn.linear_model import LogisticRegression

    return _out_of_fold(lambda: LogisticRegression(C=0.1, max_iter=1000), features, happened, folds, "predict_proba")


def boosted_scores(features: npt.ArrayLike, outcome: npt.ArrayLike, folds: npt.ArrayLike, *, seed: int = 0) -> Floats:
    """Return out-of-fold predictions of gradient-boosted trees (LightGBM) on single people: shape (people,).

    Parameters
    ----------
    features
        Shape (people, columns).
    outcome
        Numbers, or truth values of which probabilities are returned.
    folds
        The fold of each person.
    seed
        Of the trees.

    Raises
    ------
    MissingExtraError
        LightGBM is not installed, or cannot be loaded.

    References
    ----------
    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree.
    """
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor  # late: it takes a second, and needs the system's OpenMP
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            f"LightGBM cannot be loaded: {error}.",
            hint="pip install lightgbm; on Debian also apt-get install libgomp1.",
        ) from error
    happened = np.asarray(outcome).dtype == bool
    kind = LGBMClassifier if happened else LGBMRegressor

    def make() -> Any:
        return kind(
            n_estimators=ROUNDS, learning_rate=0.03, num_leaves=LEAVES, min_child_samples=30, subsample=0.8,
            subsample_freq=1, colsample_bytree=0.8, random_state=seed, deterministic=True, force_row_wise=True,
            n_jobs=1, verbose=-1,
        )  # fmt: skip

    return _out_of_fold(make, features, outcome, folds, "predict_proba" if happened else "predict")


def _out_of_fold(make: Any, features: npt.ArrayLike, outcome: npt.ArrayLike, folds: npt.ArrayLike, how: str) -> Floats:
    X, y, fold = np.asarray(features, dtype=np.float64), np.asarray(outcome, dtype=np.float64), np.asarray(folds)
    if X.ndim != 2 or not len(X) == len(y) == len(fold):
        raise ParameterError.of("A ceiling", "features", X.shape, f"of shape ({len(y)}, columns)")
    scores = np.empty(y.shape)
    for part in np.unique(fold):
        here = fold == part
        if len(np.unique(y[~here], axis=0)) < 2:
            scores[here] = y[~here].mean(axis=0) if (~here).any() else 0.0
            continue
        answer = getattr(make().fit(X[~here], y[~here]), how)(X[here])
        scores[here] = answer[:, 1] if how == "predict_proba" else answer
    return scores
