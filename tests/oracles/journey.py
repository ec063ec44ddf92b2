"""A report as a real shop would get it: k-means on Complete Journey up to 1 October 2017, its figures copied here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from coterie.evaluation.intervals import Estimate
from coterie.report.quality import FileFate, QualityView, Reason
from coterie.report.segments import SegmentReport
from coterie.segments.evidence.validity import CardRow, KEvidence, ReportCard
from coterie.segments.projection import Projection
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription, Trait

AS_OF = datetime(2017, 10, 1)
PEOPLE, SPENT = 2446, 339930867

_TITLES = {
    "recency_days": ("Days since last order", "days", "Whole days from the last order to the day of the report."),
    "orders": ("Orders", "count", "Orders completed, all time."),
    "orders_90d": ("Orders in 90 days", "count", "Orders completed in the last 90 days."),
    "spend_90d": ("Spent in 90 days", "money", "What was paid in the last 90 days, after discounts."),
    "basket_value": ("Basket value", "money", "Mean paid for one order."),
    "basket_lines": ("Products in a basket", "count", "Mean number of lines of one order."),
    "discount_share": ("Bought at a discount", "share", "Discounts as a share of the price before them."),
    "weekend_share": ("Weekend orders", "share", "Share of orders on a Saturday or Sunday, in the shop's time zone."),
    "gap_mean_days": ("Days between orders", "days", "Mean time from one order to the next."),
}
_BASE = (7, 32, 10, 27788, 2630, 8.6, 0.149, 0.314, 7.4)
FOUND: tuple[tuple[str, int, int, tuple[float, ...], tuple[float, ...], str], ...] = (
    (
        "Big-basket families",
        533,
        140573312,
        (4, 49, 16, 73585, 4564, 14.4, 0.141, 0.333, 5.4),
        (-0.51, 0.49, 0.5, 0.77, 0.94, 0.9, -0.15, 0.1, -0.37),
        "They buy for the week: half of their baskets are worth $46 or more.",
    ),
    (
        "Frequent regulars",
        485,
        127323973,
        (2, 98, 34, 73298, 2195, 7.3, 0.147, 0.298, 2.7),
        (-0.82, 1.21, 1.21, 0.76, -0.34, -0.36, -0.06, -0.11, -1.04),
        "They drop in every third day, for a few things at a time.",
    ),
    (
        "Occasional stock-ups",
        364,
        26243026,
        (19, 14, 4, 19386, 4558, 15.5, 0.161, 0.333, 16.3),
        (0.56, -0.73, -0.69, -0.09, 0.95, 1.02, 0.21, 0.05, 0.8),
        "They come seldom and fill the cart when they do.",
    ),
    (
        "Steady small baskets",
        565,
        38275427,
        (7, 32, 11, 19508, 2047, 6.9, 0.162, 0.308, 7.8),
        (-0.17, 0.07, 0.07, -0.02, -0.48, -0.41, 0.22, -0.08, 0.0),
        "They come once a week and spend little, often at a discount.",
    ),
    (
        "Rare small baskets",
        350,
        5898956,
        (23, 10, 3, 3597, 1557, 4.8, 0.133, 0.333, 22.5),
        (0.71, -1.02, -0.93, -0.94, -0.86, -0.94, -0.22, 0.09, 1.23),
        "They come every three weeks for a handful of things.",
    ),
    (
        "Drifted away",
        149,
        1616173,
        (126, 3, 0, 0, 1595, 5.3, 0.138, 0.25, 10.9),
        (2.08, -1.79, -2.11, -2.72, -0.75, -0.77, -0.13, -0.03, -0.13),
        "They ordered three times in spring and not since.",
    ),
)


def segment(index: int, **changes: Any) -> SegmentDescription:
    """One of the six segments."""
    name, size, value, medians, effects, words = FOUND[index]
    traits = [
        Trait(feature, title, unit, median, base, effect)  # type: ignore[arg-type]
        for (feature, (title, unit, _)), median, base, effect in zip(
            _TITLES.items(), medians, _BASE, effects, strict=True
        )
    ]
    values: dict[str, Any] = {
        "segment": index,
        "name": name,
        "size": size,
        "share": size / PEOPLE,
        "value": value,
        "value_share": value / SPENT,
        "sentences": (words, f"{size:,} people, {100 * value / SPENT:.0f} % of what everybody spent."),
        "traits": tuple(sorted(traits, key=lambda trait: -abs(trait.effect))),
    }
    return SegmentDescription(**{**values, **changes})


def card() -> ReportCard:
    """A report card with a model, baselines and the ceiling."""
    rows = (
        ("k-means, 6 segments", "model", 6, (0.531, 0.498, 0.561), (0.861, 0.832, 0.889), 149, ""),
        ("RFM cells", "baseline", 25, (0.497, 0.462, 0.529), (0.842, 0.811, 0.873), 8, "Recency by frequency, fifths"),
        ("Monetary fifths", "baseline", 5, (0.442, 0.41, 0.472), (0.733, 0.69, 0.77), 489, ""),
        ("Random groups", "baseline", 6, (-0.002, -0.004, 0.001), (0.502, 0.455, 0.548), 401, ""),
        (
            "One forecast a person",
            "ceiling",
            None,
            (0.652, 0.62, 0.681),
            (0.902, 0.876, 0.925),
            None,
            "Ridge, logistic",
        ),
    )
    stability = ((0.86, 0.78, 0.93), (0.91, 0.85, 0.95), (0.79, 0.68, 0.88), (0.77, 0.66, 0.86), (0.83, 0.74, 0.9))
    return ReportCard(
        rows=tuple(
            CardRow(method, role, k, Estimate(*r2), Estimate(*auc), smallest, note)  # type: ignore[arg-type]
            for method, role, k, r2, auc, smallest, note in rows
        ),
        stability=(*(Estimate(*one) for one in stability), Estimate(0.94, 0.88, 0.98)),
        as_of=datetime(2017, 7, 3),
        horizon_days=90,
        people=2401,
        protocol="Segments were made of everything up to the day; outcomes lie in the 90 days after it. Resamples of "
        "people: 200 for the figures, 50 for the stability",
        verdict="All six segments hold, and they tell future spend and churn apart better than RFM cells do",
    )


def evidence() -> tuple[KEvidence, ...]:
    """What was found for two to nine segments."""
    jaccards = {
        2: (0.97, 0.95),
        3: (0.93, 0.9, 0.88),
        4: (0.85, 0.9, 0.81, 0.88),
        5: (0.88, 0.84, 0.79, 0.9, 0.77),
        6: (0.86, 0.91, 0.79, 0.77, 0.83, 0.94),
        7: (0.84, 0.72, 0.81, 0.58, 0.66, 0.9, 0.79),
        8: (0.8, 0.55, 0.61, 0.83, 0.47, 0.74, 0.68, 0.88),
        9: (0.7, 0.52, 0.66, 0.81, 0.44, 0.63, 0.59, 0.86, 0.5),
    }
    smallest = {2: 858, 3: 580, 4: 324, 5: 306, 6: 149, 7: 111, 8: 103, 9: 41}
    return tuple(
        KEvidence(
            k,
            found,
            smallest[k],
            20000.0 / k,
            k <= 6,
            "every segment holds" if k <= 6 else f"the least stable segment comes back at {min(found):.2f} only",
        )
        for k, found in jaccards.items()
    )


def projection() -> Projection:
    """Clouds where the real ones lie."""
    generator = np.random.default_rng(20171001)
    middles = ((0.75, 0.9), (1.1, -0.9), (-0.45, 1.15), (-0.05, -0.6), (-1.2, -0.25), (-2.3, 0.1))
    labels = np.repeat(np.arange(6), [533, 485, 364, 565, 350, 149])
    spread = np.array([0.45, 0.5, 0.5, 0.35, 0.5, 0.75])[labels]
    places = np.array(middles)[labels] + generator.normal(size=(len(labels), 2)) * spread[:, None]
    return Projection(
        places[:, 0],
        places[:, 1],
        labels,
        ("more spend, orders and days with an order, fewer days since last order", "more basket value"),
        PEOPLE,
        (0.47, 0.19),
    )


def tree() -> tuple[TreeNode, ...]:
    """A tree with three segments split once more; one split is too small to be told."""
    rows: tuple[tuple[int, int | None, float, int, str, int | None], ...] = (
        (0, None, 116.9, 2446, "Everyone", None),
        (1, 0, 71.8, 1915, "Active", None),
        (2, 1, 42.8, 1018, "Big spenders", None),
        (3, 2, 28.0, 533, "Big-basket families", 0),
        (4, 3, 19.0, 301, "More than fifteen products", 0),
        (5, 3, 18.2, 232, "Weekend carts", 0),
        (6, 2, 26.9, 485, "Frequent regulars", 1),
        (7, 6, 17.0, 444, "Every third day", 1),
        (8, 6, 16.4, 41, "Every day", 1),
        (9, 1, 40.1, 897, "Smaller spenders", None),
        (10, 9, 0.0, 565, "Steady small baskets", 3),
        (11, 9, 0.0, 332, "Occasional stock-ups", 2),
        (13, 0, 44.7, 531, "Seldom here", None),
        (14, 13, 0.0, 382, "Rare small baskets", 4),
        (15, 13, 0.0, 149, "Drifted away", 5),
    )
    return tuple(TreeNode(*row) for row in rows)


def quality() -> QualityView:
    """The fates of the demo's rows."""
    months = (118, 109, 124, 117, 126, 121, 125, 127, 116)
    return QualityView(
        files=(
            FileFate("transactions.parquet", 1469307, 1460438, 8869, 0),
            FileFate("products.parquet", 92331, 92331, 0, 0),
            FileFate("demographics.parquet", 801, 801, 0, 0),
            FileFate("coupon_redemptions.parquet", 2102, 2090, 0, 12),
        ),
        reasons=(
            Reason("quantity is 0: nothing was bought", 8869, "error"),
            Reason("quantity above 1,000: fuel sold by volume", 13494, "warning"),
            Reason("product is not in the catalogue", 4836, "warning"),
        ),
        volume=tuple((f"2017-{month:02d}", 1000 * rows + 411) for month, rows in enumerate(months, 1)),
        assumptions=(
            "The source does not say when a row became known; it was assumed to be known when it happened",
            "Demographics carry no date; they are used as if they had always been so",
        ),
        people=2469,
        identity_rate=1.0,
    )


def journey(**changes: Any) -> SegmentReport:
    """The whole report, with changes."""
    values: dict[str, Any] = {
        "shop": "Complete Journey",
        "currency": "USD",
        "as_of": AS_OF,
        "created": datetime(2026, 11, 22, 16, 40),
        "method": "k-means on nine features, logarithms of amounts and counts, scaled to equal spread; k was chosen by "
        "stability",
        "people": PEOPLE,
        "segments": tuple(segment(index) for index in range(6)),
        "card": card(),
        "evidence": evidence(),
        "projection": projection(),
        "tree": tree(),
        "quality": quality(),
        "features": tuple((name, title, meaning) for name, (title, _, meaning) in _TITLES.items()),
        "provenance": {"Model": "segments-3f9a1c", "Features": "9d0c51aa", "coterie": "0.1.0"},
    }
    return SegmentReport(**{**values, **changes})
