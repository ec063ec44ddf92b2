"""Visits to the web shop: sessions of views, carts and checkouts, before every web order and many without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shop_generator.parameters import Parameters
from shop_generator.people import Catalogue, Ints, People
from shop_generator.purchases import Lines, Orders, choose_products

KINDS = ("Product Viewed", "Product Added", "Checkout Started")
VIEW, ADD, CHECKOUT = 0, 1, 2


@dataclass(frozen=True)
class Events:
    """Clicks of one block, session by session in the order of time."""

    session: Ints
    person: Ints
    device: Ints  # 0, 1, 2 of the person
    at: Ints  # UTC microseconds
    kind: Ints  # position in KINDS
    product: Ints  # -1 for none
    known: NDArray[np.bool_]  # the person is logged in


def position(counts: Ints) -> Ints:
    """Return 0, 1, 2, ... within each group of the given sizes."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def draw_events(
    p: Parameters, people: People, catalogue: Catalogue, orders: Orders, lines: Lines, rng: np.random.Generator
) -> Events:
    """Return the clicks around the web orders of one block.

    Each web order ends a session. Before it lie sessions without an order, geometric in number so that a share
    ``conversion`` of all sessions has one; some of them leave a cart behind, so that of all carts a share
    ``abandonment`` has no order.
    """
    web = np.flatnonzero(orders.web)
    browsing = rng.geometric(p.conversion, len(web)) - 1
    owner = np.concatenate([web, np.repeat(web, browsing)])  # the order that the session belongs to
    n, buys = len(owner), np.arange(len(owner)) < len(web)
    person = orders.person[owner]
    abandons = p.abandonment / (1 - p.abandonment) * p.conversion / (1 - p.conversion)
    abandoned = ~buys & (rng.random(n) < abandons)

    of_order = np.bincount(lines.order, minlength=len(orders.person))
    bought = np.where(buys, of_order[owner], 0)
    views = bought + 2 + np.exp(p.views[0] + p.views[1] * rng.standard_normal(n)).astype(np.int64)
    views = np.minimum(views, bought + 300)
    adds = np.where(buys, bought, abandoned.astype(np.int64))
    counts = views + adds + buys
    session = np.repeat(np.arange(n), counts)
    place = position(counts)
    begins = (np.cumsum(counts) - counts)[session]

    views_at, bought_at = views[session], bought[session]
    kind = np.where(place < views_at, VIEW, np.where(place < views_at + adds[session], ADD, CHECKOUT))
    # What is bought is viewed and added; other views go by taste; an abandoned cart holds the first thing seen.
    product = np.full(len(session), -1, np.int64)
    first_line = np.cumsum(of_order) - of_order
    mine = (kind != CHECKOUT) & buys[session] & (np.where(kind == VIEW, place, place - views_at) < bought_at)
    which = np.where(kind == VIEW, place, place - views_at)
    product[mine] = lines.product[(first_line[owner][session] + which)[mine]]
    free = (kind == VIEW) & ~mine
    product[free] = choose_products(p, people, catalogue, person[session[free]], rng)
    left = (kind == ADD) & ~mine
    product[left] = product[begins[left]]

    gap = np.exp(np.log(p.view_gap[0]) + p.view_gap[1] * rng.standard_normal(len(session)))
    gap = np.where(place == 0, 0.0, np.minimum(gap, 1_800.0))
    run = np.cumsum(gap)
    since = run - run[begins]
    length = since[np.cumsum(counts) - 1] if n else since
    lead = np.where(buys, length + 60.0, rng.exponential(p.lead_days * 86_400.0, n))
    at = (orders.at[owner] - (lead * 1e6).astype(np.int64))[session] + (since * 1e6).astype(np.int64)
    at = at // 1_000 * 1_000

    used = np.cumsum(np.asarray(p.device_use)[: len(p.devices)])
    reach = used[people.devices[person] - 1]
    device = np.searchsorted(used, rng.random(n) * reach, side="right")
    device = np.minimum(device, people.devices[person] - 1)
    # The neighbour's first device serves a person who shares one (people 2k and 2k+1 are neighbours).
    device = np.where(people.shares_device[person] & (rng.random(n) < 0.5), -1, device)

    logs_in = np.where(buys, ~orders.guest[owner], rng.random(n) < p.login)
    from_start = rng.random(n) < p.login_at_start
    login = np.where(from_start, 0, (rng.random(n) * views).astype(np.int64))
    known = logs_in[session] & (place >= login[session])
    return Events(session, person[session], device[session], at, kind, product, known)
