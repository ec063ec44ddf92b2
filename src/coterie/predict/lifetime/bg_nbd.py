"""BG/NBD and its kin: buyers of unlike rates who drop out after purchases; also regular ones, whose gaps are Erlang."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.predict.lifetime import betageometric as law
from coterie.predict.lifetime.grid import Grid
from coterie.predict.lifetime.histories import Floats, Histories, Tuples, coded, distinct
from coterie.predict.lifetime.newton import Likelihood
from coterie.predict.lifetime.parameters import Parameters
from coterie.predict.lifetime.purchasing import PurchaseModel, Simulated
from coterie.predict.lifetime.renewals import moments

Pairs = tuple[Floats, Floats]
_FEWER = 4  # people to a cell of a table by x and T, for the table to pay


class BetaGeometric(PurchaseModel):
    """What BG/NBD, MBG/NBD and their regular kin have in common.

    ``first`` says whether the first purchase can be the last one; ``k_`` how many events of the Poisson process make a
    purchase.
    """

    names = ("r", "alpha", "a", "b")
    moved: ClassVar[dict[str, float]] = {"alpha": -1.0, "a": 1.0, "b": 1.0}
    first: ClassVar[bool]
    k_: int = 1

    def _prepared(self, histories: Histories) -> tuple[Sequence[float], Likelihood]:
        if self.k_ > 1 or histories.covariate_names:
            return super()._prepared(histories)
        grid = Grid(histories, self.first)
        return self._rough(grid.gap, grid.silent, grid.age), lambda theta: grid.summed(np.exp(theta).tolist())

    def _start(self, t: Tuples) -> Sequence[float]:
        people, silent = float(t.count.sum()), float(t.count @ (t.frequency == 0))
        gap = float(t.count @ t.recency) / float(t.count @ t.frequency)
        return self._rough(gap, silent / people, float(t.count @ t.T) / people)

    def _rough(self, gap: float, silent: float, age: float) -> Sequence[float]:
        """Return rough values from the mean gap of those who came back, the share of others, and the mean T."""
        a, b = 0.5, 1.5
        if self.first:  # some were gone at once
            silent = (silent - a / (a + b)) / (1 - a / (a + b))
        # who cannot be gone yet is silent with the probability (α / (α + T))^r
        r = -np.log(min(max(silent, 0.05), 0.99)) / np.log1p(age / gap)
        return min(max(float(r), 0.05), 5.0), gap / self.k_, a, b

    def _likelihood(self, t: Tuples) -> Likelihood:
        return lambda theta: self._summed(self._personal(theta, t), t)

    def _summed(self, p: Parameters, t: Tuples) -> tuple[float, Floats, Floats]:
        value, gradient, hessian = law.timing(p, t.frequency, t.recency, t.T, self.k_, self.first)
        shared = not t.covariates.shape[1]  # the parameters are: special functions are dear, once for each x will do
        place, times = coded(t.frequency) if shared else (np.arange(len(t.T)), t.frequency)
        more = law.counting(p, times, self.k_, self.first)
        slope, square = self._chained(t, gradient + more[1][:, place], hessian + more[2][:, place])
        return float(t.count @ (value + more[0][place])), slope, square

    def _chained(self, t: Tuples, gradient: Floats, hessian: Floats) -> Pairs:
        """Return gradient and Hessian by theta from those by the logarithms of each tuple's own parameters."""
        traits, size = t.covariates.shape[1], len(self.names) + t.covariates.shape[1] * len(self.moved)
        columns, weights = [], []
        for i, name in enumerate(self.names):
            block = len(self.names) + traits * list(self.moved).index(name) if name in self.moved else 0
            columns.append([i, *range(block, block + traits)] if block else [i])
            weights.append(
                np.column_stack([np.ones(len(t.T)), self.moved.get(name, 0.0) * t.covariates][: 1 + bool(block)])
            )
        slope, square = np.zeros(size), np.zeros((size, size))
        for i in range(len(self.names)):
            slope[columns[i]] += weights[i].T @ (t.count * gradient[i])
        for (i, j), bend in zip(law.PAIRS, hessian, strict=True):
            part = weights[i].T @ (weights[j] * (t.count * bend)[:, None])
            square[np.ix_(columns[i], columns[j])] += part
            if i != j:
                square[np.ix_(columns[j], columns[i])] += part.T
        return slope, square

    def _log_likelihoods(self, p: Parameters, t: Tuples) -> Floats:
        value = law.timing(p, t.frequency, t.recency, t.T, self.k_, self.first)[0]
        return value + law.counting(p, t.frequency, self.k_, self.first)[0]

    def _alive(self, p: Parameters, t: Tuples) -> Floats:
        return law.alive(p, t.frequency, t.recency, t.T, self.k_, self.first)

    def _waiting(self, p: Parameters, t: Tuples) -> Floats:
        """Return the probability to be alive with j = 0 … k-1 events since the last purchase: shape (k, m)."""
        r, alpha, _, _ = p
        weights = np.array(law.phases(r + self.k_ * t.frequency, (t.T - t.recency) / (alpha + t.T), self.k_))
        return np.asarray(weights / weights.sum(axis=0) * self._alive(p, t))

    def _moments(self, p: Parameters, t: Tuples, horizon: Any, *, mean_alone: bool = False) -> Pairs:
        """Return E[X] and E[X(X-1)] of the orders in the horizon: each of shape (m,)."""
        columns = np.column_stack(np.broadcast_arrays(*p, t.frequency, t.T, horizon))
        if np.ndim(horizon) or t.covariates.shape[1]:
            place = np.arange(len(columns))
        else:  # how long ago the last purchase was matters to being alive alone
            place, one = distinct(t.frequency, t.T)
            columns = columns[one]
        r, alpha, a, b, x, T, H = columns.T
        first, second = np.zeros(len(place)), np.zeros(len(place))
        for j, weight in enumerate(self._waiting(p, t)):
            shapes = r + self.k_ * x + j, alpha + T, a, b + x + self.first
            found = moments(*shapes, H, self.k_, j, mean_alone=mean_alone)
            first += weight * found[0][place]
            second += weight * found[1][place]
        return first, second

    def _orders(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        return self._moments(p, t, horizon, mean_alone=True)[0]

    def expected_orders(self, frame: Any, horizon: float | npt.ArrayLike) -> Floats:
        """Return the orders to expect of each person in the horizon: shape (people,); see ``PurchaseModel``."""
        histories = Histories.of(frame, covariates=self._covariates())
        plain = self.k_ == 1 and not self.covariate_names_
        if plain and isinstance(horizon, int | float) and 0 <= horizon < np.inf:
            ages = pa.array(histories.T).dictionary_encode()
            if (histories.frequency.max() + 1) * len(ages.dictionary) <= len(histories) / _FEWER:
                return self._by_table(histories, ages, float(horizon))
        return super().expected_orders(histories, horizon)

    def _by_table(self, h: Histories, ages: pa.DictionaryArray, horizon: float) -> Floats:
        """Return expected orders from a table by x and T: of many people, no two histories need be compared."""
        r, alpha, a, b = (float(value) for value in self._natural(self.theta_))
        age, place = ages.dictionary.to_numpy(), ages.indices.to_numpy()
        x = h.frequency.astype(np.int32)
        times = np.arange(int(x.max()) + 1, dtype=np.float64)
        each, long = np.repeat(times, len(age)), np.tile(alpha + age, len(times))
        table = moments(r + each, long, a, b + each + self.first, horizon, 1, 0, mean_alone=True)[0]
        gone = law.dropped((r, alpha, a, b), times, np.zeros_like(times), np.zeros_like(times), 1, self.first)
        odds = np.log(alpha + age)[place] - np.log(alpha + h.recency)
        odds *= h.frequency + r
        odds += gone[x]
        alive = 1 / (1 + np.exp(np.minimum(odds, 700.0)))
        return np.asarray(table[x * np.int32(len(age)) + place] * alive)

    def _variance(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        mean, second = self._moments(p, t, horizon)
        return np.maximum(second + mean - np.square(mean), 0.0)

    def _active(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        r, alpha, _, _ = p
        total = np.zeros(len(t.T))
        z, stay = horizon / (alpha + t.T + horizon), np.log1p(horizon / (alpha + t.T))
        for j, weight in enumerate(self._waiting(p, t)):
            shape = r + self.k_ * t.frequency + j
            if j == self.k_ - 1:
                total += weight * -np.expm1(-shape * stay)
            else:
                short = np.sum(law.phases(shape, z, self.k_ - j), axis=0) * np.exp(-shape * stay)
                total += weight * np.maximum(1 - short, 0.0)
        return total

    def _simulated(self, p: Parameters, T: Floats, horizon: float, rng: np.random.Generator) -> Simulated:
        r, alpha, a, b = p
        rate, drop = np.asarray(rng.gamma(r) / alpha), np.asarray(rng.beta(a, b))
        people = len(T)
        last, x, orders, log_gaps = np.zeros(people), np.zeros(people), np.zeros(people), np.zeros(people)
        alive, gone = np.ones(people, dtype=bool), np.full(people, np.inf)
        here = rng.random(people) >= drop if self.first else np.ones(people, dtype=bool)
        gone[~here] = 0.0
        now, rows = np.zeros(people), np.flatnonzero(here)
        while len(rows):
            gap = np.asarray(rng.gamma(self.k_, size=len(rows))) / np.maximum(rate[rows], 1e-300)
            now[rows] += gap
            before, within = now[rows] <= T[rows], now[rows] <= T[rows] + horizon
            seen = rows[before]
            x[seen] += 1
            last[seen] = now[seen]
            log_gaps[seen] += np.log(np.maximum(gap[before], 1e-300))
            orders[rows[within & ~before]] += 1
            dropped = within & (rng.random(len(rows)) < drop[rows])
            gone[rows[dropped]] = now[rows[dropped]]
            rows = rows[within & ~dropped]
        alive = gone > T
        unknown = np.full(people, np.nan)
        return Simulated(Histories(x, last, T, unknown, log_gaps, np.empty((people, 0))), orders, alive)


class BGNBD(BetaGeometric):
    """The BG/NBD model: Poisson purchases of rate λ ~ Gamma(r, α); dropout after a repeat purchase, p ~ Beta(a, b).

    Those who bought once are alive for certain; rank by ``active``.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way: an alternative to the Pareto/NBD model;
    covariates: Fader & Hardie (2007), Incorporating time-invariant covariates: α·exp(-γ'z), a·exp(γ'z) and b·exp(γ'z),
    each with a γ of its own.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> people = pa.table({"frequency": [0, 1, 0, 5, 2, 0, 9, 1], "recency": [0.0, 6, 0, 30, 9, 0, 37, 20],
    ...                    "T": [39.0, 38, 37, 36, 39, 35, 38, 34]})
    >>> model = BGNBD().fit(people)
    >>> bool(np.all(model.expected_orders(people, 52) >= model.active(people, 52)))
    True
    """

    first = False


class MBGNBD(BetaGeometric):
    """The MBG/NBD model: as BG/NBD, but the first purchase can be the last one too.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis.
    """

    first = True
