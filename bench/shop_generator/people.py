"""The people of a block and the products of the shop: everything about them that stays the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shop_generator.parameters import Parameters

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]


def scramble(key: Keys, salt: int) -> Keys:
    """Return well mixed 64-bit numbers (the finaliser of SplitMix64, Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        z = key + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def mix(key: Keys, salt: int) -> Floats:
    """Return numbers in [0, 1) that are a fixed function of the key."""
    return (scramble(key, salt) >> np.uint64(11)).astype(np.float64) / float(1 << 53)


@dataclass(frozen=True)
class Catalogue:
    """The products, department by department, the popular ones first within each."""

    department: Ints
    price: Floats  # in currency
    popularity: Floats  # share of lines
    single: NDArray[np.bool_]  # always bought by the piece of one (fuel)
    first: Ints  # index of each department's first product
    mass: Floats  # cumulative popularity before each product, with the total at the end

    @classmethod
    def of(cls, p: Parameters, seed: int) -> Catalogue:
        """Draw the products of the shop."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        shares = np.array([d[1] for d in p.departments])
        shares = shares / shares.sum()
        rank = np.arange(1, p.products + 1)
        popularity = rank**-p.popularity * np.exp(-rank / (p.popularity_cut * p.products))
        department = rng.choice(len(shares), p.products, p=shares)
        department[: len(shares)] = np.arange(len(shares))  # none is empty
        order = np.lexsort((rank, department))
        department, popularity = department[order], popularity[order]
        within = np.bincount(department, popularity, len(shares))
        popularity = popularity / within[department] * shares[department]
        price = np.array([d[2] for d in p.departments])[department] * np.exp(
            np.array([d[3] for d in p.departments])[department] * rng.standard_normal(p.products)
        )
        single = np.array([d[0] == "Fuel" for d in p.departments])[department]
        first = np.searchsorted(department, np.arange(len(shares) + 1))
        return cls(
            department, np.round(price, 2), popularity, single, first, np.concatenate([[0.0], popularity.cumsum()])
        )

    def draw(self, department: Ints, within: Floats) -> Ints:
        """Return the product at the quantile ``within`` of each department."""
        low, high = self.mass[self.first[department]], self.mass[self.first[department + 1]]
        found = np.searchsorted(self.mass, low + within * (high - low), side="right") - 1
        return np.clip(found, self.first[department], self.first[department + 1] - 1)


@dataclass(frozen=True)
class People:
    """What one block's people are like; arrays by index within the block."""

    number: Ints  # 0, 1, ... over the whole shop
    key: Keys  # mixes with other numbers into what must be the same each time
    rate: Floats
    leaving: Floats
    spending: Floats
    basket: Floats
    level: Floats
    discounted: Floats
    taste: Floats  # cumulative shares of the departments
    devices: Ints
    shares_device: NDArray[np.bool_]
    opening: Floats
    opted_in: NDArray[np.bool_]

    @classmethod
    def of(cls, p: Parameters, seed: int, block: int, rng: np.random.Generator) -> People:
        """Draw the people of a block; the last block of a shop may have fewer."""
        from shop_generator.purchases import draw_buying

        number = np.arange(block * p.block, min((block + 1) * p.block, p.people))
        n = len(number)
        rate, leaving = draw_buying(p, n, rng)
        spending = rng.gamma(p.gamma_gamma[1], 1.0 / p.gamma_gamma[2], n) if p.gamma_gamma is not None else np.ones(n)
        shares = np.array([d[1] for d in p.departments])
        taste = rng.standard_gamma(np.broadcast_to(p.taste * shares / shares.sum(), (n, len(shares)))) + 1e-12
        precision = p.discounted * (1 - p.discounted) / p.discounted_sd**2 - 1
        return cls(
            number=number,
            key=scramble(number.astype(np.uint64), seed + 1),
            rate=rate,
            leaving=leaving,
            spending=spending,
            basket=p.lines_log_sd_person * rng.standard_normal(n),
            level=p.price_level * rng.standard_normal(n),
            discounted=rng.beta(p.discounted * precision, (1 - p.discounted) * precision, n),
            taste=np.cumsum(taste / taste.sum(axis=1, keepdims=True), axis=1),
            devices=rng.choice(len(p.devices), n, p=p.devices) + 1,
            shares_device=rng.random(n) < p.shared,
            opening=rng.beta(p.opened * p.opened_precision, (1 - p.opened) * p.opened_precision, n),
            opted_in=rng.random(n) < p.opted_in,
        )
