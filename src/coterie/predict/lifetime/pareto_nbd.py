"""The Pareto/NBD model: people buy at their own rates until they drop out, at any time, unseen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, exprel, gammaln, polygamma

from coterie.errors import ConvergenceError
from coterie.predict.lifetime.dropout import dropout_times
from coterie.predict.lifetime.histories import Floats, Histories, Tuples
from coterie.predict.lifetime.limits import Limit, maximise_or_limit
from coterie.predict.lifetime.newton import Likelihood, Optimum, maximise
from coterie.predict.lifetime.parameters import Parameters
from coterie.predict.lifetime.purchasing import PurchaseModel, Simulated

_MANY = 1e6  # as good as infinite
_FAR = 6.0  # e-folds between a start and where it comes from
_FEW = 1000  # tuples from which a start is learnt
_PLACE = {pair: place for place, pair in enumerate((i, j) for i in range(4) for j in range(i, 4))}


class ParetoNBD(PurchaseModel):
    """Purchases until an unseen dropout, which can happen at any time (Pareto/NBD).

    While a customer, a person buys as a Poisson process of rate lambda; the time as a customer is exponential of rate
    mu. Over people lambda is Gamma(r, alpha) and mu is Gamma(s, beta), independent of each other. Unlike in BG/NBD,
    who bought only once may have dropped out as well, so that ``alive`` means what it says.

    The integral over the time of dropout is done by quadrature (see ``dropout_times``), which is exact to 12 digits for
    any parameters and for hundreds of purchases, and brings the gradient and the Hessian along.

    Where the data hold no sign of a difference between people, or of dropout, the likelihood has no maximum: it rises
    while parameters run to infinity or 0. The fit is then that of the limit, ``warning_`` says which, and what is
    fixed in the limit has a standard error of 0.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting your customers: who are they and what will they do next?; Fader &
    Hardie (2005), A note on deriving the Pareto/NBD model and related expressions; Fader, Hardie & Lee (2005), A note
    on implementing the Pareto/NBD model in MATLAB; for covariates Fader & Hardie (2007), Incorporating time-invariant
    covariates into the Pareto/NBD and BG/NBD models.

    Examples
    --------
    >>> import pyarrow as pa
    >>> shop = {"frequency": [0, 1, 2, 9, 4, 0], "recency": [0, 4, 20, 38, 9, 0], "T": [39, 38, 37, 39, 30, 33]}
    >>> people = pa.table({name: values * 20 for name, values in shop.items()})
    >>> model = ParetoNBD().fit(people)
    >>> model.active(people, 10.0)[:5].round(2).tolist()
    [0.01, 0.01, 0.18, 0.76, 0.04]
    """

    names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    moved: ClassVar[Mapping[str, float]] = {"alpha": -1.0, "beta": -1.0}

    def _start(self, t: Tuples) -> Sequence[float]:
        rate = float(t.count @ t.frequency / (t.count @ t.T))
        # customers buy faster than the average person, of whom some no longer are customers
        rough = (0.6, 0.36 / rate, 0.6, 0.4 * float(t.count @ t.T / t.count.sum()))
        if len(t.T) < 2 * _FEW:
            return rough
        some = slice(None, None, len(t.T) // _FEW)  # of all kinds, as tuples are sorted
        few = Tuples(
            t.frequency[some], t.recency[some], t.T[some], t.covariates[some, :0], t.count[some], t.inverse[:0]
        )
        try:
            found = np.exp(maximise(self._likelihood(few), np.log(rough), self.names).theta)
        except ConvergenceError:
            return rough
        run_away = np.abs(np.log(found / rough)).max() > _FAR
        return rough if run_away else [float(value) for value in found]

    def _likelihood(self, t: Tuples) -> Likelihood:
        return _Likelihood(t, self.moved)

    def _maximum(self, likelihood: Likelihood, start: Floats, names: Sequence[str]) -> Optimum:
        return maximise_or_limit(likelihood, start, names, _limits(start), own=len(self.names))

    def _log_likelihoods(self, p: Parameters, t: Tuples) -> Floats:
        r, alpha, _, _ = p
        total, _ = _mixed(p, t)
        return np.asarray(gammaln(r + t.frequency) - gammaln(r) - t.frequency * np.log(alpha) + total)

    def _alive(self, p: Parameters, t: Tuples) -> Floats:
        return _mixed(p, t)[1]

    def _orders(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        r, alpha, s, beta = p
        grown = np.log1p(horizon / (beta + t.T))
        time = (beta + t.T) * grown * exprel((1 - s) * grown)  # expected time as a customer in the horizon
        return np.asarray(self._alive(p, t) * (r + t.frequency) / (alpha + t.T) * time)

    def _active(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        r, alpha, s, beta = p
        n, later = r + t.frequency, alpha + t.T
        # the first purchase after T, of a customer at T, comes at a time of this density
        found = np.zeros(len(n))
        for part in dropout_times(later, beta + t.T, n + 1, s, 0.0, horizon):
            found[part.rows] = np.exp(part.log_mass).sum(axis=0)
        return np.asarray(np.minimum(self._alive(p, t) * n / later * found, 1.0))

    def _variance(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        r, alpha, s, beta = p
        n, rate, until = r + t.frequency, 1 / (alpha + t.T), beta + t.T
        alive, grown = self._alive(p, t), np.log1p(horizon / until)
        first, second = (grown * exprel((power - s) * grown) for power in (1, 2))
        mean = alive * n * rate * until * first
        squared_time = 2 * until**2 * np.maximum(second - first, 0)  # expected square of the time as a customer
        return np.asarray(np.maximum(mean + alive * n * (n + 1) * rate**2 * squared_time - mean**2, 0.0))

    def _simulated(self, p: Parameters, T: Floats, horizon: float, rng: np.random.Generator) -> Simulated:
        r, alpha, s, beta = (np.asarray(value) for value in p)
        rate, dropout = rng.gamma(r, 1 / alpha), rng.gamma(s, 1 / beta)
        with np.errstate(divide="ignore"):
            life = rng.standard_exponential(len(T)) / dropout
        x = rng.poisson(rate * np.minimum(life, T)).astype(np.float64)
        last = np.minimum(life, T) * rng.random(len(T)) ** (1 / np.maximum(x, 1))  # the latest of x uniform times
        orders = rng.poisson(rate * np.clip(life - T, 0, horizon)).astype(np.float64)
        unknown = np.full(len(T), np.nan)
        histories = Histories(x, np.where(x > 0, last, 0.0), T, unknown, unknown, np.empty((len(T), 0)))
        return Simulated(histories, orders, life > T)


def _limits(start: Floats) -> list[Limit]:
    """Return the limits of the model, simplest first."""
    log_r, log_alpha, log_s, log_beta = (float(value) for value in start[:4])
    many = math.log(_MANY)
    unused = dict.fromkeys(range(4 + (len(start) - 4) // 2, len(start)), 0.0)  # nothing moves the dropout of nobody
    lasting = Limit(
        {2: -1.5 * many, 3: log_beta, **unused},
        {},
        "nobody is seen to drop out, so that everybody stays for good (s = 0)",
    )
    leaving = Limit(
        {2: many}, {3: many + log_beta - log_s}, "people do not differ in how fast they drop out (s, beta infinite)"
    )
    split = Limit({3: log_beta - 60}, {2: -4.0}, "people leave at once or not at all (s, beta near 0)")
    buying = Limit(
        {0: many}, {1: many + log_alpha - log_r}, "people do not differ in how often they buy (r, alpha infinite)"
    )
    return [lasting.of(buying), leaving.of(buying), lasting, split.of(buying), buying, split, leaving]


class _Part(NamedTuple):
    """Some tuples, and what is known afterwards of when their people dropped out, if they have; see ``Nodes``."""

    rows: npt.NDArray[np.int64]
    times: Floats
    log_alpha: Floats
    log_beta: Floats
    shares: Floats  # posterior, of the times of dropout
    alive: Floats  # posterior, of being alive
    total: Floats  # log of the sum of what they weigh


def _parts(p: Parameters, t: Tuples) -> Iterator[_Part]:
    """Yield, some tuples at a time, the posterior of when a person dropped out, or has not.

    The likelihood is Gamma(r + x) / Gamma(r) alpha^-x times a sum: (1 + T/alpha)^-(r+x) (1 + T/beta)^-s for who is
    alive at T, and s/beta times the integral of (1 + u/alpha)^-(r+x) (1 + u/beta)^-(s+1) from t_x to T.
    """
    r, alpha, s, beta = p
    n, end = r + t.frequency, np.maximum(t.T, t.recency)
    staying = -n * np.log1p(end / alpha) - s * np.log1p(end / beta)
    factor = np.broadcast_to(np.log(s / beta), end.shape)
    for part in dropout_times(alpha, beta, n, s + 1, t.recency, end):
        rows, mass, stay = part.rows, part.log_mass, staying[part.rows]
        mass += factor[rows]
        top = np.maximum(mass.max(axis=0), stay)
        mass -= top
        np.exp(mass, out=mass)
        stay = np.exp(stay - top)
        total = mass.sum(axis=0) + stay
        mass /= total
        yield _Part(rows, part.times, part.log_alpha, part.log_beta, mass, stay / total, np.log(total) + top)


def _mixed(p: Parameters, t: Tuples) -> tuple[Floats, Floats]:
    """Return the log of the sum and the probability of being alive: each of shape (m,)."""
    total, alive = np.empty(len(t.T)), np.empty(len(t.T))
    for part in _parts(p, t):
        total[part.rows], alive[part.rows] = part.total, part.alive
    return total, alive


class _Likelihood:
    """The log-likelihood of log r, log alpha, log s, log beta and coefficients of covariates, with its derivatives."""

    def __init__(self, t: Tuples, moved: Mapping[str, float]) -> None:
        self.t = t
        self.distinct, self.place = np.unique(t.frequency, return_inverse=True)
        traits = t.covariates.shape[1]
        # a parameter of theta moves the logarithm of one of the four by as much, or by a covariate
        self.moves: list[tuple[int, Floats | None]] = [(i, None) for i in range(4)]
        for name, sign in moved.items():
            self.moves += [(ParetoNBD.names.index(name), sign * t.covariates[:, i]) for i in range(traits)]

    def __call__(self, theta: Floats) -> tuple[float, Floats, Floats]:
        logs: list[Any] = [0.0] * 4
        for (place, trait), value in zip(self.moves, theta, strict=True):
            logs[place] = logs[place] + (value if trait is None else value * trait)
        r, alpha, s, beta = (np.exp(log) for log in logs)
        size = self.t.T.shape
        value, slopes, bends = self._own(float(r), np.broadcast_to(alpha, size), float(s), np.broadcast_to(beta, size))
        weigh = [self.t.count if trait is None else self.t.count * trait for _, trait in self.moves]
        gradient = np.array([weight @ slopes[i] for weight, (i, _) in zip(weigh, self.moves, strict=True)])
        hessian = np.empty((len(theta), len(theta)))
        for row, (i, _) in enumerate(self.moves):
            for column, (j, trait) in enumerate(self.moves[: row + 1]):
                bend = bends[_PLACE[min(i, j), max(i, j)]]
                both = weigh[row] @ (bend if trait is None else bend * trait)
                hessian[row, column] = hessian[column, row] = both
        return float(self.t.count @ value), gradient, hessian

    def _own(self, r: float, alpha: Floats, s: float, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return each tuple's log-likelihood (m,), gradient (4, m) and Hessian (10, m) in the four logarithms."""
        t, grown = self.t, r + self.distinct
        log_gamma = gammaln(grown) - gammaln(r)
        slope = r * (digamma(grown) - digamma(r))
        bend = slope + r**2 * (polygamma(1, grown) - polygamma(1, r))
        n, end = r + t.frequency, np.maximum(t.T, t.recency)
        value, live = np.empty(len(end)), np.empty(len(end))
        means, squares = np.empty((4, len(end))), np.empty((10, len(end)))
        for part in _parts((r, alpha, s, beta), t):
            k = part.rows
            value[k], live[k] = part.total, part.alive
            # what the logarithm of the weight of a time of dropout is linear in, when it is differentiated
            known = [part.log_alpha, part.times / (alpha[k] + part.times)]
            known += [part.log_beta, part.times / (beta[k] + part.times)]
            for i, one in enumerate(known):
                weighed = part.shares * one
                means[i, k] = weighed.sum(axis=0)
                for j in range(i, 4):
                    squares[_PLACE[i, j], k] = np.einsum("jk,jk->k", weighed, known[j])
        died = 1 - live
        last = [np.log1p(end / alpha), end / (alpha + end), np.log1p(end / beta), end / (beta + end)]
        # first derivatives are a * known + b for who has dropped out, and c * last for who has not
        a, b, c = (-r, n, -s, s + 1), (0, 0, 1, -1), (-r, n, -s, s)
        gone, stays = [a[i] * means[i] for i in range(4)], [c[i] * last[i] for i in range(4)]
        stay = [live * one for one in stays]
        slopes = np.stack([gone[i] + b[i] * died + stay[i] if b[i] else gone[i] + stay[i] for i in range(4)])
        bends = squares
        curved = n * (means[1] - squares[_PLACE[1, 1]]), (s + 1) * (means[3] - squares[_PLACE[3, 3]])
        for (i, j), place in _PLACE.items():
            one = bends[place]
            one *= a[i] * a[j]
            one += stay[i] * stays[j]
            if b[j]:
                one += b[j] * gone[i]
            if b[i]:
                one += b[i] * (gone[j] + b[j] * died)
            one -= slopes[i] * slopes[j]
        # the logarithms are curved themselves
        bends[_PLACE[0, 0]] += slopes[0]
        bends[_PLACE[0, 1]] += r / n * slopes[1]
        bends[_PLACE[1, 1]] -= curved[0] + stay[1] * (1 - last[1])
        bends[_PLACE[2, 2]] += slopes[2] - died
        bends[_PLACE[2, 3]] += s * means[3] + stay[3]
        bends[_PLACE[3, 3]] -= curved[1] + stay[3] * (1 - last[3])
        value += log_gamma[self.place] - t.frequency * np.log(alpha)
        slopes[0] += slope[self.place]
        slopes[1] -= t.frequency
        bends[0] += bend[self.place]
        return value, slopes, bends
