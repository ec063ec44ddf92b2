"""Writes ``reference/features.md`` from the catalogue: ``python docs/features_page.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

from coterie.features import aggregation, combination, conditions
from coterie.features.catalog import CATALOG, CATALOGS, OUTCOMES
from coterie.features.combination import Declared
from coterie.features.feature import OWNERS, relation
from coterie.features.standard import THEMES
from coterie.features.standard.channels import NAMES
from coterie.features.standard.visits import SITE
from coterie.features.wording import formula, window

PAGE = Path(__file__).parent / "reference" / "features.md"

HEAD = """# Features

<!-- Written by docs/features_page.py from src/coterie/features: change it there. -->

Every shop gets these features: {count} of a person, {goods} of a product, a department, a category, a subcategory
or a brand, {pairs} of a person and one of these. Only those are built whose inputs the shop has; `coterie features`
lists them with what is missing and what would bring it. A shop's own are
[declared beside them](../how-to/add-your-own-features.md). What a feature is, is told in
[Features](../explanation/features.md).

* **Units.** `money`: whole minor units (cents) of the shop's currency. `count`: a whole number. `days`: a number of
  days, with fractions. `share`: 0 to 1; one of two features over each other can leave that where not all facts of one
  are recorded, or fall into the window. `number`: any number. `text`.
* **Moment.** Features are about a person (or product …) at a moment, `as_of` (naive UTC). A fact counts when it had
  happened and the shop could know it: `occurred_at <= as_of` and `available_at <= as_of`. Who is who is as it was known
  at that moment.
* **No fact.** Counts (`count`, `distinct`) are 0, `none` is 1, all else is missing: nobody knows the mean of nothing. A
  sum of nothing is missing, too.
* **Missing values.** A fact whose value is missing does not count for features of that value. A comparison with
  something missing does not hold.
* **Clock.** Days, weekdays (Monday 0 to Sunday 6) and hours are those of the shop's time zone.
* **Refunds.** They are facts at their own time, whichever order they take back. Spend does not have them taken off, net
  spend does.
* **Channels** are what the mappings name them. Shares are told of {channels}.

## Windows

A window begins at `floor((as_of - days) / hop) * hop`, aligned to 1970 in UTC; both ends count. It is never shorter
than it says, and less than one hop longer. So the same value can be kept up event by event and be equal to the one from
all facts.

| window | hop |
|---|---|
| 12 days and more | 1 day |
| 12 hours and more | 1 hour |
| shorter | 5 minutes |
| whole life | none: all facts up to the moment count |
"""

GOODS = """A product is told by `source` and `product_id`; the others by their name. What counts are the facts of
everybody who may be processed: who did it plays no part. Facts are filed under the department, category … that
the product had when they happened.

"""
PAIRS = """A person together with a product, a department, a category, a subcategory or a brand. What counts are the
facts of this person about this one thing. `gap_mean_days` and `overdue_ratio` are of products alone, for an order often
has several lines of a category.

"""
AGGREGATIONS = """## Aggregations

What can be done with the facts that count. Facts whose value is missing do not count; facts at the same moment are
ordered by their id.

"""
COMBINATIONS = """## Combinations

Made of the finished values of two features of the same owner, money rounded to whole minor units.

"""


def cell(text: str) -> str:
    """Return text as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def rows(features: Iterable[Declared]) -> list[str]:
    """Return features as a Markdown table."""
    lines = ["| name | title | meaning | unit | of | window |", "|---|---|---|---|---|---|"]
    for feature in features:
        cells = (
            f"`{feature.name}`",
            feature.title,
            feature.meaning,
            feature.unit,
            formula(feature),
            window(feature),
        )
        lines.append(f"| {' | '.join(cell(text) for text in cells)} |")
    return [*lines, ""]


def drawn(docstring: str | None) -> list[str]:
    """Return the table in a docstring, as text."""
    block = next(part for part in inspect.cleandoc(docstring or "").split("\n\n") if part.startswith("==="))
    return ["```text", *block.splitlines(), "```", ""]


def page() -> str:
    """Return the reference of the catalogue."""
    goods, pairs = CATALOGS["product"], CATALOGS["person-product"]
    lines = [HEAD.format(count=len(CATALOG), goods=len(goods), pairs=len(pairs), channels=", ".join(NAMES)).rstrip()]
    lines += ["", "## A person\n"]
    for theme, features in THEMES.items():
        lines += [f"### {theme}\n", *rows(features)]
        if theme == "Website and app":
            lines += [f"On the site or in the app are events of these kinds: {', '.join(SITE)}.\n"]
    lines += ["## A product, department, category, subcategory or brand\n", GOODS, *rows(goods)]
    lines += ["## A person and a product, department, category, subcategory or brand\n", PAIRS, *rows(pairs)]
    lines += [
        "## Outcomes\n",
        "Features of the future, `as_of < occurred_at <= as_of + days`, here for 90 days; any number of days can be",
        "asked for. They are refused when the shop's data end more than a day before the horizon does.\n",
        *rows([make(90) for make in OUTCOMES]),
    ]
    lines += [AGGREGATIONS.rstrip() + "\n", *drawn(aggregation.__doc__)]
    lines += [*(aggregation.__doc__ or "").split("\n\n")[2:3], "", COMBINATIONS.rstrip() + "\n"]
    lines += [*drawn(combination.Combination.__doc__), "## Conditions\n"]
    lines += ["How `features.toml` writes which facts count.\n", *drawn(conditions.__doc__)]
    lines += ["## Facts and their columns\n", "| on | one row is | columns |", "|---|---|---|"]
    for on in ("Order Completed", "Order Line", "Order Refunded", "Product Viewed", "Event", "Trait"):
        facts = relation(on)
        shown = f"`{on}`" + (" (and all other kinds of events)" if on == "Product Viewed" else "")
        lines.append(f"| {shown} | one {facts.row} | {', '.join(f'`{name}`' for name in facts.columns)} |")
    lines += ["", "## Owners\n", "Whom or what features can be about (`per`), and the columns that name one.\n"]
    lines += ["| per | columns |", "|---|---|"]
    lines += [f"| `{per}` | {', '.join(f'`{name}`' for name in columns)} |" for per, columns in OWNERS.items()]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
