"""The same shop's report with everything that can be told: rules, neighbours, months of migration, a goal, tastes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from coterie.evaluation.intervals import Estimate
from coterie.report.segments import Goal, SegmentReport
from coterie.segments.evidence.validity import CardRow, Comparison, ReportCard
from coterie.segments.relations import Relations
from coterie.segments.surrogate import Surrogate
from coterie.segments.taste import Liking
from coterie.segments.time.migration import Migration, migration
from coterie.segments.words.description import SegmentDescription, Trend
from coterie.segments.words.exemplars import Exemplar, Figure
from coterie.segments.words.fairness import Note
from oracles.journey import FOUND, PEOPLE, card, journey, segment


def members(seed: int = 0) -> tuple[Migration, ...]:
    """Three months in which a third of the people change segment, some leave and some are new."""
    random = np.random.default_rng(seed)
    people, labels = np.arange(PEOPLE), np.repeat(np.arange(6), [row[1] for row in FOUND])
    steps = []
    for month in range(1, 4):
        keeps = random.random(len(people)) > 0.04
        new = np.arange(10_000 * month, 10_000 * month + 160)
        moves = np.where(random.random(len(people)) < 0.33, random.choice([-1, 1, 2], len(people)), 0)
        later = np.append(np.clip(labels + moves, 0, 5)[keeps], random.integers(2, 6, len(new)))
        here = np.append(people[keeps], new)
        before, after = ({"person": who, "segment": of} for who, of in ((people, labels), (here, later)))
        steps.append(migration(pa.table(before), pa.table(after), 6, [row[0] for row in FOUND]))
        people, labels = here, later
    return tuple(steps)


def relations() -> Relations:
    """How the six segments lie to each other; 8 % of the weekly ones would be rare, fewer than 50 people."""
    next_to = (
        (0.0, 0.71, 0.29, 0.0, 0.0, 0.0),
        (0.62, 0.0, 0.0, 0.38, 0.0, 0.0),
        (0.44, 0.0, 0.0, 0.31, 0.25, 0.0),
        (0.0, 0.35, 0.22, 0.0, 0.38, 0.05),
        (0.0, 0.0, 0.2, 0.44, 0.0, 0.36),
        (0.0, 0.0, 0.05, 0.0, 0.95, 0.0),
    )
    return Relations(tuple((1.0,) * 6 for _ in range(6)), next_to, 0.124, (0.1,) * 6, PEOPLE)


def whole(index: int, **changes: Any) -> SegmentDescription:
    """One of the six segments with everything that can be told of it."""
    bare = segment(index)
    typical = tuple(
        Exemplar(
            index,
            0.1 * place,
            tuple(Figure(trait.feature, trait.title, trait.unit, 1.0137 * trait.typical) for trait in bare.traits),
        )
        for place in range(3)
    )
    rule = Surrogate(index, {}, f"Orders in 90 days: more than {index}.", 0.86, 0.79, 0.812, 9)
    lacking = Surrogate(index, None, "", None, 0.0, 0.812, 9)
    trend = Trend(
        "2017-07-01T00:00:00",
        bare.size + 20,
        0.2,
        1,
        0.2,
        f"Since 2017-07-01 it has shrunk from {bare.size + 20} people.",
    )
    note = Note(
        index,
        "age",
        "65+",
        "gathers",
        0.6,
        0.5,
        0.2,
        "People of 65+ are here 2.5 times as often.",
        "People of 65+ are here much more often.",
    )
    extra = {
        "exemplars": typical,
        "rule": lacking if index == 3 else rule,
        "trend": trend,
        "notes": (note,) if index == 2 else (),
    }
    return segment(index, **{**extra, **changes})


def judged() -> ReportCard:
    """The card with other views of the same people, the mix of what is bought, and paired comparisons."""
    plain = card()
    rows = [replace(row, mix=Estimate(0.021, 0.015, 0.028), silhouette=0.21 if row.k else None) for row in plain.rows]
    views = [
        CardRow(
            name, "view", 6, Estimate(0.2, 0.1, 0.3), Estimate(0.6, 0.5, 0.7), 160, "", Estimate(0.01, 0.0, 0.02), 0.18
        )
        for name in ("Engagement", "Demographics", "Combined")
    ]
    gap = Comparison(
        "spend",
        "equal parts",
        "k-means",
        6,
        "Spend in 6 equal parts",
        6,
        Estimate(-0.01, -0.019, 0.004),
        0.02,
        "not inferior",
    )
    notes = ("Silhouette says how far apart groups lie, not whether they mean anything.",)
    return replace(plain, rows=(rows[0], *views, *rows[1:]), comparisons=(gap,), notes=notes)


def everything(**changes: Any) -> SegmentReport:
    """The report with every section that there is."""
    values: dict[str, Any] = {
        "segments": tuple(whole(index) for index in range(6)),
        "card": judged(),
        "relations": relations(),
        "migrations": members(),
        "moments": tuple(datetime(2017, month, 1) for month in (6, 7, 8, 9)),
        "goal": Goal(
            "Spend in the next 91 days",
            "r2",
            Estimate(0.52, 0.48, 0.55),
            ("Orders: more than 3.",) * 6,
            (60_000.0, 5e4, 4e4, 3e4, 2e4, 1e4),
            "money",
        ),
        "likings": tuple((Liking("Produce", 0.2, 0.1, 2.0), Liking("Bakery", 0.14, 0.08, 1.75)) for _ in range(6)),
    }
    return journey(**{**values, **changes})
