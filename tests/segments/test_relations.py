import json
from dataclasses import asdict

import numpy as np
import pytest

from coterie.errors import NotFittedError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.relations import BORDER, relations
from coterie.segments.view import VALUE, VALUE_WEIGHTS


def test_relations_are_those_a_naive_count_finds(households):
    model = KMeansSegments(5, columns=VALUE, weights=VALUE_WEIGHTS, n_init=3).fit(households)
    found = relations(model, households)
    X = model.matrix_.transform(households).astype(float)
    counts, border = np.zeros((5, 5)), np.zeros(5)
    for person in X:
        far = sorted((float(np.linalg.norm(person - centre)), one) for one, centre in enumerate(model.centres_))
        (near, own), (next_near, other) = far[:2]
        counts[own, other] += 1
        border[own] += near >= BORDER * next_near
    sizes = np.bincount(model.labels_)
    assert np.array(found.next_to) == pytest.approx(counts / sizes[:, None], abs=1e-3)
    assert np.array(found.borders) == pytest.approx(border / sizes, abs=1e-3)
    assert found.between == pytest.approx(border.sum() / len(X), abs=1e-3)
    assert 0 < found.between < 0.5
    assert found.people == len(X)
    distance = np.array(found.distance)
    assert distance[1, 3] == pytest.approx(np.linalg.norm(model.centres_[1] - model.centres_[3]), rel=1e-5)
    np.testing.assert_array_equal(distance, distance.T)
    assert json.loads(json.dumps(asdict(found)))["people"] == len(X)


def test_it_is_said_who_is_next_to_whom(three_kinds):
    model = KMeansSegments(3, columns=("recency_days", "orders", "spend")).fit(three_kinds)
    found = relations(model, three_kinds)
    assert [found.neighbour(one) for one in range(3)] == [1, 0, 1]
    assert found.between == 0
    assert found.next_to[1][0] == pytest.approx(1 - found.next_to[1][2])
    told = found.sentences(["Regulars", "Now and then", "Gone"])
    assert told[0] == "Regulars: the next segment is Now and then (of 100 % of them); 0 % stand on a border."
    regulars = relations(model, three_kinds.slice(0, 60))
    assert regulars.next_to[2] == (0, 0, 0)
    assert len(regulars.sentences(["Regulars", "Now and then", "Gone"])) == 1


def test_relations_need_a_fitted_model(three_kinds):
    with pytest.raises(NotFittedError):
        relations(KMeansSegments(3), three_kinds)
