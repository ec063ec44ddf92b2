"""The report card: segments judged by the future they did not see, beside what a shop would do without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.config import minor_units
from coterie.errors import MissingColumnError, ParameterError, TooFewPeopleError
from coterie.evaluation.comparison import Statistic, difference, verdict
from coterie.evaluation.intervals import RESAMPLES, Estimate, bootstrap, resamples
from coterie.evaluation.metrics import auc, group_means, logistic_scores, out_of_fold_means, r2, ridge_scores
from coterie.evaluation.splits import folds
from coterie.features.matrix import KEYS, Matrix
from coterie.segments.people import SPEND, Floats, Ints, numbers, one_order, read
from coterie.segments.rfm import RFMSegments
from coterie.segments.validity import STABLE, CardRow, ReportCard, Role

_MANY = 30  # groupings finer than this flatter themselves in-sample, and are told with their out-of-fold figure
_FOLDS = 5
_COARSE = 3  # baselines of at most three times the model's groups are of similar size
_FEW = 30  # with fewer events on either side an AUC says nothing

Figure = Callable[[npt.ArrayLike, npt.ArrayLike], float]


@dataclass(frozen=True, eq=False)
class _Judged:
    """A grouping's row, and what it says of each person's spend and churn from the other folds' people."""

    row: CardRow
    spend: Floats
    churn: Floats


class _Judge:
    """Knows the outcomes, the folds and the resamples, so that all methods are judged on the same ones."""

    def __init__(self, logged: Floats, churned: Floats, count: int, seed: int) -> None:
        self.logged, self.churned = logged, churned
        self.folds = folds(len(logged), _FOLDS, outcome=churned, seed=seed)
        self.draws = resamples(len(logged), count, seed=seed)
        self.ranks = _FEW <= churned.sum() <= len(churned) - _FEW

    def r2(self, prediction: Floats) -> Estimate:
        """Return R² of log future spend and its interval."""
        return bootstrap(_on(r2, self.logged, prediction), self.draws)

    def auc(self, score: Floats) -> Estimate | None:
        """Return the AUC of churn and its interval; None where too few stayed away, or too few came back."""
        return bootstrap(_on(auc, self.churned, score), self.draws) if self.ranks else None

    def questions(self) -> list[tuple[str, str, Figure, Floats, Callable[[_Judged], Floats]]]:
        """Return what is asked: in words, the figure and its name, the truth, and where a grouping's answer is."""
        spend = ("future spend", "R²", r2, self.logged, lambda one: one.spend)
        churn = ("who stays away", "AUC", auc, self.churned, lambda one: one.churn)
        return [spend, churn] if self.ranks else [spend]

    def group(self, method: str, role: Role, groups: Ints, note: str = "") -> _Judged:
        """Judge one grouping."""
        spend = out_of_fold_means(self.logged, groups, self.folds)
        churn = out_of_fold_means(self.churned, groups, self.folds)
        size = np.unique(groups, return_counts=True)[1]
        if len(size) > _MANY:
            note = (
                f"{note} Its many small groups flatter its R²; out of fold it is {r2(self.logged, spend):.3f}.".strip()
            )
        explained = self.r2(group_means(self.logged, groups))
        return _Judged(
            CardRow(method, role, len(size), explained, self.auc(churn), int(size.min()), note), spend, churn
        )


def report_card(
    labels: Mapping[str, Ints],
    frame: Any,
    *,
    spend: npt.ArrayLike,
    churned: npt.ArrayLike,
    as_of: datetime,
    horizon_days: int,
    stability: Sequence[Estimate] = (),
    columns: Sequence[str] | None = None,
    currency: str = "USD",
    count: int = RESAMPLES,
    seed: int = 0,
) -> ReportCard:
    """Judge segmentations by what people did afterwards.

    Beside them stand what a shop can do without any of this (chance, quintiles of spend, RFM cells, k-means on unscaled
    features) and the ceiling: a ridge and a logistic regression on single people, more than can be asked of groups.

    Parameters
    ----------
    labels
        Method → the segment of each row of ``frame``; the first is the one that the verdict is about.
    frame
        The people with their features as of ``as_of``.
    spend
        What each of them spent in ``(as_of, as_of + horizon_days]``, in minor units, 0 for nothing: shape (people,).
    churned
        Who did not order in that time: truth values of shape (people,).
    as_of
        The moment of the features; naive UTC.
    horizon_days
        The length of the outcome's window.
    stability
        The Jaccards of the first method's segments, from its ``stability``.
    columns
        The features of the ceiling and of unscaled k-means; None takes every column of numbers.
    currency
        ISO 4217 code of the money.
    count
        Bootstrap resamples of people.
    seed
        Of folds, resamples and the random grouping.
    """
    data = read(frame)
    outcome, gone = np.asarray(spend, dtype=np.float64), np.asarray(churned).astype(bool)
    for name, values in (
        ("spend", outcome),
        ("churned", gone),
        *((name, np.asarray(one)) for name, one in labels.items()),
    ):
        if values.shape != (len(data),):
            raise ParameterError.of("report_card", name, values.shape, f"of shape ({len(data)},), one a person")
    if not labels:
        raise ParameterError.of("report_card", "labels", {}, "at least one method")
    if not np.isfinite(outcome).all() or (outcome < 0).any():
        raise ParameterError.of("report_card", "spend", "negative or unknown amounts", "known and not negative")
    if len(data) < 2 * _FOLDS:
        raise TooFewPeopleError.of("A report card", 2 * _FOLDS, len(data))
    usable = tuple(columns or _usable(data))
    if not usable:
        raise MissingColumnError.of("The table of people", ["a column of numbers"], data.columns)
    data, rows = one_order(data, usable)
    outcome, gone = outcome[rows], gone[rows]
    judge = _Judge(np.log1p(outcome / 10 ** minor_units(currency)), gone.astype(np.float64), count, seed)

    judged = [judge.group(method, "model", np.asarray(one)[rows]) for method, one in labels.items()]
    k = judged[0].row.k or 2
    chance = np.random.default_rng(seed).integers(0, k, len(data))
    others = [judge.group("Chance", "baseline", chance, "People dealt at random.")]
    if SPEND in data.columns:
        money = numbers(data, SPEND)
        cuts = np.quantile(money, [0.2, 0.4, 0.6, 0.8])
        others.append(judge.group("Spend quintiles", "baseline", np.searchsorted(cuts, money).astype(np.int64)))
    if {"recency_days", "orders", SPEND} <= set(data.columns):
        scores = RFMSegments().fit(data).scores(data)
        others.append(judge.group("RFM cells", "baseline", scores @ np.array([100, 10, 1])))
    matrix = Matrix(columns=list(usable))
    X = matrix.fit_transform(data.to_native())
    plain = np.column_stack([np.nan_to_num(numbers(data, name)) for name in usable])
    with threadpool_limits(1):
        if len(np.unique(plain, axis=0)) >= k:
            unscaled = KMeans(k, n_init=3, random_state=seed).fit(plain).labels_.astype(np.int64)
            others.append(judge.group("k-means, unscaled", "baseline", unscaled, "What scaling is for."))
        single, risk = ridge_scores(X, judge.logged, judge.folds), logistic_scores(X, gone, judge.folds)
    ceiling = CardRow(
        "Each person alone",
        "ceiling",
        None,
        judge.r2(single),
        judge.auc(risk),
        None,
        "Ridge and logistic regression, out of fold; no groups.",
    )
    protocol = (
        f"{len(data):,} people, features as of {as_of:%Y-%m-%d %H:%M} UTC, "
        f"outcomes of the {horizon_days} days after it. "
        "R²: share of the variance of log(1 + spend) explained by group means. "
        f"AUC: churn (no order; {gone.mean():.1%} of people) ranked by the group's churn rate among the other people, "
        f"{_FOLDS} folds. Intervals: 95 %, {count} resamples of people."
    )
    if not judge.ranks:
        protocol += " Too few stayed away, or too few came back, to judge churn."
    return ReportCard(
        (*(one.row for one in (*judged, *others)), ceiling),
        tuple(stability),
        as_of,
        horizon_days,
        len(data),
        protocol,
        _verdict(judge, judged[0], others, tuple(stability)),
    )


def _verdict(judge: _Judge, model: _Judged, baselines: Sequence[_Judged], stable: tuple[Estimate, ...]) -> str:
    """Say how the model does against the strongest baselines, coarse and fine, and whether its segments hold."""
    k = model.row.k or 2
    coarse = [one for one in baselines if (one.row.k or 0) <= _COARSE * k]
    fine = [one for one in baselines if one not in coarse]
    said: list[str] = []
    for what, name, figure, truth, of in judge.questions():
        parts = []
        for others in (coarse, fine):
            if not others:
                continue
            best = max(others, key=lambda other: figure(truth, of(other)))
            gap = difference(_on(figure, truth, of(model)), _on(figure, truth, of(best)), judge.draws)
            found = verdict(gap)
            if others is fine and found == "better":
                continue  # a finer grouping that loses says nothing
            words = {"better": "better than", "worse": "WORSE than", "no different": "about as well as"}[found]
            size = f" ({best.row.k} groups)" if best.row.k != k else ""
            measured = f"{name} {gap.value:+.3f}, from {gap.low:+.3f} to {gap.high:+.3f}"
            parts.append(f"{words} {best.row.method}{size}: {measured}")
        subject = "They" if said else f"These {k} segments"
        said.append(f"{subject} tell {what} {'; and '.join(parts)}.")
    if stable:
        weak, weakest = sum(one.value < STABLE for one in stable), min(one.value for one in stable)
        said.append(
            f"{weak} of {len(stable)} do not come back well in resampled data (weakest Jaccard {weakest:.2f})."
            if weak
            else f"All {len(stable)} come back in resampled data (weakest Jaccard {weakest:.2f})."
        )
    return " ".join(said)


def _on(figure: Figure, truth: Floats, told: Floats) -> Statistic:
    return lambda rows: figure(truth[rows], told[rows])


def _usable(data: nw.DataFrame[Any]) -> list[str]:
    return [name for name, kind in data.schema.items() if name not in KEYS and kind.is_numeric()]
