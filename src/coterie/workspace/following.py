"""The verb ``follow``: a registered model asked about several moments, without being fitted again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from coterie.errors import ParameterError
from coterie.evaluation import drift
from coterie.evaluation.intervals import Estimate
from coterie.features.combination import Declared
from coterie.progress import SILENT, Progress
from coterie.schema import KEY, TIME, Purpose
from coterie.segments.people import SPEND, Floats, Ints
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.prototypes import PrototypeSegments
from coterie.segments.suppression import dominated
from coterie.segments.taste import TasteSegments
from coterie.segments.time.alignment import Alignment, align, hysteresis
from coterie.segments.time.migration import Migration, migration
from coterie.segments.time.redefinition import tell_apart
from coterie.segments.time.renewal import renew
from coterie.segments.time.review import review
from coterie.store.ports import Commit
from coterie.workspace.assigning import keep, load
from coterie.workspace.fitting import COLUMNS, Fitting
from coterie.workspace.followed import Following, Moment, Remade
from coterie.workspace.recipes import Recipe
from coterie.workspace.results import FeatureTable

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.shop import Workspace

AsOf = str | date | datetime
STEPS = ("week", "month", "quarter")
RENEWED = ("kmeans", "ward", "rfm")
_MOST = 120  # moments at once: ten years of months


def follow(
    shop: Workspace,
    *,
    recipe: Recipe,
    model: str,
    dates: Sequence[AsOf] | None,
    every: str | int,
    since: AsOf | None,
    until: AsOf | None,
    margin: float,
    retrained: bool,
    publish: bool,
    progress: Progress,
) -> Following:
    """Carry out :meth:`Workspace.follow`."""
    if not (np.isfinite(margin) and margin >= 0):
        raise ParameterError.of("follow", "margin", margin, "a finite number of at least 0")
    if retrained and recipe.method not in RENEWED:
        raise ParameterError(
            f"follow: segments of {recipe.method} are made of more than today's features, and not made anew here.",
            hint=f"leave retrained out, or use {', '.join(RENEWED)}.",
        )
    seen = shop.facts(Purpose.SEGMENTATION)
    found = shop.registry.get(recipe.model, model)
    estimator = load(shop, found, recipe.method)
    if margin and not isinstance(estimator, PrototypeSegments | TasteSegments):
        raise ParameterError(
            "follow: a margin needs distances, which these segments do not have.", hint="leave it out."
        )
    fitting = Fitting(shop, seen, recipe, None, 1, by=found.figures.get("items", ""))
    moments = _moments(shop, seen, dates, every, since, until, found.as_of)
    names = _names(estimator, tuple(found.figures.get("names", ())))
    k = len(names)
    made = shop.tabulate(seen, found.as_of, COLUMNS, SILENT, whole=False)
    then = _ask(fitting, estimator, made, None, 0.0)
    chain = _Chain(estimator, names) if retrained else None
    spent = _Spent(k, shop.config.minimum_group)
    told: list[Moment] = []
    moved: list[Migration] = []
    remade: list[Remade] = []
    members: list[pa.Table] = []
    built, before = made, then if moments[0] >= found.as_of else None
    for done, moment in enumerate(moments):
        progress.step("moments", done, len(moments))
        built = made if moment == found.as_of else shop.tabulate(seen, moment, COLUMNS, SILENT, whole=False)
        now = _ask(fitting, estimator, built, before, margin)
        if done and before is not None:
            moved.append(migration(before.table(), now.table(), k, names))
        told.append(_moment(estimator, now, then, moment, k, spent))
        members.append(_dated(now, moment))
        if chain is not None:
            remade.append(chain.step(now))
        if publish:
            commit = _commit(found.model_id, built.snapshot, margin, moments[: done + 1])
            keep(shop, recipe, found, estimator, now.features, now.labels, names, commit)
        before = now
    progress.step("moments", len(moments), len(moments))
    progress.step("stability", 0, 1)
    stable = fitting.stability(estimator, built)
    progress.step("stability", 1, 1)
    sizes_then = tuple(np.bincount(then.labels, minlength=k).tolist())
    verdict = review(
        names,
        told[-1].sizes,
        told[-1].shares,
        told[-1].features,
        age_days=(moments[-1] - found.as_of) / timedelta(days=1),
        growing=[one.name for one in built.features if _grows(one)],
        titles={one.name: one.title for one in built.features},
        stability=stable,
        stability_then=_then(found.figures),
        alignment=chain.against() if chain is not None else None,
        minimum_size=shop.config.minimum_group,
        sizes_then=sizes_then,
    )
    return Following(
        config=shop.config,
        method=recipe.words,
        model_id=found.model_id,
        made=found.as_of,
        names=names,
        moments=tuple(told),
        migrations=tuple(moved),
        review=verdict,
        members=pa.concat_tables(members),
        remade=tuple(remade),
        margin=margin,
        refused=dict(built.refused),
        sizes_then=sizes_then,
    )


class _Rows:
    """People in rising order, the segment of each, and how often in a row each has kept it by the margin alone."""

    def __init__(self, features: pa.Table, labels: Ints, held: Ints | None = None) -> None:
        self.features = features
        self.people: Ints = features["person"].to_numpy()
        self.labels = labels
        self.held = np.zeros(len(labels), dtype=np.int64) if held is None else held

    def table(self) -> pa.Table:
        """Return ``person, segment``."""
        return pa.table({"person": self.people, "segment": self.labels})

    def labelled(self, labels: Ints) -> _Rows:
        """Return the same people with other segments."""
        return _Rows(self.features, labels)

    def of(self, people: Ints) -> tuple[Ints, Ints]:
        """Return the segment of other people, -1 for who was in none, and how often each has kept it."""
        if not len(self.people):
            return np.full(len(people), -1, dtype=np.int64), np.zeros(len(people), dtype=np.int64)
        place = np.minimum(np.searchsorted(self.people, people), len(self.people) - 1)
        known = self.people[place] == people
        return np.where(known, self.labels[place], -1), np.where(known, self.held[place], 0)


class _Chain:
    """Segments made anew at each moment, begun at those of the moment before and aligned with them."""

    def __init__(self, estimator: Segmenter, names: tuple[str, ...]) -> None:
        self.fitted = estimator
        self.names = names
        self.number: Ints = np.arange(len(names))  # of each segment of ``fitted``, in the numbering that is followed
        self.before: tuple[_Rows, _Rows] | None = None  # aligned, and as they came
        self.newest: tuple[Ints, Ints] = (self.number, self.number)  # by the followed model, and anew

    def step(self, frozen: _Rows) -> Remade:
        """Make segments of these people and say what became of those before."""
        fresh = renew(self.fitted, frozen.features)
        old = self.number[self.fitted.predict(frozen.features)]
        new = fresh.predict(frozen.features)
        aligned = align(old, new, old_k=len(self.names), new_k=fresh.k_)
        now, raw = frozen.labelled(aligned.apply(new)), frozen.labelled(new)
        change, stayed, unaligned = None, None, None
        if self.before is not None:
            between = frozen.labelled(old).table()
            change = tell_apart(self.before[0].table(), between, now.table(), len(self.names), self.names)
            stayed, unaligned = _stayed(self.before[0], now), _stayed(self.before[1], raw)
        self.fitted, self.number, self.before = fresh, np.array(aligned.renumbered, dtype=np.int64), (now, raw)
        self.newest = frozen.labels, new
        sizes = np.bincount(now.labels, minlength=len(self.names)).tolist()
        as_of = frozen.features["as_of"][0].as_py()
        return Remade(as_of, tuple(sizes), aligned, change, stayed, unaligned)

    def against(self) -> Alignment:
        """Return how the newest segments go with those of the model that is followed."""
        return align(*self.newest, old_k=len(self.names))


class _Spent:
    """Says of which segments what they spent may not be told, moment after moment.

    Told at two moments it also tells the difference, which one person may have made: each is compared with when it was
    told last.
    """

    def __init__(self, k: int, minimum: int) -> None:
        self.minimum = minimum
        self.told: list[tuple[Ints, Floats] | None] = [None] * k

    def dominated(self, now: _Rows, spent: Floats) -> tuple[int, ...]:
        """Return the segments that one or two people made nearly all the spend, or its change, of."""
        found = []
        for segment, before in enumerate(self.told):
            here = now.labels == segment
            who, paid = now.people[here], spent[here]
            if dominated(paid) or (before is not None and dominated(_change(before, (who, paid)))):
                found.append(segment)
            elif len(who) >= self.minimum:
                self.told[segment] = who, paid
        return tuple(found)


def _change(before: tuple[Ints, Floats], now: tuple[Ints, Floats]) -> Floats:
    """Return what each person changed of a sum."""
    _, place = np.unique(np.concatenate([before[0], now[0]]), return_inverse=True)
    changed: Floats = np.bincount(place, weights=np.concatenate([-before[1], now[1]])).astype(np.float64)
    return changed


def _stayed(before: _Rows, now: _Rows) -> Estimate:
    return migration(before.table(), now.table()).stayed


def _ask(fitting: Fitting, estimator: Segmenter, built: FeatureTable, before: _Rows | None, margin: float) -> _Rows:
    """Return people with their segments: the nearest one, or with a margin for who was in another."""
    features, labels = fitting.told(estimator, built.table)
    away = fitting.distances(estimator, features) if margin and before is not None else None
    if before is None or away is None:
        return _Rows(features, labels)
    previous, times = before.of(features["person"].to_numpy())
    kept = hysteresis(previous, away, margin, held=times)
    return _Rows(features, kept.labels, kept.held)


def _moment(estimator: Segmenter, now: _Rows, then: _Rows, as_of: datetime, k: int, told: _Spent) -> Moment:
    """Tell sizes, value and drift at one moment."""
    sizes = np.bincount(now.labels, minlength=k)
    values: tuple[int, ...] = ()
    dominated_: tuple[int, ...] = ()
    if SPEND in now.features.column_names:
        spent = np.nan_to_num(now.features[SPEND].to_numpy().astype(np.float64))
        values = tuple(round(one) for one in np.bincount(now.labels, weights=spent, minlength=k).tolist())
        dominated_ = told.dominated(now, spent)
    there = set(then.features.column_names) & set(now.features.column_names)
    features = tuple(
        drift.of_values(name, then.features[name].to_numpy(), now.features[name].to_numpy())
        for name in estimator.reads
        if name in there
    )
    shares = drift.of_shares("sizes", np.bincount(then.labels, minlength=k), sizes)
    return Moment(as_of, tuple(sizes.tolist()), values, dominated_, shares, features)


def _names(estimator: Segmenter, titles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the name of each segment: as the model was registered, else its own; RFM has names nobody had then."""
    own: tuple[str, ...] = getattr(estimator, "names_", ())
    k = max(estimator.k_, len(titles), len(own))
    given = zip_longest(titles[:k], own, range(k), fillvalue="")
    return tuple(title or name or f"segment {number + 1}" for title, name, number in given)  # type: ignore[operator]


def _grows(feature: Declared) -> bool:
    """Say whether a feature counts everything so far, and so grows with time by itself."""
    window = getattr(feature, "window", None)
    return window is not None and window.days is None


def _then(figures: Any) -> tuple[Estimate, ...]:
    """Return the stability that was found when a model was made."""
    card = figures.get("card") or {}
    return tuple(Estimate(one["value"], one["low"], one["high"]) for one in card.get("stability", ()))


def _dated(rows: _Rows, moment: datetime) -> pa.Table:
    return pa.table({
        "person": pa.array(rows.people, KEY),
        "as_of": pa.repeat(pa.scalar(moment, TIME), len(rows.people)),
        "segment": pa.array(rows.labels, pa.int64()),
    })  # fmt: skip


def _commit(model_id: str, snapshot: str, margin: float, moments: list[datetime]) -> Commit:
    """Name the writing of one moment's segments, so that the same again, and by `segment`, is written once."""
    name = f"segment-{model_id}-{snapshot[:16]}"
    if margin:  # it makes who is where depend on the moments before
        name += "-" + hashlib.sha256(repr((margin, moments)).encode()).hexdigest()[:16]
    return Commit(name, 1)


def _moments(
    shop: Workspace,
    seen: Facts,
    dates: Sequence[AsOf] | None,
    every: str | int,
    since: AsOf | None,
    until: AsOf | None,
    made: datetime,
) -> list[datetime]:
    """Return the moments to look at, in order, none twice."""
    if dates is not None:
        if isinstance(dates, str | date) or not len(dates):
            raise ParameterError.of("follow", "dates", dates, "a list of at least one moment")
        if since is not None or until is not None:
            raise ParameterError("follow: dates say all moments.", hint="leave out since and until, or dates.")
        return sorted({shop.config.moment(each) for each in dates})
    if every not in STEPS and (isinstance(every, bool | str) or every < 1):
        raise ParameterError.of("follow", "every", every, f"one of {', '.join(STEPS)}, or a number of days")
    first = made if since is None else shop.config.moment(since)
    last = seen.newest() if until is None else shop.config.moment(until)
    if last < first:
        raise ParameterError(
            f"follow: there is nothing between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC.",
            hint="give since before until; the data end where `coterie check` says.",
        )
    found = [first]
    for moment in _steps(first, every, ZoneInfo(shop.config.timezone)):
        if moment > last:
            return found
        found.append(moment)
        if len(found) > _MOST:
            break
    raise ParameterError.of(
        "follow", "every", every, f"a step that makes at most {_MOST} moments until {last:%Y-%m-%d}"
    )


def _steps(first: datetime, every: str | int, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the moments after the first: the same hour of the shop's day, the same day of the month where it can be."""
    local = first.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    for number in range(1, 10 * _MOST):
        if every in ("month", "quarter"):
            ahead = local.month - 1 + number * (1 if every == "month" else 3)
            year, month = local.year + ahead // 12, ahead % 12 + 1
            following = datetime(year + month // 12, month % 12 + 1, 1)
            moved = local.replace(year=year, month=month, day=min(local.day, (following - timedelta(days=1)).day))
        else:
            moved = local + timedelta(days=number * (7 if every == "week" else int(every)))
        yield moved.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
