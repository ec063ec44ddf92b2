"""Leaves of a tree: none smaller than was asked, nobody lost, the same whatever order people come in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from coterie.segments.hierarchy import WardSegments


def test_no_leaf_is_smaller_than_was_asked(households):
    plain, safe = WardSegments(5).fit(households), WardSegments(5, leaf_size=5).fit(households)
    assert plain.tree_.fewest == 1
    assert safe.tree_.fewest >= 5
    assert safe.tree_.people == plain.tree_.people == len(households)
    assert "leaves of 5 at least" in safe.method_
    np.testing.assert_allclose(
        safe.tree_.weights @ safe.tree_.centres, plain.tree_.weights @ plain.tree_.centres, rtol=1e-3, atol=0.5
    )
    again = WardSegments.from_json(json.loads(json.dumps(safe.to_json())))
    assert again.leaf_size == 5
    np.testing.assert_array_equal(again.predict(households), safe.predict(households))


def test_it_hardly_changes_segments_that_are_polished(households):
    plain = WardSegments(5, polish=True).fit(households)
    safe = WardSegments(5, polish=True, leaf_size=5).fit(households)
    assert safe.inertia_ <= 1.03 * plain.inertia_


def test_the_order_of_people_does_not_matter(households):
    order = np.random.default_rng(3).permutation(len(households))
    one = WardSegments(4, leaf_size=7).fit(households)
    other = WardSegments(4, leaf_size=7).fit(households.take(order))
    assert adjusted_rand_score(one.labels_[order], other.labels_) == pytest.approx(1.0)
    assert one.fingerprint == other.fingerprint


def test_a_leaf_may_take_everybody(three_kinds):
    with pytest.raises(Exception, match="apart"):
        WardSegments(3, columns=("orders", "spend"), leaf_size=150).fit(three_kinds)
