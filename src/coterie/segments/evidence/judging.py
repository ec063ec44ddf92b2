"""The report card: segments judged by the future they did not see, beside what a shop would do without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.config import minor_units
from coterie.errors import MissingColumnError, MissingExtraError, ParameterError, TooFewPeopleError
from coterie.evaluation.ceiling import boosted_scores, logistic_scores, ridge_scores
from coterie.evaluation.intervals import RESAMPLES, Estimate
from coterie.features.matrix import KEYS, Matrix
from coterie.progress import SILENT, Progress
from coterie.segments.evidence.judge import FOLDS, Judge, Judged, future_mix
from coterie.segments.evidence.validity import CardRow, Question, ReportCard
from coterie.segments.evidence.verdict import compared, equal_parts, in_words
from coterie.segments.people import SPEND, Ints, numbers, one_order, read
from coterie.segments.rfm import RFMSegments

SAMPLE = 100_000
MARGIN = 0.02  # R² of spend: how much less still counts as not inferior to as many groups by past spend


def report_card(
    labels: Mapping[str, Ints],
    frame: Any,
    *,
    spend: npt.ArrayLike,
    churned: npt.ArrayLike,
    as_of: datetime,
    horizon_days: int,
    mix: Any = None,
    views: Mapping[str, Ints] | None = None,
    stability: Sequence[Estimate] = (),
    made_for: Question = "spend",
    columns: Sequence[str] | None = None,
    currency: str = "USD",
    margin: float = MARGIN,
    sample: int = SAMPLE,
    count: int = RESAMPLES,
    seed: int = 0,
    progress: Progress = SILENT,
) -> ReportCard:
    """Judge segmentations by what people did afterwards.

    Beside them stand what a shop can do without any of this (chance, as many equal parts by past spend, RFM cells,
    k-means on unscaled features) and ceilings: linear models and boosted trees of single people, more than can be asked
    of groups. All figures are out of fold: what a group means for the future is learnt in four fifths of the people and
    judged in the fifth. In sample, many small groups would flatter themselves.

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
    mix
        What people bought in that time, as a long table ``person, item, amount`` (items such as departments, any unit
        of amount); ``frame`` then needs ``person``. Judged are those who bought, by the shares of their amounts: R²
        with squared errors pooled over items. Negative amounts count as none.
    views
        More groupings of the same people, by other columns (see ``segments.view``): title → segment of each row.
    stability
        The Jaccards of the first method's segments, from its ``stability``.
    made_for
        What the first method is for: ``spend``, ``churn`` or ``mix``. The verdict leads with it.
    columns
        The features of the ceilings, of unscaled k-means and of the silhouette; None takes every column of numbers.
    currency
        ISO 4217 code of the money.
    margin
        How much less R² of future spend than as many groups by past spend still counts as not inferior.
    sample
        How many people are judged at most; more are sampled, and the card says so.
    count
        Bootstrap resamples of people.
    seed
        Of sample, folds, resamples and the random grouping.
    progress
        Told about each method judged.

    Raises
    ------
    ParameterError
        Labels or outcomes are not one a person, or a spend is negative or unknown.
    TooFewPeopleError
        There are fewer than 10 people.
    MissingColumnError
        There is no column of numbers; or a mix is given, and no person.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap; Piaggio et al. (2012) on non-inferiority.
    """
    data = read(frame)
    outcome, gone = np.asarray(spend, dtype=np.float64), np.asarray(churned).astype(bool)
    groups = {name: np.asarray(one) for name, one in {**labels, **(views or {})}.items()}
    for name, values in (("spend", outcome), ("churned", gone), *groups.items()):
        if values.shape != (len(data),):
            raise ParameterError.of("report_card", name, values.shape, f"of shape ({len(data)},), one a person")
    if not labels:
        raise ParameterError.of("report_card", "labels", {}, "at least one method")
    if len(groups) < len(labels) + len(views or {}):
        raise ParameterError.of("report_card", "views", sorted(views or {}), "named otherwise than the methods")
    if not np.isfinite(outcome).all() or (outcome < 0).any():
        raise ParameterError.of("report_card", "spend", "negative or unknown amounts", "known and not negative")
    if len(data) < 2 * FOLDS:
        raise TooFewPeopleError.of("A report card", 2 * FOLDS, len(data))
    if sample < 2 * FOLDS:
        raise ParameterError.of("report_card", "sample", sample, f"at least {2 * FOLDS}")
    usable = tuple(columns or _usable(data))
    if not usable:
        raise MissingColumnError.of("The table of people", ["a column of numbers"], data.columns)
    population = len(data)
    steps = len(groups) + 7  # four baselines, two ceilings, the comparison
    told = 0

    def step() -> None:
        nonlocal told
        told += 1
        progress.step("report card", told, steps)

    progress.step("report card", 0, steps)
    data, rows = one_order(data, usable)
    if population > sample:
        drawn = np.sort(np.random.default_rng(seed).choice(population, sample, replace=False))
        data, rows = data[drawn], rows[drawn]
    outcome, gone = outcome[rows], gone[rows]
    matrix = Matrix(columns=list(usable)).fit_transform(data.to_native())
    judge = Judge(
        np.log1p(outcome / 10 ** minor_units(currency)),
        gone,
        future_mix(mix, data) if mix is not None else None,
        matrix,
        count,
        seed,
    )
    found: list[Judged] = []
    with threadpool_limits(1):
        for name, one in groups.items():
            found.append(judge.group(name, "model" if name in labels else "view", one[rows]))
            step()
        model = found[0]
        k = model.row.k or 2
        for name, one, note in _baselines(data, usable, k, seed):
            found.append(judge.group(name, "baseline", one, note))
            step()
        ceilings = []
        for make in (_linear, _boosted):
            ceilings.append(make(judge, seed))
            step()
        comparisons = compared(found, margin)
    progress.step("report card", steps, steps)
    return ReportCard(
        (*(one.row for one in found), *ceilings),
        tuple(stability),
        as_of,
        horizon_days,
        len(data),
        _protocol(judge, population, as_of, horizon_days, count),
        in_words(comparisons, stability, made_for),
        population,
        comparisons,
        judge.notes(),
    )


def _baselines(data: nw.DataFrame[Any], usable: Sequence[str], k: int, seed: int) -> Iterator[tuple[str, Ints, str]]:
    """Yield name, groups and note of what a shop can do without any of this."""
    yield "Chance", np.random.default_rng(seed).integers(0, k, len(data)), "People dealt at random."
    if SPEND in data.columns:
        money = numbers(data, SPEND)
        for parts in dict.fromkeys((k, 5)):
            cuts = np.quantile(money, np.arange(1, parts) / parts)
            yield equal_parts(parts), np.searchsorted(cuts, money).astype(np.int64), ""
    if {"recency_days", "orders", SPEND} <= set(data.columns):
        scores = RFMSegments().fit(data).scores(data)
        yield "RFM cells", scores @ np.array([100, 10, 1]), ""
    plain = np.column_stack([np.nan_to_num(numbers(data, name)) for name in usable if data.schema[name].is_numeric()])
    if len(np.unique(plain, axis=0)) >= k:
        unscaled = KMeans(k, n_init=3, random_state=seed).fit(plain).labels_.astype(np.int64)
        yield "k-means, unscaled", unscaled, "What scaling is for."


def _linear(judge: Judge, seed: int) -> CardRow:
    """Judge each person alone, by linear models."""
    X = judge.matrix
    bought, mix = judge.bought, judge.mix
    return judge.alone(
        "Each person alone",
        ridge_scores(X, judge.logged, judge.folds),
        logistic_scores(X, judge.gone, judge.folds),
        None if mix is None else ridge_scores(X[bought], mix, judge.folds[bought]),
        "Ridge and logistic regression, out of fold; no groups. Being linear, they are no bound.",
    )


def _boosted(judge: Judge, seed: int) -> CardRow:
    """Judge each person alone, by boosted trees, or say why not."""
    method, X = "Each person alone, boosted trees", judge.matrix
    try:
        spend = boosted_scores(X, judge.logged, judge.folds, seed=seed)
        churn = boosted_scores(X, judge.gone, judge.folds, seed=seed)
    except MissingExtraError as error:
        return CardRow(method, "ceiling", None, None, None, None, str(error))
    return judge.alone(method, spend, churn, None, "LightGBM with fixed settings, out of fold; no groups.")


def _protocol(judge: Judge, population: int, as_of: datetime, horizon_days: int, count: int) -> str:
    people = len(judge.logged)
    who = f"{people:,} people" if people == population else f"{people:,} people, sampled from {population:,}"
    said = (
        f"{who}, features as of {as_of:%Y-%m-%d %H:%M} UTC, outcomes of the {horizon_days} days after it. "
        "R²: share of the variance of log(1 + spend) told by the mean of the person's group. "
        f"AUC: churn (no order; {judge.gone.mean():.1%} of people) ranked by the group's churn rate. Both are learnt "
        f"from the other people ({FOLDS} folds). Intervals: 95 %, {count} resamples of people."
    )
    if not judge.ranks:
        said += " Too few stayed away, or too few came back, to judge churn."
    return said


def _usable(data: nw.DataFrame[Any]) -> list[str]:
    return [name for name, kind in data.schema.items() if name not in KEYS and kind.is_numeric()]
