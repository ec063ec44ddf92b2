"""Holdouts: what people did after an origin, against which forecasts are held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import ParameterError
from coterie.evaluation.accuracy import accuracy_repeats
from coterie.evaluation.ranking import TOPS, Ranks
from coterie.evaluation.resampling import Counts
from coterie.predict.contest.contender import Case, Floats, Forecast, numbers

_TOP = TOPS.index(0.2)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A moment in the past to forecast from, and what happened after it.

    Parameters
    ----------
    name
        Such as its date.
    case
        What was known at it; with a column ``person`` where there are several origins.
    orders
        How many orders each person of ``case.now`` placed in the horizon after it: shape (people,).
    spend
        What each spent in it, in minor units: shape (people,); None where that is not known.
    groups
        Of which segment each was at the origin, in words: shape (people,), None for who was of none; without groups
        everybody is judged only.
    """

    name: str
    case: Case
    orders: npt.ArrayLike
    spend: npt.ArrayLike | None = None
    groups: npt.ArrayLike | None = None

    def outcomes(self) -> dict[str, Floats]:
        """Return orders, activity and spend (where it is known) of each person after the origin.

        Raises
        ------
        ParameterError
            One is not one a person, negative or unknown.
        """
        people = len(self.case.now)
        found: dict[str, Floats] = {}
        for name, given in (("orders", self.orders), ("spend", self.spend)):
            if given is None:
                continue
            values = np.asarray(given, dtype=np.float64)
            if values.shape != (people,):
                raise ParameterError.of(f"Origin {self.name}", name, values.shape, f"of shape ({people},)")
            if not (np.isfinite(values) & (values >= 0)).all():
                raise ParameterError.of(f"Origin {self.name}", name, "negative or unknown", "known and not negative")
            found[name] = values
        return {**found, "active": (found["orders"] > 0).astype(np.float64)}


class Holdout:
    """People at an origin with what they did after it, and the resamples that figures are taken on.

    Parameters
    ----------
    origin
        The moment.
    rows
        Whom of ``origin.case.now`` to judge: shape (judged,).
    counts
        How often each resample has each of them, the first row everybody: shape (resamples, judged).
    smallest_group
        Groups of fewer people are not judged by themselves.
    """

    def __init__(self, origin: Origin, rows: npt.NDArray[np.int64], counts: Counts, smallest_group: int) -> None:
        self.origin = origin
        self.counts = counts
        self.now: pa.Table = origin.case.now.take(pa.array(rows))
        self.truth = {name: values[rows] for name, values in origin.outcomes().items()}
        self.notes: list[str] = []
        self._members: dict[str | None, npt.NDArray[np.intp]] = {None: np.arange(len(rows))}
        self._group(rows, smallest_group)
        self._counts: dict[str | None, Counts] = {None: counts}
        self._ranks: dict[tuple[str | None, str], Ranks] = {}
        self._note()

    def __len__(self) -> int:
        """Return how many people are judged."""
        return len(self.now)

    def sizes(self) -> Iterator[tuple[str | None, int]]:
        """Yield each group that is judged, None being everybody, and how many people are in it."""
        for group, members in self._members.items():
            yield group, len(members)

    def figures(self, forecast: Forecast) -> Iterator[tuple[str | None, str, str, Floats]]:
        """Yield group, outcome, metric and its figure on each resample, as far as they are defined for everybody."""
        for group, members in self._members.items():
            for outcome, truth in self.truth.items():
                told = getattr(forecast, outcome)
                score = forecast.orders if told is None and outcome == "active" else told
                if score is None:
                    continue
                found = self._ranked(group, outcome, score[members])
                if told is not None and forecast.level:
                    found |= self._accuracy(group, outcome, truth[members], told[members])
                for metric, repeats in found.items():
                    if np.isfinite(repeats[0]):
                        yield group, outcome, metric, repeats

    def gains(self, forecast: Forecast) -> Iterator[tuple[str, Floats]]:
        """Yield outcome and the shares of it that ``TOPS`` have: shape (resamples, tops)."""
        for outcome in ("orders", "spend"):
            score = getattr(forecast, outcome)
            if score is not None and outcome in self.truth and self.truth[outcome].any():
                yield outcome, self._ranking(None, outcome).judge(score).gain

    def amounts(self, forecast: Forecast) -> Iterator[tuple[str, Floats, Floats]]:
        """Yield outcome, what happened and what was forecast, where the forecast is an amount."""
        for outcome, truth in self.truth.items():
            told = getattr(forecast, outcome)
            if told is not None and forecast.level:
                yield outcome, truth, np.asarray(told, dtype=np.float64)

    def _ranking(self, group: str | None, outcome: str) -> Ranks:
        if (group, outcome) not in self._ranks:
            members = self._members[group]
            self._ranks[group, outcome] = Ranks(self.truth[outcome][members], self._of(group))
        return self._ranks[group, outcome]

    def _ranked(self, group: str | None, outcome: str, score: Floats) -> dict[str, Floats]:
        judged = self._ranking(group, outcome).judge(score, TOPS[_TOP : _TOP + 1])
        if outcome == "active":
            return {"auc": (1 + judged.gini) / 2}
        return {"gini": judged.gini, "spearman": judged.spearman, "gain": judged.gain[:, 0]}

    def _accuracy(self, group: str | None, outcome: str, truth: Floats, told: Floats) -> dict[str, Floats]:
        judged = accuracy_repeats(truth, told, self._of(group))
        found = {"bias": judged.bias, "abs_bias": np.abs(judged.bias)}
        return found if outcome == "active" else {**found, "mae": judged.mae, "rmse": judged.rmse}

    def _of(self, group: str | None) -> Counts:
        if group not in self._counts:
            self._counts[group] = np.ascontiguousarray(self.counts[:, self._members[group]])
        return self._counts[group]

    def _group(self, rows: npt.NDArray[np.int64], smallest: int) -> None:
        """Find the members of each group that is large enough."""
        if self.origin.groups is None:
            return
        groups = np.asarray(self.origin.groups)
        if groups.shape != (len(self.origin.case.now),):
            allowed = f"of shape ({len(self.origin.case.now)},)"
            raise ParameterError.of(f"Origin {self.origin.name}", "groups", groups.shape, allowed)
        told = groups[rows]
        known = np.flatnonzero([one is not None for one in told] if told.dtype == object else np.ones(len(told), bool))
        names, place = np.unique(told[known].astype(str), return_inverse=True)
        for number, name in enumerate(names):
            members = known[place == number]
            if len(members) >= max(smallest, 2):
                self._members[str(name)] = members
        if left := len(names) - len(self._members) + 1:
            self.notes.append(
                f"At {self.origin.name} {left} of {len(names)} groups have fewer than {max(smallest, 2)} people and "
                "are not judged by themselves."
            )

    def _note(self) -> None:
        """Say what cannot be judged, and what to be careful with."""
        name, horizon = self.origin.name, self.origin.case.horizon_days
        if not self.truth["orders"].any():
            self.notes.append(
                f"Nobody ordered in the {horizon:g} days after {name}: neither rankings nor totals can be judged there."
            )
        if "T" in self.now.column_names and (longest := np.nanmax(numbers(self.now, "T"), initial=0.0)) < horizon:
            self.notes.append(
                f"At {name} nobody had been a customer for more than {longest:g} days, less than the {horizon:g} days "
                "that are looked ahead: all forecasts go beyond what was seen."
            )
