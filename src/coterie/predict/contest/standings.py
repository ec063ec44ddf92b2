"""Standings: what a backtest found of each contender, who leads, and whether other people would tell another story."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa

from coterie.charts import numbers
from coterie.errors import IntegrityError
from coterie.evaluation.calibration import Bin
from coterie.evaluation.intervals import Estimate
from coterie.predict.contest.contender import Floats

FORMAT = 1
"""The layout of a backtest as JSON."""

Key = tuple[str, str | None, str | None, str, str]
"""Contender, origin (None: all), group (None: everybody), outcome, metric."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of merit.

    Parameters
    ----------
    title
        In words.
    better
        1 where more is better, -1 where less is, 0 where neither is.
    places
        Decimals.
    money
        Whether it is in minor units where the outcome is spend.
    """

    title: str
    better: int
    places: int = 3
    money: bool = False


METRICS: Mapping[str, Metric] = {
    "gini": Metric("normalised Gini", 1),
    "spearman": Metric("Spearman correlation", 1),
    "auc": Metric("AUC", 1),
    "gain": Metric("share held by the top 20 %", 1),
    "bias": Metric("bias of the total", 0),
    "abs_bias": Metric("size of the bias", -1),
    "mae": Metric("MAE", -1, money=True),
    "rmse": Metric("RMSE", -1, money=True),
}
"""Figures of merit by name."""

OF = {"orders": "orders", "active": "activity", "spend": "spend"}
"""What is forecast, in words."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one contender.

    Parameters
    ----------
    contender
        Its name.
    origin
        At which origin; None is the mean over all origins.
    group
        Of which group of people; None is everybody.
    outcome
        ``orders``, ``active`` or ``spend``.
    metric
        One of ``METRICS``.
    people
        How many it is judged on, over all origins.
    estimate
        The figure and its 95 % interval over people; of spend, MAE and RMSE are in minor units.
    difference
        Contender minus baseline on the same people, with its interval; None for the baseline, and for the signed bias.
    """

    contender: str
    origin: str | None
    group: str | None
    outcome: str
    metric: str
    people: int
    estimate: Estimate
    difference: Estimate | None = None

    def verdict(self, baseline: str, minor_units: int = 2) -> str:
        """Say in words whether it leads the baseline.

        >>> gap = Estimate(0.03, 0.01, 0.05)
        >>> Score("BG/NBD", None, None, "active", "auc", 90, Estimate(0.7, 0.6, 0.8), gap).verdict("x/T")
        'BG/NBD leads x/T by .030 [.010, .050] in AUC of activity.'
        """
        metric = METRICS[self.metric]
        if self.difference is None or not math.isfinite(self.difference.value):
            return ""
        scale = 10**minor_units if metric.money and self.outcome == "spend" else 1
        return lead(self.contender, baseline, self.difference, metric, f"{metric.title} of {OF[self.outcome]}", scale)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a contender predicted beside what happened, over all origins."""

    contender: str
    outcome: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """Which share of all orders (of all spend) those have whom a contender puts first; the mean over all origins."""

    contender: str
    outcome: str
    tops: tuple[float, ...]
    shares: tuple[Estimate, ...]


@dataclass(frozen=True)
class Backtest:
    """Contenders judged by what happened after origins in the past.

    Parameters
    ----------
    baseline
        The contender that the others are compared with.
    contenders
        All names, in the order they were given.
    origins
        The origins' names, in the order they were given.
    horizon_days
        How far was looked ahead.
    minor_units
        Decimal places of the currency.
    scores
        Contender by origin by group by outcome by metric.
    calibrations, gains
        Over all origins, of everybody.
    protocol
        What was done, in words.
    notes
        What could not be judged, in words.
    repeats
        The figures on each resample, the first one on everybody: any two contenders can be compared by them.
    """

    baseline: str
    contenders: tuple[str, ...]
    origins: tuple[str, ...]
    horizon_days: float
    minor_units: int
    scores: tuple[Score, ...]
    calibrations: tuple[Calibrated, ...]
    gains: tuple[Gain, ...]
    protocol: str
    notes: tuple[str, ...] = ()
    repeats: Mapping[Key, Floats] = field(default_factory=dict, repr=False, compare=False)

    def score(
        self, contender: str, outcome: str, metric: str, *, origin: str | None = None, group: str | None = None
    ) -> Score | None:
        """Return one figure; None where it could not be judged."""
        key = (contender, origin, group, outcome, metric)
        found = (one for one in self.scores if (one.contender, one.origin, one.group, one.outcome, one.metric) == key)
        return next(found, None)

    def verdicts(self, outcome: str = "orders", metric: str = "gini") -> tuple[str, ...]:
        """Say of each contender whether it leads the baseline, over all origins."""
        judged = (self.score(name, outcome, metric) for name in self.contenders if name != self.baseline)
        return tuple(said for one in judged if one and (said := one.verdict(self.baseline, self.minor_units)))

    def mean(
        self, contender: str, outcome: str, metric: str, origins: Sequence[str], group: str | None = None
    ) -> Floats | None:
        """Return the mean of a figure over origins (see ``mean_of``), on each resample."""
        return mean_of(self.repeats, self.contenders, (contender, group, outcome, metric), origins)

    def to_arrow(self) -> pa.Table:
        """Return the scores as a table: one row a figure, null where it is not known."""
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for one in self.scores:
            gap = one.difference or Estimate(math.nan, math.nan, math.nan)
            own = (one.estimate.value, one.estimate.low, one.estimate.high, gap.value, gap.low, gap.high)
            told = (one.contender, one.origin, one.group, one.outcome, one.metric, one.people, *map(_plain, own))
            for name, value in zip(_COLUMNS, told, strict=True):
                columns[name].append(value)
        return pa.table({name: pa.array(values, type=_COLUMNS[name]) for name, values in columns.items()})

    def to_json(self) -> dict[str, Any]:
        """Return all but the resamples as JSON: figures as numbers, null where they are not known."""
        return {
            "kind": "backtest",
            "version": FORMAT,
            "baseline": self.baseline,
            "contenders": list(self.contenders),
            "origins": list(self.origins),
            "horizon_days": self.horizon_days,
            "minor_units": self.minor_units,
            "scores": self.to_arrow().to_pylist(),
            "calibrations": [
                {"contender": one.contender, "outcome": one.outcome,
                 "bins": [{"people": bin.people, "predicted": bin.predicted, "happened": _told(bin.happened)}
                          for bin in one.bins]}
                for one in self.calibrations
            ],
            "gains": [
                {"contender": one.contender, "outcome": one.outcome, "tops": list(one.tops),
                 "shares": [_told(share) for share in one.shares]}
                for one in self.gains
            ],
            "protocol": self.protocol,
            "notes": list(self.notes),
        }  # fmt: skip

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the backtest that ``to_json`` wrote, without its resamples: to be shown, not to choose by.

        Raises
        ------
        IntegrityError
            It is no such backtest, or not whole.
        """
        if body.get("kind") != "backtest" or body.get("version") != FORMAT:
            raise IntegrityError("This is no backtest that this version of coterie wrote.", hint="run it anew.")
        try:
            return cls(
                str(body["baseline"]),
                tuple(map(str, body["contenders"])),
                tuple(map(str, body["origins"])),
                float(body["horizon_days"]),
                int(body["minor_units"]),
                tuple(_score(one) for one in body["scores"]),
                tuple(
                    Calibrated(one["contender"], one["outcome"], tuple(
                        Bin(int(bin["people"]), float(bin["predicted"]), _known(bin["happened"])) for bin in one["bins"]
                    ))
                    for one in body["calibrations"]
                ),
                tuple(
                    Gain(one["contender"], one["outcome"], tuple(one["tops"]), tuple(map(_known, one["shares"])))
                    for one in body["gains"]
                ),
                str(body["protocol"]),
                tuple(map(str, body["notes"])),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError("This backtest is not whole.", hint="run it anew.") from error

    def __str__(self) -> str:
        """Show the figures over all origins as text: a table for each of orders, activity and spend."""
        return "\n".join([*(line for outcome in OF for line in self._block(outcome)), self.protocol, *self.notes])

    def _block(self, outcome: str) -> list[str]:
        shown = [
            metric
            for metric in METRICS
            if metric != "abs_bias" and any(self.score(name, outcome, metric) for name in self.contenders)
        ]
        rows = [[OF[outcome], *shown]]
        rows += [[name, *(self._cell(name, outcome, metric) for metric in shown)] for name in self.contenders]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(wide[place]) for place, cell in enumerate(row)).rstrip() for row in rows]
        return [*lines, ""] if shown else []

    def _cell(self, contender: str, outcome: str, metric: str) -> str:
        one = self.score(contender, outcome, metric)
        return written(one, self.minor_units) if one else numbers.MISSING

    def _repr_html_(self) -> str:
        from coterie.predict import notebooks

        return notebooks.of_backtest(self)


def mean_of(
    repeats: Mapping[Key, Floats],
    contenders: Sequence[str],
    figure: tuple[str, str | None, str, str],
    origins: Sequence[str],
) -> Floats | None:
    """Return the mean of a figure (contender, group, outcome, metric) over origins, on each resample.

    An origin at which the figure is undefined for all contenders, as nobody bought, is left out; None where the
    contender was not judged at an origin at which another one was.
    """
    name, *rest = figure
    found = [
        repeats.get((name, origin, *rest))  # type: ignore[arg-type]
        for origin in origins
        if any((other, origin, *rest) in repeats for other in contenders)
    ]
    known = [one for one in found if one is not None]
    return np.asarray(np.mean(known, axis=0)) if known and len(known) == len(found) else None


def written(one: Score, minor_units: int) -> str:
    """Write a figure with its interval.

    >>> written(Score("a", None, None, "orders", "gini", 9, Estimate(.51, .42, .63)), 2)
    '.510 [.420, .630]'
    """
    metric = METRICS[one.metric]
    scale = 10**minor_units if metric.money and one.outcome == "spend" else 1
    return _interval(one.estimate, metric.places, scale)


def lead(name: str, other: str, gap: Estimate, metric: Metric, what: str, scale: float = 1) -> str:
    """Say who leads whom by how much in what, or that it is not shown.

    >>> lead("A", "B", Estimate(-.2, -.5, .1), METRICS["rmse"], "RMSE of orders")
    'A leads B by .200 [−.100, .500] in RMSE of orders; not shown, as the interval holds 0.'
    """
    ahead = Estimate(gap.value, gap.low, gap.high) if metric.better > 0 else Estimate(-gap.value, -gap.high, -gap.low)
    if ahead.value == 0 and ahead.low == ahead.high:
        return f"{name} and {other} are alike in {what}."
    verb = "leads" if ahead.value >= 0 else "trails"
    size = ahead if ahead.value >= 0 else Estimate(-ahead.value, -ahead.high, -ahead.low)
    said = f"{name} {verb} {other} by {_interval(size, metric.places, scale)} in {what}"
    return f"{said}; not shown, as the interval holds 0." if ahead.low <= 0 <= ahead.high else f"{said}."


_COLUMNS: Mapping[str, pa.DataType] = {
    "contender": pa.string(), "origin": pa.string(), "group": pa.string(), "outcome": pa.string(),
    "metric": pa.string(), "people": pa.int64(), "value": pa.float64(), "low": pa.float64(), "high": pa.float64(),
    "difference": pa.float64(), "difference_low": pa.float64(), "difference_high": pa.float64(),
}  # fmt: skip


def _interval(one: Estimate, places: int, scale: float = 1) -> str:
    value, low, high = (numbers.ratio(each / scale, places=places) for each in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _score(row: Mapping[str, Any]) -> Score:
    own, gap = (
        _known({end: row[name] for end, name in zip(("value", "low", "high"), names, strict=True)})
        for names in (("value", "low", "high"), ("difference", "difference_low", "difference_high"))
    )
    names = (row["contender"], row["origin"], row["group"], row["outcome"], row["metric"])
    if row["metric"] not in METRICS or row["outcome"] not in OF:
        raise ValueError(row["metric"])
    return Score(*names, int(row["people"]), own, None if row["difference"] is None else gap)


def _known(ends: Mapping[str, float | None]) -> Estimate:
    return Estimate(*(math.nan if (one := ends[end]) is None else float(one) for end in ("value", "low", "high")))


def _told(one: Estimate) -> dict[str, float | None]:
    return {"value": _plain(one.value), "low": _plain(one.low), "high": _plain(one.high)}
