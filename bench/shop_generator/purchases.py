"""Orders and their lines: when people buy (BG/NBD in the shop's rhythm), what (tastes, favourites) and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from shop_generator.parameters import Parameters
from shop_generator.people import Catalogue, People, mix

WEEK = 604_800_000_000  # microseconds
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rhythm:
    """Turns evenly flowing weeks into moments: months, weekdays and hours in the shop's time zone set the pace."""

    moments: Ints  # UTC microseconds since 1970 at each hour's start, and the end of the period
    elapsed: Floats  # weeks of even flow passed until then

    @classmethod
    def of(cls, p: Parameters) -> Rhythm:
        """Build the hourly pace of the whole period."""
        zone = ZoneInfo(p.timezone)
        first = p.start.replace(tzinfo=zone).astimezone(UTC)
        hours = [first + timedelta(hours=i) for i in range(p.weeks * 168)]
        local = [moment.astimezone(zone) for moment in hours]
        months, weekdays, of_day = (np.asarray(v, float) for v in (p.months, p.weekdays, p.hours))
        pace = (
            (months / months.mean())[[t.month - 1 for t in local]]
            * weekdays[[t.weekday() for t in local]]
            * of_day[[t.hour for t in local]]
        )
        elapsed = np.concatenate([[0.0], np.cumsum(pace)])
        begin = int(first.timestamp()) * 1_000_000
        moments = begin + np.arange(len(elapsed), dtype=np.int64) * 3_600_000_000
        return cls(moments, elapsed * (p.weeks / elapsed[-1]))

    def moment(self, weeks: Floats) -> Ints:
        """Return the UTC microseconds at which so many weeks of even flow have passed."""
        return np.interp(weeks, self.elapsed, (self.moments - self.moments[0]).astype(float)).astype(
            np.int64
        ) // 1_000_000 * 1_000_000 + int(self.moments[0])


@dataclass(frozen=True)
class Orders:
    """Orders of one block, by person and time."""

    person: Ints  # index within the block
    at: Ints  # UTC microseconds
    web: NDArray[np.bool_]
    guest: NDArray[np.bool_]


@dataclass(frozen=True)
class Lines:
    """Order lines, by order."""

    order: Ints
    product: Ints
    quantity: Ints
    amount: Ints  # minor units, paid for the line
    discount: Ints


def draw_buying(p: Parameters, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return each person's order rate (per week) and probability of leaving after an order."""
    return rng.gamma(p.rate_shape, 1.0 / p.rate_scale, n), rng.beta(p.dropout_a, p.dropout_b, n)


def draw_weeks(
    p: Parameters, rate: Floats, leaving: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Return person and time (weeks of even flow) of every order, by person and time.

    A newcomer's first order comes uniformly in the period and is not followed by leaving (as in BG/NBD, where the
    first purchase is given); all later ones come at the person's rate until the person leaves.
    """
    n = len(rate)
    new = rng.random(n) < p.newcomers
    entry = np.where(new, rng.random(n) * p.weeks, 0.0)
    span = p.weeks - entry
    count = rng.poisson(rate * span)
    stays = rng.geometric(np.clip(leaving, 1e-9, 1.0))
    person = np.repeat(np.arange(n), count)
    at = entry[person] + rng.random(len(person)) * span[person]
    order = np.lexsort((at, person))
    person, at = person[order], at[order]
    rank = np.arange(len(person)) - (np.cumsum(count) - count)[person]
    kept = rank < stays[person]
    person = np.concatenate([np.flatnonzero(new), person[kept]])
    at = np.concatenate([entry[new], at[kept]])
    order = np.lexsort((at, person))
    return person[order].astype(np.int64), at[order]


def expected_orders(p: Parameters) -> float:
    """Return the orders a person is expected to make in the period, by a fixed draw of people.

    Given rate λ, probability of leaving q and a span of s weeks it is the mean of the smaller of a Poisson(λs) and a
    geometric(q) number, (1 - exp(-λsq)) / q.
    """
    rng = np.random.default_rng(20_050_415)
    rate, leaving = draw_buying(p, 400_000, rng)
    new = rng.random(len(rate)) < p.newcomers
    span = np.where(new, rng.random(len(rate)), 1.0) * p.weeks
    q = np.maximum(leaving, 1e-9)
    return float(np.mean(new - np.expm1(-rate * span * q) / q))


@lru_cache(maxsize=64)
def log_mean_for(mean: float, sd: float) -> float:
    """Return the log-mean for which floor(lognormal) has the given mean, by bisection on a fixed grid of quantiles."""
    if mean <= 0.0:
        return -50.0
    from scipy.stats import norm

    z = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    low, high = -8.0, 8.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.floor(np.exp(middle + sd * z)).mean() < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def draw_orders(p: Parameters, people: People, rhythm: Rhythm, rng: np.random.Generator) -> Orders:
    """Return all orders of the people of one block."""
    person, weeks = draw_weeks(p, people.rate, people.leaving, rng)
    n = len(person)
    web = rng.random(n) < p.online
    return Orders(person, rhythm.moment(weeks), web, rng.random(n) < p.guests)


def choose_products(
    p: Parameters, people: People, catalogue: Catalogue, person: Ints, rng: np.random.Generator
) -> Ints:
    """Return one product for each given person: a favourite, else a draw by the person's taste and popularity."""
    n = len(person)
    by_department, within = rng.random(n), rng.random(n)
    slot = rng.geometric(1.0 / p.favourites, n)
    loyal = np.flatnonzero(rng.random(n) < p.loyalty)
    # A favourite is not kept anywhere: it is what the same two numbers give each time for (person, slot).
    key = people.key[person[loyal]] + slot[loyal].astype(np.uint64)
    by_department[loyal], within[loyal] = mix(key, 1), mix(key, 2)
    department = np.zeros(n, np.int64)
    for column in range(people.taste.shape[1] - 1):
        department += by_department >= people.taste[:, column][person]
    return catalogue.draw(department, within)


def draw_lines(p: Parameters, people: People, catalogue: Catalogue, orders: Orders, rng: np.random.Generator) -> Lines:
    """Return the lines of the orders; amounts are whole minor units."""
    n = len(orders.person)
    within = (p.lines_log_sd**2 - p.lines_log_sd_person**2) ** 0.5
    size = 1 + np.exp(p.lines_log_mean + people.basket[orders.person] + within * rng.standard_normal(n)).astype(
        np.int64
    )
    order = np.repeat(np.arange(n), np.minimum(size, 500))
    person = orders.person[order]
    product = choose_products(p, people, catalogue, person, rng)
    m = len(order)
    quantity = np.where(rng.random(m) < p.quantity_more, 1 + rng.geometric(1.0 - p.quantity_next, m), 1)
    quantity = np.where(catalogue.single[product], 1, quantity)
    depth = np.where(rng.random(m) < people.discounted[person], rng.beta(*p.discount_depth, m), 0.0)
    full = catalogue.price[product] * quantity * np.exp(people.level[person])
    paid = full * (1.0 - depth)
    if p.gamma_gamma is not None:
        value = rng.gamma(p.gamma_gamma[0], 1.0, n) / people.spending[orders.person]
        factor = (value / np.bincount(order, paid, n))[order]
        full, paid = full * factor, paid * factor
    amount = np.maximum(np.rint(paid * 100.0), 1).astype(np.int64)
    discount = np.maximum(np.rint(full * 100.0).astype(np.int64) - amount, 0)
    return Lines(order, product, quantity.astype(np.int64), amount, np.where(depth > 0, discount, 0))


def utc(microseconds: int) -> datetime:
    """Return a moment as naive UTC."""
    return datetime(1970, 1, 1) + timedelta(microseconds=int(microseconds))
