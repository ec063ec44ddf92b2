"""How many of a real retailer's households keep their segment from month to month: frozen, made anew, with raw numbers.

Features are read at the first of each month; no outcome is looked at, so this is no look at a holdout. ``--window
spring`` (February to June) is what the margin and the way of making segments anew were chosen on; ``--window year``
(June to December) is what is published.

* *frozen*: the model of the first month, asked about each later one.
* *with a margin*: the same, but a person changes only to a segment that is nearer by a tenth, or has been nearer for
  three months; *off* is the share of people who then sit in a segment that is not the nearest.
* *made anew and aligned*: each month's own segments, begun where those of the month before stand, in their numbering.
* *begun at random and aligned*: each month's own segments as k-means finds them, matched with those before.
* *raw numbers*: the same without matching, numbered by value.

What moved people while segments were made anew each month is taken apart in the last columns: behaved differently, by
the segments of the month before; only because the segments are new; both; moved and put back.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

import looks

MOMENTS = {
    "spring": [f"2017-{month:02}-01" for month in range(2, 7)],
    "year": [f"2017-{month:02}-01" for month in range(6, 13)],
}
CHOICES = (5, 6, 8)
MARGIN = 0.1


def tables(moments: list[str]) -> list[Any]:
    """Return the features of the value view at each moment, one row a household, through the shop's verbs."""
    import coterie
    from coterie.segments.view import VALUE

    with coterie.open(None, name="Complete Journey", currency="USD", timezone="America/New_York") as shop:
        shop.ingest("complete_journey")
        return [shop.build(moment, features=VALUE).table for moment in moments]


def stayed(before: Any, old: Any, after: Any, new: Any) -> float:
    """Return the share of people in both tables who are in the same segment."""
    import pyarrow as pa

    from coterie.segments.time.migration import migration

    sides = (
        pa.table({"person": people["person"], "segment": labels}) for people, labels in ((before, old), (after, new))
    )
    return migration(*sides).stayed.value


def follow(months: list[Any], k: int) -> dict[str, list[float]]:
    """Return, by way of following, the share who keep their segment from each month to the next."""
    import coterie
    from coterie.segments.time.alignment import align, hysteresis
    from coterie.segments.time.redefinition import tell_apart
    from coterie.segments.time.renewal import renew
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    def made(table: Any) -> Any:
        return coterie.KMeansSegments(k, columns=VALUE, weights=VALUE_WEIGHTS).fit(table)

    def members(table: Any, labels: Any) -> Any:
        return table.select(["person"]).append_column("segment", [labels])

    frozen = made(months[0])
    random = [frozen, *(made(table) for table in months[1:])]
    label = {
        "frozen": [frozen.predict(table) for table in months],
        "raw numbers": [model.predict(table) for model, table in zip(random, months, strict=True)],
    }
    kept, held = [label["frozen"][0]], np.zeros(months[0].num_rows, dtype=np.int64)
    for before, after in itertools.pairwise(months):
        people, now = before["person"].to_numpy(), after["person"].to_numpy()
        place = np.minimum(np.searchsorted(people, now), len(people) - 1)
        known = people[place] == now
        previous, times = np.where(known, kept[-1][place], -1), np.where(known, held[place], 0)
        steadier = hysteresis(previous, frozen.distances(after), MARGIN, held=times)
        held = steadier.held
        kept.append(steadier.labels)
    label["with a margin"] = kept
    parts: list[list[float]] = []
    for way in ("made anew and aligned", "begun at random and aligned"):
        model, number, label[way] = frozen, np.arange(k), [label["frozen"][0]]
        for position in range(1, len(months)):
            table = months[position]
            fresh = renew(model, table) if way.startswith("made") else random[position]
            old, new = number[model.predict(table)], fresh.predict(table)
            aligned = align(old, new, old_k=k, new_k=k)
            if way.startswith("made"):
                change = tell_apart(
                    members(months[position - 1], label[way][-1]),
                    members(table, old),
                    members(table, aligned.apply(new)),
                )
                kinds = (change.behaved, change.redefined, change.both, change.returned)
                parts.append([count / change.people for count in kinds])
            model, number = fresh, np.array(aligned.renumbered)
            label[way].append(aligned.apply(new))
    found = {
        way: [stayed(months[i - 1], labels[i - 1], months[i], labels[i]) for i in range(1, len(months))]
        for way, labels in label.items()
    }
    found["off"] = [float(np.mean(one != other)) for one, other in zip(kept[1:], label["frozen"][1:], strict=True)]
    for kind, figures in zip(("behaved", "redefined", "both", "put back"), zip(*parts, strict=True), strict=True):
        found[kind] = list(figures)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print a table for each number of segments and record them."""
    purpose = "Who keeps a segment from month to month."
    asked = looks.asked(arguments, purpose, MOMENTS, "spring", "year is what is published")
    moments = MOMENTS[asked.window]
    configuration = {"window": asked.window, "moments": moments, "k": list(CHOICES), "margin": MARGIN}
    with looks.look("following.py", configuration, draft=asked.draft, holdout=False) as taken:
        months = tables(moments)
        everything = {}
        for k in CHOICES:
            found = everything[k] = follow(months, k)
            print(f"\nk = {k}, {months[0].num_rows:,} to {months[-1].num_rows:,} households\n")
            print(f"| who keeps the segment, to | {' | '.join(moment[5:7] for moment in moments[1:])} | mean |")
            print("|---|" + "---:|" * len(moments))
            for way, shares in found.items():
                cells = [f"{share:.3f}"[1:] for share in (*shares, float(np.mean(shares)))]
                print(f"| {way} | {' | '.join(cells)} |")
                taken.figures[f"k={k} {way}"] = " ".join(cells)
            apart = np.array(found["frozen"]) - np.array(found["made anew and aligned"])
            print(f"\nmade anew and aligned is at most {max(apart):+.3f} below frozen in a month")
            taken.figures[f"k={k} most below frozen"] = round(float(apart.max()), 3)
        if asked.json:
            asked.json.write_text(json.dumps(everything, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
