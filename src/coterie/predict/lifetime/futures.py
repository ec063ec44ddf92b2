"""Possible futures: how many orders each person may yet place, drawn from what a model knows of the person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv, ndtri

from coterie.errors import ParameterError
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.purchasing import PurchaseModel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
POINTS = 512
_BLOCK = 1 << 14  # people at a time, so that a future of all of them stays in the cache
_ANY = 1 << 30  # orders, more than anybody places
_FAR = 1 << 8  # arrivals that are counted one by one; above, their number is normal
_GAMMA, _LIFE, _STAY, _KIND, _NU, _SUM, _FIRST, _MORE = range(8)  # what each dimension of a point decides


class Futures(NamedTuple):
    """A block of people in each of the futures in which they still are customers.

    Parameters
    ----------
    rows
        Which people these are.
    orders
        Their orders in the horizon: int64 of shape (POINTS, people).
    """

    rows: slice
    orders: Ints


@cache
def points() -> Floats:
    """Return the points of a scrambled Sobol sequence that stand for all chance: shape (dimensions, POINTS).

    Every person meets the same points, so that nobody's answer depends on who else is asked about, on their order or
    on a seed; and as the points lie evenly, 512 of them do what many more drawn at random would.
    """
    from scipy.stats import qmc

    found = qmc.Sobol(8, scramble=True, rng=np.random.default_rng(20)).random(POINTS).T
    return np.ascontiguousarray(np.clip(found, 1e-9, 1 - 1e-9))


@cache
def _arrivals() -> Floats:
    """Return, for each point, the times of the arrivals of a Poisson process of rate 1: shape (POINTS, _FAR)."""
    gaps = np.random.default_rng(21).standard_exponential((POINTS, _FAR))
    gaps[:, 0] = -np.log1p(-points()[_FIRST])
    gaps[:, 1] = -np.log1p(-points()[_MORE])
    return np.cumsum(gaps, axis=1)


def drawn(model: PurchaseModel, people: Histories, horizon: float) -> Iterator[Futures]:
    """Yield, for some people at a time, their orders in the horizon in each future in which they are customers still.

    Given that a person is still a customer, what the history tells of the rate is Gamma(r + k x + j, alpha + T), where
    j of the k events that make a purchase have passed; and of the dropout, which is independent of it, Beta(a, b + x)
    a purchase, or Gamma(s, beta + T) a unit of time. Each future takes a rate, a dropout and the arrivals of a Poisson
    process from one point of ``points``. Exact but for the number of points.

    Parameters
    ----------
    model
        Any of the models of this room, fitted.
    people
        Histories; best the distinct ones.
    horizon
        In the unit of T.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way; Reutterer, Platzer & Schröder (2021),
    Leveraging purchase regularity for predicting customer behavior the easy way; Schmittlein, Morrison & Colombo
    (1987), Counting your customers: who are they and what will they do next?
    """
    p = personal(model, people)
    k = int(getattr(model, "k_", 1))
    if set(p) == {"r", "alpha", "s", "beta"}:
        stay, staying = _until_dropout(p, people, horizon), None
    elif set(p) == {"r", "alpha", "a", "b"}:
        stay, staying = None, _orders_left(p, people, bool(getattr(model, "first", False)))
    else:
        raise ParameterError.of("Futures", "the model", type(model).__name__, "a model of purchases of this room")
    x, kind = _codes(people.frequency)
    r = float(p["r"])  # which no model lets covariates move
    shapes = r + k * x[:, None] + np.arange(k)
    u = points()
    rates = gammaincinv(shapes.ravel()[None], u[_GAMMA][:, None])  # of alpha + T = 1: (POINTS, distinct x times k)
    later = people.T + p["alpha"]
    phase = _phases(r + k * people.frequency, (people.T - people.recency) / later, k)
    for start in range(0, len(people), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(people)))
        code, scale = kind[rows] * k, 1 / later[rows]
        found = np.empty((POINTS, rows.stop - start), dtype=np.int64)
        for i in range(POINTS):
            passed = np.zeros(len(code), dtype=np.int64)
            for limit in phase[:-1]:
                passed += u[_KIND, i] > limit[rows]
            time = horizon if stay is None else stay(i, rows)
            events = _counted(i, rates[i][code + passed] * scale * time)
            orders = events if k == 1 else (events + passed) // k
            found[i] = orders if staying is None else np.minimum(orders, staying(i, rows))
        yield Futures(rows, found)


def personal(model: PurchaseModel, people: Histories) -> dict[str, Floats]:
    """Return the model's own parameters: of shape (), or (people,) of those that covariates move."""
    values = model.parameters_
    found: dict[str, Floats] = {name: np.asarray(values[name]) for name in model.names}
    traits = (people.covariates - model.centre_) / model.scale_
    for name, sign in model.moved.items():
        for place, trait in enumerate(model.covariate_names_):
            found[name] = found[name] * np.exp(sign * values[f"{name}:{trait}"] * traits[:, place])
    return found


def spends(p: float, q: float, bought: Floats) -> Callable[[int, slice, Ints], Floats]:
    """Return a function of a point, rows and their orders to what these orders are worth, over v + x m of each person.

    A person's nu is Gamma(q + p x, v + x m), and n orders together are Gamma(p n, nu).
    """
    u = points()
    x, kind = _codes(bought)
    nu = gammaincinv((q + p * x)[None], u[_NU][:, None])
    sums = [np.zeros((POINTS, 1))]
    deviation = ndtri(u[_SUM])

    def worth(i: int, rows: slice, orders: Ints) -> Floats:
        most = min(int(orders.max(initial=0)), _FAR)
        if most >= (known := sums[0].shape[1]):
            more = gammaincinv(p * np.arange(known, most + 1)[None], u[_SUM][:, None])
            sums[0] = np.concatenate([sums[0], more], axis=1)
        found: Floats = sums[0][i][np.minimum(orders, most)]
        if (far := orders > most).any():
            found[far] = _wide_gamma(p * orders[far], deviation[i])
        return np.asarray(found / nu[i][kind[rows]])

    return worth


def _until_dropout(p: dict[str, Floats], people: Histories, horizon: float) -> Callable[[int, slice], Floats]:
    """Return how much of the horizon each person remains a customer in a future: a Lomax time, cut off."""
    until, u = people.T + p["beta"], points()[_LIFE]

    def remaining(i: int, rows: slice) -> Floats:
        with np.errstate(over="ignore"):  # beyond all times
            return np.asarray(np.minimum(until[rows] * np.expm1(-np.log1p(-u[i]) / p["s"]), horizon))

    return remaining


def _orders_left(p: dict[str, Floats], people: Histories, first: bool) -> Callable[[int, slice], Ints]:
    """Return how many orders each person has left in a future: the last of them is followed by dropout."""
    a, b = (_near(p[name]) for name in ("a", "b"))
    later = b + people.frequency + first
    if a.ndim:
        distinct, kind = np.unique(np.stack([a, later], axis=1), axis=0, return_inverse=True)
        kind = kind.ravel()
    else:
        alone, kind = _codes(later)
        distinct = np.stack([np.full(len(alone), a), alone], axis=1)
    u = points()
    table = np.empty((POINTS, len(distinct)), dtype=np.int32)
    for start in range(0, len(distinct), _BLOCK >> 2):
        some = distinct[start : start + (_BLOCK >> 2)].T
        chance = betaincinv(some[0][None], some[1][None], u[_LIFE][:, None])
        with np.errstate(divide="ignore", over="ignore"):  # who never drops out has any number left
            left = 1 + np.floor(np.log(u[_STAY])[:, None] / np.log1p(-np.minimum(chance, 1 - 1e-16)))
        table[:, start : start + some.shape[1]] = np.minimum(left, _ANY)
    return lambda i, rows: np.asarray(table[i][kind[rows]])


def _near(value: Floats) -> Floats:
    """Return a parameter, to within a hundredth where covariates give everybody their own: quantiles are dear."""
    return np.asarray(np.exp(np.round(np.log(value) * 50) / 50)) if value.ndim else value


def _phases(n: Floats, z: Floats, k: int) -> list[Floats]:
    """Return the chance that at most j of k events have passed since the last purchase, j = 0 … k - 1."""
    weight = [np.ones_like(z)]
    for j in range(k - 1):
        weight.append(weight[-1] * (n + j) * z / (j + 1))
    whole = np.cumsum(weight, axis=0)
    return list(whole / whole[-1])


def _counted(i: int, mean: Floats) -> Ints:
    """Return how many arrivals a point's process of rate 1 has up to a time."""
    times = _arrivals()[i]
    found = np.searchsorted(times, mean, side="right").astype(np.int64)
    if (far := mean > times[-1]).any():
        found[far] = np.rint(_wide_gamma(mean[far], float(ndtri(points()[_FIRST, i])))).astype(np.int64)
    return found


def _wide_gamma(shape: Any, deviation: float) -> Floats:
    """Return a quantile of a gamma distribution of a large shape (Wilson & Hilferty 1931)."""
    return np.asarray(shape * (1 - 1 / (9 * shape) + deviation / (3 * np.sqrt(shape))) ** 3)


def _codes(values: Any) -> tuple[Floats, Ints]:
    distinct, place = np.unique(values, return_inverse=True)
    return distinct, place.astype(np.int64)
