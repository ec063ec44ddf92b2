"""The house rule over any way to make segments: which numbers are tried, which is taken, and what is refused."""

import numpy as np
import pytest

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.progress import SILENT
from coterie.segments.evidence.choice import Candidate, chosen
from coterie.segments.evidence.validity import resampled_jaccards


def asked(weigh, candidates, people=1_000, distinct=1_000, minimum_size=50):
    return chosen(
        object(), weigh, candidates, people=people, distinct=lambda enough: min(distinct, enough),
        minimum_size=minimum_size, progress=SILENT,
    )  # fmt: skip


def stable_up_to(most, smallest=100):
    return lambda k: Candidate(f"made {k}", np.full((4, k), 0.9 if k <= most else 0.5), smallest, 10.0 / k)


def test_the_largest_stable_number_is_taken_with_what_was_made():
    choice = asked(stable_up_to(4), [5, 3, 4, 3])
    assert (choice.k, choice.made, choice.warning) == (4, "made 4", "")
    assert [one.k for one in choice.evidence] == [3, 4, 5]
    assert [one.allowed for one in choice.evidence] == [True, True, False]
    assert [one.value for one in choice.stability] == [0.9] * 4


def test_numbers_that_people_cannot_fill_are_not_tried():
    tried = []

    def weigh(k):
        tried.append(k)
        return stable_up_to(9)(k)

    asked(weigh, range(2, 10), people=250)
    assert tried == [2, 3, 4, 5]
    tried.clear()
    asked(weigh, range(2, 10), distinct=3)
    assert tried == [2, 3]


@pytest.mark.parametrize("candidates", [[], [1, 2]])
def test_candidates_below_two_are_refused(candidates):
    with pytest.raises(ParameterError, match="at least 2"):
        asked(stable_up_to(9), candidates)


def test_too_few_people_are_refused():
    for few in ({"people": 99}, {"distinct": 1}):
        with pytest.raises(TooFewPeopleError):
            asked(stable_up_to(9), [2, 3], **few)


def test_a_segment_that_was_never_drawn_never_came_back():
    """Of a million people a resample holds five thousand, and perhaps nobody of a small segment."""
    labels = np.zeros(200_000, dtype=np.int64)
    labels[7] = 1
    found = resampled_jaccards(labels, lambda rows, _: labels[rows], resamples=2, seed=0)
    assert found[:, 0].tolist() == [1.0, 1.0]
    assert found[:, 1].tolist() == [0.0, 0.0]
