"""The review says keep, watch or review, each reason with its figure, and no reason that chance or time alone gives."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from coterie.errors import ParameterError
from coterie.evaluation.drift import Drift
from coterie.evaluation.intervals import Estimate
from coterie.segments.time.alignment import align
from coterie.segments.time.review import Reason, Review, review

NAMES = ("Loyal", "Active", "Lost")
SIZES = (900, 700, 400)


def psi(figure: float, name: str = "sizes", chance: float = 0.01) -> Drift:
    return Drift(name, "numbers", psi=figure, js=figure / 4, chance=chance)


def reason(found: Review, about: str) -> Reason:
    return next(one for one in found.reasons if one.about == about)


@pytest.mark.parametrize(("figure", "verdict"), [(0.0, "keep"), (0.099, "keep"), (0.1, "watch"), (0.25, "review")])
def test_the_thresholds_of_the_stability_index(figure: float, verdict: str) -> None:
    by_sizes = review(NAMES, SIZES, psi(figure), age_days=1)
    by_behaviour = review(NAMES, SIZES, psi(0.0), [psi(figure, "recency_days"), psi(0.0, "orders_90d")], age_days=1)
    assert by_sizes.verdict == by_behaviour.verdict == verdict
    assert reason(by_behaviour, "behaviour").figure == round(figure, 2)  # of more digits few people follow
    assert "Siddiqi" in reason(by_sizes, "sizes").source


def test_what_chance_alone_brings_is_no_reason() -> None:
    found = review(NAMES, SIZES, psi(0.3, chance=0.35), [psi(0.3, "recency_days", chance=0.4)], age_days=1)
    assert found.verdict == "keep"
    assert reason(found, "sizes").threshold == 0.35


def test_what_grows_by_itself_is_told_apart_and_is_never_the_verdict_alone() -> None:
    drifts = [psi(5.8, "tenure_days"), psi(0.02, "orders_90d")]
    found = review(
        NAMES, SIZES, psi(0.0), drifts, age_days=1, growing=["tenure_days"], titles={"tenure_days": "Days with us"}
    )
    assert found.verdict == "watch"
    history = reason(found, "history")
    assert history.words.startswith("What counts everything since a customer's first order has grown: days with us")
    assert history.figure == 5.8
    assert reason(found, "behaviour").verdict == "keep"


def test_many_drifted_features_are_counted_the_strongest_named() -> None:
    drifts = [psi(0.3 + number / 10, f"f{number}") for number in range(5)]
    words = reason(review(NAMES, SIZES, psi(0.0), drifts, age_days=1), "behaviour").words
    assert words == (
        "Customers buy differently from when the segments were made: f4 (PSI .70), f3 (PSI .60) and f2 (PSI .50) "
        "and 2 more."
    )


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        (0.9, 0.8, "keep"),
        (0.9, 0.7, "watch"),
        (0.9, 0.5, "review"),
        (0.7, 0.65, "keep"),
        (0.7, 0.5, "review"),
        (0.5, 0.3, "keep"),
    ],
)
def test_a_segment_that_no_longer_comes_back(then: float, now: float, verdict: str) -> None:
    side = [[Estimate(one, one, one) for one in (0.95, figure, 0.95)] for figure in (then, now)]
    found = review(NAMES, SIZES, psi(0.0), age_days=1, stability=side[1], stability_then=side[0])
    assert found.verdict == verdict
    told = reason(found, "stability")
    assert told.figure == now
    assert ("Active" in told.words) == (verdict != "keep")
    assert ("weak from the start" in told.words) == (verdict == "keep" and now < 0.75)


def test_without_knowing_how_it_was_every_weak_segment_is_told() -> None:
    weak = [Estimate(one, one, one) for one in (0.9, 0.5, 0.4)]
    found = review(NAMES, SIZES, psi(0.0), age_days=1, stability=weak)
    assert "Lost hardly comes back as a group (Jaccard .40)" in found.words


def test_too_small_a_segment_is_named_and_its_size_is_not() -> None:
    found = review(NAMES, (900, 700, 13), psi(0.0), age_days=1)
    assert found.verdict == "review"
    assert found.words == "Time to review these segments: fewer than 50 people are in Lost, too few to work with."
    assert "13" not in json.dumps(dataclasses.asdict(found))
    assert review(NAMES, (900, 700, 0), psi(0.0), age_days=1).verdict == "review"
    assert review(NAMES, (900, 700, 13), psi(0.0), age_days=1, minimum_size=5).verdict == "keep"


@pytest.mark.parametrize(
    ("age", "verdict"), [(0, "keep"), (182, "keep"), (183, "watch"), (365, "review"), (-30, "keep")]
)
def test_age(age: float, verdict: str) -> None:
    assert review(NAMES, SIZES, psi(0.0), age_days=age).verdict == verdict


def test_segments_that_would_not_come_out_again() -> None:
    old = np.repeat([0, 1, 2], [90, 70, 40])
    same = review(NAMES, SIZES, psi(0.0), age_days=1, alignment=align(old, (old + 1) % 3))
    assert same.verdict == "keep"
    assert "all but fewer than 50 people would keep theirs" in reason(same, "retrained").words
    merged = review(NAMES, SIZES, psi(0.0), age_days=1, alignment=align(old, np.minimum(old, 1)))
    assert merged.verdict == "review"
    assert "Lost would not come out again" in reason(merged, "retrained").words
    split = review(NAMES, SIZES, psi(0.0), age_days=1, alignment=align(old, np.where(np.arange(200) < 20, 3, old)))
    assert "new segments would come out beside the old ones" in reason(split, "retrained").words


def test_what_speaks_most_for_a_review_comes_first_and_everything_is_plain_json() -> None:
    found = review(NAMES, (900, 700, 13), psi(0.12), age_days=1)
    assert [one.verdict for one in found.reasons] == ["review", "watch", "keep"]
    assert json.loads(json.dumps(dataclasses.asdict(found)))["reasons"][0]["about"] == "smallest"


def test_one_size_a_name() -> None:
    with pytest.raises(ParameterError, match="one a segment, 3"):
        review(NAMES, (1, 2), psi(0.0), age_days=1)
