import sys

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV

from coterie.errors import MissingExtraError, ParameterError
from coterie.evaluation import ceiling, metrics
from coterie.evaluation.splits import folds


@pytest.fixture(scope="module")
def people():
    random = np.random.default_rng(3)
    X = random.normal(size=(600, 4))
    return X, X @ [1.0, -2.0, 0.0, 0.5] + random.normal(size=600), folds(600, 3)


def test_linear_ceilings_are_sklearns_models_on_the_other_folds(people):
    X, y, split = people
    ridge, logistic = ceiling.ridge_scores(X, y, split), ceiling.logistic_scores(X, y > 0, split)
    for part in range(3):
        here = split == part
        model = RidgeCV(np.logspace(-2, 4, 13)).fit(X[~here], y[~here])
        np.testing.assert_allclose(ridge[here], model.predict(X[here]))
        classes = LogisticRegression(C=0.1, max_iter=1000).fit(X[~here], y[~here] > 0)
        np.testing.assert_allclose(logistic[here], classes.predict_proba(X[here])[:, 1], rtol=1e-6)
    assert metrics.r2(y, ridge) > 0.7
    assert metrics.auc(y > 0, logistic) > 0.9


def test_a_ridge_of_several_outcomes_has_a_column_for_each(people):
    X, y, split = people
    both = ceiling.ridge_scores(X, np.column_stack([y, -y]), split)
    np.testing.assert_allclose(both[:, 0], -both[:, 1])


def test_boosted_trees_see_what_lines_cannot(people):
    X, y, split = people
    bent = np.abs(X[:, 0]) * 2 + 0.1 * y
    trees = ceiling.boosted_scores(X, bent, split)
    assert metrics.r2(bent, trees) > 0.7 > 0.1 > metrics.r2(bent, ceiling.ridge_scores(X, bent, split))
    here = split == 1
    chance = ceiling.boosted_scores(X, bent > 1.5, split)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert metrics.auc(bent > 1.5, chance) > 0.9
    model = LGBMRegressor(
        n_estimators=ceiling.ROUNDS, learning_rate=0.03, num_leaves=ceiling.LEAVES, min_child_samples=30,
        subsample=0.8, subsample_freq=1, colsample_bytree=0.8, random_state=0, deterministic=True,
        force_row_wise=True, n_jobs=1, verbose=-1,
    ).fit(X[~here], bent[~here])  # fmt: skip
    np.testing.assert_allclose(trees[here], model.predict(X[here]))


def test_without_lightgbm_it_says_what_to_install(people, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match="pip install lightgbm"):
        ceiling.boosted_scores(*people)


def test_a_logistic_ceiling_without_both_outcomes_tells_the_rate():
    assert ceiling.logistic_scores(np.ones((4, 1)), np.zeros(4), np.array([0, 0, 1, 1])).tolist() == [0, 0, 0, 0]


def test_features_of_another_shape_are_refused():
    with pytest.raises(ParameterError):
        ceiling.ridge_scores([1, 2], [1, 2], [0, 1])
