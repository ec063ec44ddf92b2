"""Writes ``reference/features.md`` from the catalogue: ``python docs/features_page.py``."""

from __future__ import annotations

from pathlib import Path

from coterie.features import aggregation
from coterie.features.catalog import CATALOG, OUTCOMES
from coterie.features.feature import Feature, relation

PAGE = Path(__file__).parent / "reference" / "features.md"

HEAD = """# Features

<!-- Written by docs/features_page.py from src/coterie/features/catalog.py: change it there. -->

Every shop gets these {count} features. A shop's own are made the same way, see [Features](../explanation/features.md).

* **Units.** `money`: whole minor units (cents) of the shop's currency. `count`: a whole number. `days`: a number of
  days, with fractions. `share`: 0 to 1. `number`: any number. `text`.
* **Moment.** Features are about a person at a moment, `as_of` (naive UTC). A fact counts when it had happened and the
  shop could know it: `occurred_at <= as_of` and `available_at <= as_of`. Who is who is as it was known at that moment.
* **Window.** A window of so many days begins at `floor((as_of - days) / hop) * hop`: hops are one day for windows of
  12 days and more, one hour from 12 hours, else five minutes, aligned to 1970 in UTC. Both ends count.
* **No fact.** Counts are 0, all else is missing.
* **Clock.** Days, weekdays and hours are those of the shop's time zone.

"""

AGGREGATIONS = """## Aggregations

What can be done with the facts that count. Facts whose value is missing do not count; facts at the same moment are
ordered by their id.

"""

RELATIONS = """## Facts and their columns

"""


def cell(text: str) -> str:
    """Return text as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def formula(feature: Feature) -> str:
    """Return what is done with which value."""
    kind, share = feature.aggregation.kind, feature.aggregation
    parts = [part for part in (feature.value, f"over {share.over}" if share.over else "") if part]
    if share.of:
        parts.append(f"where {share.of.sentence()}")
    return f"{kind} {' '.join(parts)}".strip()


def rows(features: list[Feature]) -> list[str]:
    """Return features as a Markdown table."""
    lines = ["| name | title | meaning | unit | of | window |", "|---|---|---|---|---|---|"]
    for feature in features:
        where = f" where {feature.where.sentence()}" if feature.where else ""
        made = f"{formula(feature)}, {feature.on}{where}"
        cells = (f"`{feature.name}`", feature.title, feature.meaning, feature.unit, made, str(feature.window))
        lines.append(f"| {' | '.join(cell(text) for text in cells)} |")
    return [*lines, ""]


def page() -> str:
    """Return the reference of the catalogue."""
    lines = [HEAD.format(count=len(CATALOG)), "## The catalogue\n", *rows(list(CATALOG)), "## Outcomes\n"]
    lines += [
        "Features of the future, `as_of < occurred_at <= as_of + days`, here for 90 days; any number of days can be",
        "asked for. They are refused when the shop's data end more than a day before the horizon does.\n",
        *rows([make(90) for make in OUTCOMES]),
    ]
    table = (aggregation.__doc__ or "").split("\n\n")
    lines += [
        AGGREGATIONS + "```text",
        table[1],
        "```",
        "",
        *table[2:3],
        "",
        RELATIONS + "| on | one row is | columns |",
    ]
    lines.append("|---|---|---|")
    for on in ("Order Completed", "Order Line", "Order Refunded", "Product Viewed", "Trait"):
        facts = relation(on)
        shown = f"`{on}`" + (" (and all other kinds of events)" if facts.table == "events" else "")
        lines.append(f"| {shown} | one {facts.row} | {', '.join(f'`{name}`' for name in facts.columns)} |")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
