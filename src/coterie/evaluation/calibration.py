"""Calibration: what was predicted beside what happened, bin by bin of the prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.accuracy import summed
from coterie.evaluation.intervals import Estimate, interval
from coterie.evaluation.metrics import Floats, paired
from coterie.evaluation.resampling import Counts

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """People of about the same prediction.

    Parameters
    ----------
    people
        How many they are.
    predicted
        The mean of their predictions.
    happened
        The mean of their outcomes, with its interval.
    """

    people: int
    predicted: float
    happened: Estimate

    @property
    def holds(self) -> bool:
        """Whether the prediction lies within the interval of what happened."""
        return self.happened.low <= self.predicted <= self.happened.high


def calibration(
    cases: Sequence[tuple[npt.ArrayLike, npt.ArrayLike, Counts]], *, bins: int = BINS, level: float = 0.95
) -> tuple[Bin, ...]:
    """Return bins of equally many people, in rising order of the prediction.

    Equal predictions are never parted, so that bins may be larger, and fewer than asked for. Where nothing happened to
    anybody in a bin, no resample can tell how much might have: its interval ends at 3 / people times the mean of what
    is above 0 (the rule of three; at 95 %). So too, upside down, where what happens once or not at all happened to all.

    Parameters
    ----------
    cases
        Outcome, prediction (of shape (people,)) and how often each resample has each person (of shape (resamples,
        people), from ``resampling.multiplicities``), for one set of people or several, such as the same people at
        several moments: their resamples then are of persons, so that what one person does twice is not taken for what
        two persons do.
    bins
        How many bins.
    level
        Of the intervals, in (0, 1).

    References
    ----------
    Hanley & Lippman-Hand (1983), If nothing goes wrong, is everything all right?

    Examples
    --------
    >>> from coterie.evaluation.resampling import multiplicities
    >>> found = calibration([([0, 1, 1, 3], [0.2, 0.2, 1.5, 2.5], multiplicities(4, 50))], bins=2)
    >>> [(one.people, one.predicted, one.happened.value) for one in found]
    [(2, 0.2, 0.5), (2, 2.0, 2.0)]
    """
    if bins < 1:
        raise ParameterError.of("calibration", "bins", bins, "a whole number of at least 1")
    if not 0 < level < 1:
        raise ParameterError.of("calibration", "level", level, "between 0 and 1")
    pairs = [paired(outcome, prediction, "prediction") for outcome, prediction, _ in cases]
    if not pairs:
        raise TooFewPeopleError.of("Calibration", 1, 0)
    edges = _edges(np.concatenate([predicted for _, predicted in pairs]), bins)
    count = len(edges) + 1
    people, told, happened = np.zeros(count), np.zeros(count), np.zeros(count)
    sums: Floats = np.zeros((len(cases[0][2]), 2 * count))
    for (y, p), (_, _, counts) in zip(pairs, cases, strict=True):
        place = np.searchsorted(edges, p, side="right")
        people += np.bincount(place, minlength=count)
        told += np.bincount(place, weights=p, minlength=count)
        happened += np.bincount(place, weights=y, minlength=count)
        member = np.zeros((len(y), 2 * count))
        member[np.arange(len(y)), place] = 1.0
        member[np.arange(len(y)), count + place] = y
        sums = sums + summed(member, counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        repeats = sums[:, count:] / sums[:, :count]
    above = np.concatenate([y[y > 0] for y, _ in pairs])
    three, usual = -math.log(1 - level), float(above.mean()) if len(above) else 0.0
    once = all(np.isin(y, (0.0, 1.0)).all() for y, _ in pairs)
    found = []
    for one, size in enumerate(people):
        value = float(happened[one] / size)
        reach = interval(value, repeats[:, one], level=level)
        if value == reach.low == reach.high == 0:
            reach = Estimate(0.0, 0.0, min(three / float(size), 1.0 if once else math.inf) * usual)
        elif value == reach.low == reach.high == 1 and once:
            reach = Estimate(1.0, max(1 - three / float(size), 0.0), 1.0)
        found.append(Bin(int(size), float(told[one] / size), reach))
    return tuple(found)


def _edges(predicted: Floats, bins: int) -> Floats:
    """Return the lowest predictions of all bins but the first, rising: cuts move to the nearer end of tied people."""
    ordered = np.sort(predicted)
    cuts = (np.arange(1, bins) * len(ordered)) // bins
    first, last = (np.searchsorted(ordered, ordered[cuts], side=side) for side in ("left", "right"))
    moved = np.where((first > 0) & ((cuts - first <= last - cuts) | (last == len(ordered))), first, last)
    return np.unique(ordered[moved[(moved > 0) & (moved < len(ordered))]])
