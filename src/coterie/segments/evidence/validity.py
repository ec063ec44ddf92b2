"""Whether segments are real: do they come back in resampled data, and tell the future apart better than naive ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from coterie.evaluation.comparison import Verdict
from coterie.evaluation.intervals import Estimate, interval
from coterie.evaluation.metrics import jaccard
from coterie.segments.people import Floats, Ints

STABLE = 0.75  # Hennig (2007): below .75 a group is only a pattern, below .6 it should not be trusted
DOUBTFUL = 0.6
RESAMPLED = 5_000  # people a resample holds at most: fewer make segments look less stable, never more

Role = Literal["model", "view", "baseline", "ceiling"]
Question = Literal["spend", "churn", "mix"]
Standing = Literal["equal parts", "strongest", "finer", "view"]


@dataclass(frozen=True)
class CardRow:
    """One method on the report card.

    Parameters
    ----------
    method
        Its name for people.
    role
        ``model`` (what we made), ``view`` (the same people grouped by other columns), ``baseline`` (what a shop does
        without us) or ``ceiling`` (what could be known of each single person; no grouping reaches it).
    k
        How many groups it makes; None for a ceiling.
    r2
        Share of the variance of log future spend that its groups explain, out of fold; None where it was not judged.
    auc
        How well its groups' out-of-fold churn rates rank who stays away; .5 is chance.
    smallest
        People in its smallest group, of those judged.
    note
        What the reader should know.
    mix
        Share of the variance of what people buy afterwards (shares of spend by category) that its groups explain, out
        of fold; None where it was not judged.
    silhouette
        How far apart its groups lie on the scaled features, from -1 to 1; the card's ``notes`` say what it is not.
    """

    method: str
    role: Role
    k: int | None
    r2: Estimate | None
    auc: Estimate | None
    smallest: int | None
    note: str = ""
    mix: Estimate | None = None
    silhouette: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The model beside another method on the same people, out of fold.

    Parameters
    ----------
    question
        What was asked: ``spend`` (R²), ``churn`` (AUC) or ``mix`` (R²).
    standing
        Why this other: ``equal parts`` (as many parts by past spend), the ``strongest`` baseline of at most three times
        as many groups, the strongest ``finer`` one, or a ``view``.
    model, other
        The names of both.
    k, other_k
        How many groups each makes; ``other_k`` is None for a ceiling.
    gap
        Model minus other, with its interval over the same resampled people.
    margin
        How much less still counts as not inferior; 0 where that was not asked.
    finding
        ``better``, ``not inferior`` (less by the margin at most), ``worse`` or ``no different``.
    """

    question: Question
    standing: Standing
    model: str
    k: int
    other: str
    other_k: int | None
    gap: Estimate
    margin: float
    finding: Verdict


@dataclass(frozen=True)
class ReportCard:
    """A segmentation judged, with what it was judged against.

    Parameters
    ----------
    rows
        Models, views, baselines and ceilings.
    stability
        For each segment, the mean Jaccard with its counterpart over resampled people, and the interval over resamples.
    as_of
        The moment up to which features look; outcomes lie after it.
    horizon_days
        How far outcomes look.
    people
        How many people were judged.
    protocol
        How it was done, in words.
    verdict
        What it means, in words; says so when a baseline wins.
    population
        How many people there are; more than ``people`` where a sample was judged.
    comparisons
        The first model beside as many groups of equal size by past spend, beside the strongest baselines, and beside
        each view.
    notes
        What the reader must know to read the figures, a sentence or two each.
    """

    rows: tuple[CardRow, ...]
    stability: tuple[Estimate, ...]
    as_of: datetime
    horizon_days: int
    people: int
    protocol: str
    verdict: str
    population: int = 0
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Show the card inside a notebook."""
        from coterie.segments import notebooks  # late: drawing is not needed to judge

        return notebooks.of_card(self)


@dataclass(frozen=True)
class KEvidence:
    """What was found for one candidate number of segments.

    Parameters
    ----------
    k
        The number of segments.
    jaccard
        Mean bootstrap Jaccard of each segment, in the order of ids.
    smallest
        People in the smallest segment.
    inertia
        Sum of squared distances to the centres, on the scaled features.
    allowed
        Whether this k may be chosen.
    why
        The reason, in words.
    """

    k: int
    jaccard: tuple[float, ...]
    smallest: int
    inertia: float
    allowed: bool
    why: str


Regroup = Callable[[Ints, int], Ints]


def resampled_jaccards(labels: Ints, regroup: Regroup, *, resamples: int = 30, seed: int = 0) -> Floats:
    """Group resampled people anew and see, for each segment, how much of it comes back together.

    Each resample draws as many people as there are (at most 5,000), with replacement. A segment's Jaccard is taken to
    the nearest new group, among the people drawn; it is NaN where nobody of the segment was drawn.

    Parameters
    ----------
    labels
        The segments on all people, 0 … k - 1: shape (people,).
    regroup
        Takes the sorted positions of the people drawn (with repetition) and a seed; returns their new groups.
    resamples
        How many.
    seed
        Of the draws.

    Returns
    -------
    ndarray of shape (resamples, k). A segment of which nobody was ever drawn counts as one that never came back.

    References
    ----------
    Hennig (2007), Cluster-wise assessment of cluster stability.
    """
    people, k = len(labels), int(labels.max()) + 1
    found = np.full((resamples, k), np.nan)
    for draw in range(resamples):
        rows = np.sort(np.random.default_rng((seed, draw)).integers(0, people, min(people, RESAMPLED)))
        groups = regroup(rows, seed + draw)
        first = np.flatnonzero(np.diff(rows, prepend=-1))  # each person once
        drawn = labels[rows[first]]
        found[draw, np.unique(drawn)] = jaccard(drawn, groups[first])
    found[:, np.isnan(found).all(axis=0)] = 0.0
    return found


def stability(found: Floats) -> tuple[Estimate, ...]:
    """Return each segment's mean Jaccard and its 95 % interval over the resamples of ``resampled_jaccards``."""
    return tuple(interval(float(np.nanmean(column)), column) for column in found.T)


def judge(k: int, found: Floats, smallest: int, inertia: float, *, minimum_size: int) -> KEvidence:
    """Weigh one number of segments: allowed when all segments are stable and none is too small."""
    means = tuple(round(float(mean), 4) for mean in np.nanmean(found, axis=0))
    weakest = min(means)
    if smallest < minimum_size:
        allowed, why = False, f"its smallest segment has fewer than {minimum_size:,} people"  # how few is not told
    elif weakest >= STABLE:
        allowed, why = True, f"every segment comes back in resampled data (weakest Jaccard {weakest:.2f})"
    else:
        weak = sum(mean < STABLE for mean in means)
        how = "only roughly" if weakest >= DOUBTFUL else "hardly"
        allowed = False
        why = f"in resampled data {weak} of its {k} segments {how} come back (weakest Jaccard {weakest:.2f})"
    return KEvidence(k, means, smallest, inertia, allowed, why)


def choose(evidence: tuple[KEvidence, ...], *, minimum_size: int) -> tuple[int, str]:
    """Return the number of segments to take and a warning, empty when there is nothing to warn of.

    The largest allowed one; else the largest whose segments all reach .6, with a warning; else the most stable, with a
    stronger one. Sizes below the minimum are out in any case, unless there is nothing else.
    """
    fitting = [one for one in evidence if one.smallest >= minimum_size] or list(evidence)
    if allowed := [one for one in fitting if one.allowed]:
        return max(one.k for one in allowed), ""
    if doubtful := [one for one in fitting if min(one.jaccard) >= DOUBTFUL]:
        best = max(doubtful, key=lambda one: one.k)
        return (
            best.k,
            f"No number of segments is stable; with {best.k} the weakest segment's Jaccard is {min(best.jaccard):.2f}.",
        )
    best = max(fitting, key=lambda one: (min(one.jaccard), -one.k))
    return best.k, (
        f"These people do not fall into stable segments: at best, with {best.k}, the weakest segment's Jaccard is "
        f"{min(best.jaccard):.2f}. Treat them as a way to cut, not as kinds of people."
    )
