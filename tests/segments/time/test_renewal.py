"""Segments made anew go on where the old ones were, are as good as new ones, and start over when people changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from coterie.segments.clustering import KMeansSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.rfm import RFMSegments
from coterie.segments.time.alignment import align
from coterie.segments.time.renewal import renew


def moved(people: pa.Table, seed: int) -> pa.Table:
    """The same people, each a little different."""
    random = np.random.default_rng(seed)
    return pa.table({
        "person": people["person"],
        **{name: people[name].to_numpy() * random.lognormal(0, 0.05, people.num_rows)
           for name in ("recency_days", "orders", "spend")},
    })  # fmt: skip


def test_renewed_segments_are_those_of_today_and_nearly_as_tight_as_the_best(households: pa.Table) -> None:
    half = households.slice(0, households.num_rows // 2)
    for k in (5, 8):
        old = KMeansSegments(k, n_init=3).fit(half)
        again, best = renew(old, households), KMeansSegments(k, n_init=3).fit(households)
        assert isinstance(again, KMeansSegments)
        assert again.inertia_ <= 1.01 * best.inertia_
        assert (again.labels_ == again.predict(households)).all()
        assert again.worth_.tolist() == sorted(again.worth_, reverse=True)
        kept = [align(old.predict(households), new.labels_).agreement for new in (again, best)]
        assert kept[0] >= kept[1]
        assert KMeansSegments.from_json(again.to_json()).predict(households).tolist() == again.labels_.tolist()


def test_renewing_on_the_same_people_changes_nothing(three_kinds: pa.Table) -> None:
    model = KMeansSegments(3, columns=("recency_days", "orders", "spend")).fit(three_kinds)
    assert (renew(model, three_kinds).labels_ == model.labels_).all()


def test_the_order_of_people_changes_nothing(three_kinds: pa.Table) -> None:
    model = KMeansSegments(3, columns=("recency_days", "orders", "spend")).fit(three_kinds)
    order = np.random.default_rng(1).permutation(three_kinds.num_rows)
    today = moved(three_kinds, 4)
    assert renew(model, today).fingerprint == renew(model, today.take(order)).fingerprint


def test_a_continuation_that_is_clearly_worse_is_given_up() -> None:
    random = np.random.default_rng(2)

    def people(*middles: float) -> pa.Table:
        return pa.table({"spend": np.concatenate([random.normal(middle, 0.1, 100) for middle in middles])})

    model = KMeansSegments(3, scaling="standard").fit(people(0, 1, 20))
    today = people(0.5, 19, 20)  # two of the three old segments share the first group
    best = KMeansSegments(3, scaling="standard").fit(today)
    assert renew(model, today, slack=1e9).inertia_ > 2 * best.inertia_  # type: ignore[attr-defined]
    assert renew(model, today).inertia_ == pytest.approx(best.inertia_)  # type: ignore[attr-defined]


def test_an_old_segment_that_is_empty_today_begins_anew(three_kinds: pa.Table) -> None:
    model = KMeansSegments(3, columns=("recency_days", "orders", "spend")).fit(three_kinds)
    kind = three_kinds["kind"].to_numpy()
    today = three_kinds.filter(pa.array(kind != 0))
    assert (
        np.bincount(renew(model, today).labels_).tolist()
        == np.bincount(KMeansSegments(3, columns=("recency_days", "orders", "spend")).fit(today).labels_).tolist()
    )


def test_other_kinds_are_made_anew_with_their_settings(three_kinds: pa.Table) -> None:
    people = three_kinds.select(["person", "recency_days", "orders", "spend"])
    for model in (WardSegments(3), RFMSegments(steps=3)):
        stored = type(model).from_json(model.fit(people).to_json())
        today = moved(people, 9)
        assert (renew(stored, today).labels_ == type(model)(**model.get_params()).fit(today).labels_).all()
