"""Newsletters: delivered, opened, clicked, and the people who have enough of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_generator.parameters import Parameters
from shop_generator.people import Ints, People
from shop_generator.visits import position

KINDS = ("Email Delivered", "Email Opened", "Email Link Clicked", "Unsubscribed")
DAY = 86_400_000_000


@dataclass(frozen=True)
class Mails:
    """E-mail events of one block, by person."""

    person: Ints
    campaign: Ints
    at: Ints
    kind: Ints  # position in KINDS


def draw_mails(p: Parameters, people: People, joined: Ints, begin: int, end: int, rng: np.random.Generator) -> Mails:
    """Return the e-mails to those who opted in, from the day they joined until they unsubscribe.

    ``joined`` is each person's first order in UTC microseconds, or a moment at or after ``end`` for who has none.
    """
    step = p.campaign_days * DAY
    first = np.maximum((joined - begin) // step + 1, 0)
    last = (end - begin - 1) // step  # campaigns are sent at begin + k * step + 15 hours
    stays = rng.geometric(p.unsubscribed, len(joined))
    possible = np.maximum(last - first, 0)
    counts = np.where(people.opted_in & (joined < end), np.minimum(possible, stays), 0)
    person = np.repeat(np.arange(len(joined)), counts)
    place = position(counts)
    campaign = first[person] + place
    n = len(person)
    sent = begin + campaign * step + 15 * 3_600_000_000 + (rng.random(n) * 1.8e9).astype(np.int64)
    delivered = rng.random(n) >= p.bounced
    opened = delivered & (rng.random(n) < people.opening[person])
    clicked = opened & (rng.random(n) < p.clicked / p.opened)
    left = delivered & (place + 1 == stays[person])
    read = sent + (np.exp(8.5 + 1.6 * rng.standard_normal(n)) * 1e6).astype(np.int64)  # median 1.4 hours, A
    parts = [
        (delivered, sent, 0),
        (opened, read, 1),
        (clicked, read + 20_000_000, 2),
        (left, read + 45_000_000, 3),
    ]
    chosen = [np.flatnonzero(mask & (at < end)) for mask, at, _ in parts]
    kind = np.concatenate([np.full(len(i), code) for i, (_, _, code) in zip(chosen, parts, strict=True)])
    index = np.concatenate(chosen)
    at = np.concatenate([at[i] for i, (_, at, _) in zip(chosen, parts, strict=True)])
    order = np.lexsort((kind, at, person[index]))
    index = index[order]
    return Mails(person[index], campaign[index], at[order] // 1_000_000 * 1_000_000, kind[order])
