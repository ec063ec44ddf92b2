"""The house rule: of several numbers of segments the largest whose segments all come back in resampled people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.progress import Progress
from coterie.segments.evidence.validity import KEvidence, choose, judge, stability
from coterie.segments.people import Floats

Made = TypeVar("Made")


@dataclass(frozen=True)
class Candidate(Generic[Made]):
    """Segments of one number, with what is weighed.

    Parameters
    ----------
    made
        What an estimator goes on with where this number is taken.
    jaccards
        As ``validity.resampled_jaccards`` returns them.
    smallest
        People in the smallest segment.
    inertia
        Sum of squared distances to the centres, on the scaled features.
    """

    made: Made
    jaccards: Floats
    smallest: int
    inertia: float


@dataclass(frozen=True)
class Choice(Generic[Made]):
    """The number of segments taken.

    Parameters
    ----------
    k
        The number.
    made
        What its candidate made.
    evidence
        What was found for each number, rising.
    stability
        The mean Jaccard of each segment of the number taken, with its interval.
    warning
        What to beware of, in words; empty when all is well.
    """

    k: int
    made: Made
    evidence: tuple[KEvidence, ...]
    stability: tuple[Estimate, ...]
    warning: str


def chosen(
    owner: object,
    weigh: Callable[[int], Candidate[Made]],
    candidates: Sequence[int],
    *,
    people: int,
    distinct: Callable[[int], int],
    minimum_size: int,
    progress: Progress,
) -> Choice[Made]:
    """Weigh up numbers of segments and take one.

    Parameters
    ----------
    owner
        The estimator that asks, for errors.
    weigh
        Makes segments of one number.
    candidates
        The numbers.
    people
        How many people there are.
    distinct
        Of how many people differ; counting may stop once there are as many as it is given.
    minimum_size
        Smallest segment to accept.
    progress
        Where candidates are reported.

    Raises
    ------
    ParameterError
        There are no candidates, or one is below 2.
    TooFewPeopleError
        There are too few people, or too few who differ, for any candidate.
    """
    numbers = sorted(set(candidates))
    if not numbers or min(numbers) < 2:
        raise ParameterError.of(type(owner).__name__, "candidates", numbers, "whole numbers of at least 2")
    differ = distinct(max(numbers))
    possible = [k for k in numbers if k * minimum_size <= people and k <= differ]
    if not possible:
        raise TooFewPeopleError.of(
            "Choosing the number of segments",
            max(numbers[0] * minimum_size, 2),
            people,
            hint="give k, or allow smaller segments: minimum_size, or in a shop its minimum_group.",
        )
    found: dict[int, Candidate[Made]] = {}
    evidence = []
    for done, k in enumerate(possible):
        progress.step("segments", done, len(possible))
        one = found[k] = weigh(k)
        evidence.append(judge(k, one.jaccards, one.smallest, one.inertia, minimum_size=minimum_size))
    progress.step("segments", len(possible), len(possible))
    k, warning = choose(tuple(evidence), minimum_size=minimum_size)
    return Choice(k, found[k].made, tuple(evidence), stability(found[k].jaccards), warning)
