"""The backtest: contenders forecast from origins in the past, and are held against what happened next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from coterie.errors import CoterieError, DataError, MissingColumnError, ParameterError, TooFewPeopleError
from coterie.evaluation.calibration import calibration
from coterie.evaluation.intervals import RESAMPLES, Estimate, interval
from coterie.evaluation.ranking import TOPS
from coterie.evaluation.resampling import Counts, multiplicities
from coterie.predict.contest.contender import Contender, Floats
from coterie.predict.contest.holdout import Holdout, Origin
from coterie.predict.contest.standings import METRICS, Backtest, Calibrated, Gain, Key, Score, mean_of
from coterie.progress import SILENT, Progress

__all__ = ["SAMPLE", "SMALLEST", "Origin", "backtest"]

SAMPLE = 100_000
SMALLEST = 50
_PERSON = "person"


def backtest(
    origins: Sequence[Origin],
    contenders: Sequence[Contender],
    *,
    baseline: str | None = None,
    sample: int = SAMPLE,
    smallest_group: int = SMALLEST,
    count: int = RESAMPLES,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Backtest:
    """Judge contenders at origins in the past.

    Each contender is fitted at each origin on what was known there, and forecasts the same horizon. Intervals and
    differences are of the same resamples of persons, who are drawn with all that they do at all origins. The figures
    over all origins are means of those of each.

    Parameters
    ----------
    origins
        One horizon for all; what happened after the last one must be known in full.
    contenders
        Of unlike names. One that cannot be fitted, or whose forecast is no number, is left out at that origin, and the
        notes say why.
    baseline
        The name of the contender to compare with; None takes the first one.
    sample
        How many persons are judged at most; of more, that many are drawn, and the protocol says so. Contenders are
        fitted on everybody.
    smallest_group
        Groups of fewer people are not judged by themselves.
    count
        Bootstrap resamples of persons.
    seed
        Of the sample and the resamples.
    progress
        Told about each contender at each origin.

    Raises
    ------
    ParameterError
        Names are not unlike, horizons differ, or an outcome is not one a person or negative.
    MissingColumnError
        There are several origins, and a table has no column ``person``.
    DataError
        A person has two rows at one origin, or no contender could be judged.
    TooFewPeopleError
        There are fewer than 2 people at an origin.

    References
    ----------
    Tashman (2000), Out-of-sample tests of forecasting accuracy (rolling origins); Field & Welsh (2007), Bootstrapping
    clustered data.

    Examples
    --------
    >>> from coterie.predict.contest.contender import Case
    >>> from coterie.predict.contest.naive import Everybody, Rate
    >>> now = pa.table({"frequency": [3, 0, 1], "recency": [80.0, 0, 10], "T": [90.0, 90, 90]})
    >>> may = Origin(name="May", case=Case(now=now, horizon_days=30), orders=[1, 0, 0])
    >>> found = backtest([may], [Everybody(), Rate()])
    >>> found.score("x/T·H", "orders", "gini").estimate.value
    1.0
    """
    base = _checked(origins, contenders, baseline, sample, count)
    steps, total = 0, len(origins) * len(contenders)
    progress.step("backtest", 0, total)
    persons, places, population = _persons(origins, sample, seed)
    drawn = multiplicities(persons, count, seed=seed)
    counts = np.vstack([np.ones((1, persons), dtype=drawn.dtype), drawn])
    found = _Found([one.name for one in contenders], [one.name for one in origins], base)
    for origin, (rows, person) in zip(origins, places, strict=True):
        holdout = Holdout(origin, rows, counts[:, person], smallest_group)
        found.notes += holdout.notes
        for contender in contenders:
            found.hear(contender, holdout)
            steps += 1
            progress.step("backtest", steps, total)
    with threadpool_limits(1):
        return found.told(origins[0], persons, population, count)


class _Found:
    """What is found of contenders, origin by origin, until it can be told."""

    def __init__(self, contenders: list[str], origins: list[str], baseline: str) -> None:
        self.contenders, self.origins, self.baseline = contenders, origins, baseline
        self.repeats: dict[Key, Floats] = {}
        self.gains: dict[tuple[str, str], list[Floats]] = {}
        self.pairs: dict[tuple[str, str], list[tuple[Floats, Floats, Counts]]] = {}
        self.people: dict[tuple[str | None, str | None], int] = {}
        self.judged: dict[str, list[str]] = {name: [] for name in contenders}
        self.notes: list[str] = []

    def hear(self, contender: Contender, holdout: Holdout) -> None:
        """Let a contender learn and forecast at an origin, and hold it against what happened."""
        name, origin = contender.name, holdout.origin
        try:
            forecast = contender.fit(origin.case).forecast(holdout.now).checked(name, len(holdout))
        except CoterieError as error:
            self.notes.append(f"{name} could not be judged at {origin.name}: {error.message}")
            return
        if contender.degraded_:
            self.notes.append(f"{name} at {origin.name}: {contender.degraded_}")
        self.judged[name].append(origin.name)
        for group, people in holdout.sizes():
            self.people[origin.name, group] = people
        with threadpool_limits(1):  # sums over several threads differ in the last digits
            for group, outcome, metric, repeats in holdout.figures(forecast):
                self.repeats[name, origin.name, group, outcome, metric] = repeats
            for outcome, repeats in holdout.gains(forecast):
                self.gains.setdefault((name, outcome), []).append(repeats)
        for outcome, truth, told in holdout.amounts(forecast):
            self.pairs.setdefault((name, outcome), []).append((truth, told, holdout.counts))

    def told(self, origin: Origin, persons: int, population: int, count: int) -> Backtest:
        """Return the figures of each origin, their means, and how contenders stand to the baseline."""
        if not self.judged[self.baseline]:
            raise DataError(
                f"The baseline {self.baseline} could be judged nowhere. {' '.join(self.notes)}",
                hint="name another baseline, or give the columns that it reads.",
            )
        self._mean()
        whole = [name for name in self.contenders if len(self.judged[name]) == len(self.origins)]
        self.notes += [
            f"{name} is left out of the figures over all origins, as it was not judged at each."
            for name in self.contenders
            if name not in whole and self.judged[name]
        ]
        return Backtest(
            self.baseline,
            tuple(self.contenders),
            tuple(self.origins),
            origin.case.horizon_days,
            origin.case.minor_units,
            tuple(self._score(key) for key in sorted(self.repeats, key=self._place)),
            tuple(
                Calibrated(name, outcome, calibration(pairs))
                for (name, outcome), pairs in self.pairs.items()
                if name in whole
            ),
            tuple(
                Gain(name, outcome, TOPS, tuple(_estimate(one) for one in np.mean(repeats, axis=0).T))
                for (name, outcome), repeats in self.gains.items()
                if name in whole
            ),
            self._protocol(origin, persons, population, count),
            tuple(self.notes),
            dict(self.repeats),
        )

    def _mean(self) -> None:
        """Add the means over origins."""
        for group in dict.fromkeys(group for _, group in self.people):
            self.people[None, group] = sum(self.people.get((origin, group), 0) for origin in self.origins)
        for name, group, outcome, metric in dict.fromkeys((key[0], *key[2:]) for key in tuple(self.repeats)):
            mean = mean_of(self.repeats, self.contenders, (name, group, outcome, metric), self.origins)
            if mean is not None:
                self.repeats[name, None, group, outcome, metric] = mean

    def _score(self, key: Key) -> Score:
        name, origin, group, outcome, metric = key
        own, base = self.repeats[key], self.repeats.get((self.baseline, *key[1:]))
        compared = base is not None and name != self.baseline and METRICS[metric].better
        difference = _estimate(own - base) if compared and base is not None else None
        return Score(name, origin, group, outcome, metric, self.people[origin, group], _estimate(own), difference)

    def _place(self, key: Key) -> tuple[int, int, str, int]:
        """Return where a figure stands: all origins first, everybody first, contenders and metrics as given."""
        name, origin, group, outcome, metric = key
        at = -1 if origin is None else self.origins.index(origin)
        figure = list(METRICS).index(metric) + len(METRICS) * ("orders", "active", "spend").index(outcome)
        return at, self.contenders.index(name), "" if group is None else f" {group}", figure

    def _protocol(self, origin: Origin, persons: int, population: int, count: int) -> str:
        who = f"{persons:,} people" if persons == population else f"{persons:,} people, sampled from {population:,}"
        names = ", ".join(self.origins)
        said = f"{who}, forecast from {names} for the next {origin.case.horizon_days:g} days. "
        if len(self.origins) > 1:
            said += "Figures over all origins are the means of theirs. "
        return (
            f"{said}Intervals: 95 %, {count} resamples of persons with all that they did. "
            f"Differences: from {self.baseline}, on the same people."
        )


def _estimate(repeats: Floats) -> Estimate:
    return interval(float(repeats[0]), repeats[1:])


def _checked(
    origins: Sequence[Origin], contenders: Sequence[Contender], baseline: str | None, sample: int, count: int
) -> str:
    """Return the name of the baseline, if all that is asked for makes sense."""
    names = [one.name for one in contenders]
    for what, given in (("contenders", names), ("origins", [one.name for one in origins])):
        if not given or len(set(given)) < len(given):
            raise ParameterError.of("backtest", what, given, "at least one, of unlike names")
    if baseline is not None and baseline not in names:
        raise ParameterError.of("backtest", "baseline", baseline, f"one of {', '.join(names)}")
    horizons = {one.case.horizon_days for one in origins}
    if len(horizons) > 1:
        raise ParameterError.of("backtest", "horizon_days", sorted(horizons), "the same at all origins")
    for name, value, least in (("sample", sample, 2), ("count", count, 1)):
        if value < least:
            raise ParameterError.of("backtest", name, value, f"at least {least}")
    for origin in origins:
        if len(origin.case.now) < 2:
            raise TooFewPeopleError.of(f"A backtest at {origin.name}", 2, len(origin.case.now))
        if len(origins) > 1 and _PERSON not in origin.case.now.column_names:
            raise MissingColumnError.of(
                f"The table of people at {origin.name}", [_PERSON], origin.case.now.column_names
            )
    return baseline or names[0]


def _persons(
    origins: Sequence[Origin], sample: int, seed: int
) -> tuple[int, list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]], int]:
    """Return how many persons are judged, for each origin their rows and numbers, and how many persons there are.

    Persons are numbered by their keys, so that the order of rows does not matter.
    """
    tables = [origin.case.now for origin in origins]
    if _PERSON not in tables[0].column_names:
        numbers = [np.arange(len(tables[0]))]
        population = len(tables[0])
    else:
        keys = [table.column(_PERSON).combine_chunks() for table in tables]
        every = pc.unique(pa.concat_arrays(keys))
        every = every.take(pc.sort_indices(every))
        population = len(every)
        numbers = [pc.index_in(key, every).to_numpy(zero_copy_only=False).astype(np.int64) for key in keys]
    kept = np.arange(population)
    if population > sample:
        kept = np.sort(np.random.default_rng(seed).choice(population, sample, replace=False))
    new = np.full(population, -1)
    new[kept] = np.arange(len(kept))
    places = []
    for origin, number in zip(origins, numbers, strict=True):
        if len(np.unique(number)) < len(number):
            raise DataError(
                f"At {origin.name} a person has two rows.", hint="give one row a person, as of the origin's moment."
            )
        rows = np.argsort(number)
        rows = rows[new[number[rows]] >= 0]
        if len(rows) < 2:
            raise TooFewPeopleError.of(f"A backtest at {origin.name}", 2, len(rows), hint="judge a larger sample.")
        places.append((rows.astype(np.int64), new[number[rows]].astype(np.int64)))
    return len(kept), places, population
