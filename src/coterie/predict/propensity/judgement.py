"""Judgements: how well a target was told of people at a moment that was not learnt from, beside the naive rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.errors import DataError, TooFewPeopleError
from coterie.evaluation.calibration import Bin, calibration
from coterie.evaluation.comparison import verdict
from coterie.evaluation.intervals import Estimate, interval
from coterie.evaluation.ranking import Ranks
from coterie.evaluation.resampling import Counts, multiplicities
from coterie.predict.propensity.targets import Target

Floats = npt.NDArray[np.float64]
_METRICS = {"binary": "AUC", "count": "normalised Gini", "amount": "normalised Gini", "class": "accuracy"}


@dataclass(frozen=True)
class Judgement:
    """A learner and the naive rule on the same people.

    Parameters
    ----------
    metric
        ``AUC`` of what happens or not, ``normalised Gini`` of numbers and amounts, ``accuracy`` (the share told
        right) of classes: more is better.
    people
        How many were judged.
    learner, naive
        The figures with 95 % intervals over people; None where the rule's feature is not there.
    gap
        Learner minus naive rule on the same people.
    bias
        By how much the predictions' total was off, as a share of what happened; None of classes, and where nothing
        happened.
    bins
        What was predicted beside what happened, in tenths of people; empty of classes.
    rule
        The naive rule in words.
    protocol
        Who was judged, after learning from whom, in words.
    """

    metric: str
    people: int
    learner: Estimate
    naive: Estimate | None
    gap: Estimate | None
    bias: float | None
    bins: tuple[Bin, ...]
    rule: str
    protocol: str

    @property
    def words(self) -> str:
        """Whether the learner beats the naive rule, as a sentence."""
        if self.gap is None or self.naive is None:
            return f"{self.metric} {self.learner}; the naive rule has nothing to go by here."
        said = {
            "better": "The learner is better than the naive rule",
            "worse": "The learner is worse than the naive rule: use the rule",
        }.get(verdict(self.gap), "It is not shown that the learner is better than the naive rule")
        return f"{said}: {self.metric} {self.learner} beside {self.naive}, a difference of {self.gap}."


def judge(
    target: Target, told: npt.NDArray[Any], outcome: npt.NDArray[Any], naive: npt.NDArray[Any] | None,
    *, protocol: str, seed: int = 0,
) -> Judgement:  # fmt: skip
    """Judge predictions by what happened.

    Parameters
    ----------
    target
        What was asked.
    told
        What the learner said of each person: numbers, or texts of a class. Shape (people,).
    outcome
        What happened, as ``Target.labels`` gives it; whose class is None is left out.
    naive
        What the naive rule says, as ``NaiveRule.scores`` gives it; None where it cannot.
    protocol
        Who was judged, in words.
    seed
        Of the resamples of people.

    Raises
    ------
    TooFewPeopleError
        There are fewer than two people to judge by.
    DataError
        The same happened to all of them, so that there is nothing to rank.
    """
    if target.kind == "class":
        known = np.array([one is not None for one in outcome], dtype=np.bool_)
        told, outcome = told[known], outcome[known]
        naive = None if naive is None else naive[known]
    people = len(outcome)
    if people < 2:
        raise TooFewPeopleError.of("A judgement", 2, people)
    counts = np.vstack([np.ones((1, people), dtype=np.int64), multiplicities(people, seed=seed)])
    figure = _hits if target.kind == "class" else _ranked
    learner = figure(target, told, outcome, counts)
    if not np.isfinite(learner[0]):
        raise DataError(f"The same happened to all {people:,} people: nothing tells who was ranked well.")
    other = None if naive is None else figure(target, naive, outcome, counts)
    bias: float | None = None
    bins: tuple[Bin, ...] = ()
    if target.kind != "class":
        happened = np.asarray(outcome, dtype=np.float64)
        bias = float(told.sum() / happened.sum() - 1) if happened.sum() > 0 else None
        bins = calibration([(happened, told, counts)])
    return Judgement(
        _METRICS[target.kind], people, _estimate(learner), None if other is None else _estimate(other),
        None if other is None else _estimate(learner - other), bias, bins, target.naive.words, protocol,
    )  # fmt: skip


def _ranked(target: Target, score: npt.NDArray[Any], outcome: npt.NDArray[Any], counts: Counts) -> Floats:
    """Return how well scores rank people, on each resample."""
    found = Ranks(np.asarray(outcome, dtype=np.float64), counts).judge(np.asarray(score, dtype=np.float64)).gini
    return (1 + found) / 2 if target.kind == "binary" else found


def _hits(target: Target, told: npt.NDArray[Any], outcome: npt.NDArray[Any], counts: Counts) -> Floats:
    """Return the share of people whose class was told, on each resample."""
    right = (told == outcome).astype(np.float64)
    return np.asarray(counts @ right / counts.sum(axis=1), dtype=np.float64)


def _estimate(repeats: Floats) -> Estimate:
    return interval(float(repeats[0]), repeats[1:])
