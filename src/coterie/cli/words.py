"""Answers of the verbs, in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie.charts.numbers import count, money, ratio, share
from coterie.cli.screen import Screen

if TYPE_CHECKING:
    from coterie.collect.intake import Receipt
    from coterie.collect.quality import Quality
    from coterie.workspace.results import FeatureTable, Person
    from coterie.workspace.segmentation import Segmentation
    from coterie.workspace.shop import ErasureReceipt


def receipt_table(screen: Screen, receipt: Receipt) -> None:
    """Print what came in, file by file."""
    columns: tuple[str, ...] = ("file", "received", "accepted", "quarantined", "known already")
    rows: list[tuple[object, ...]] = [
        (file.file, file.received, file.accepted, file.quarantined, file.duplicates) for file in receipt.files
    ]
    if any(file.reused for file in receipt.files):
        columns = (*columns, "")
        told = ["reused" if file.reused else "" for file in receipt.files]
        rows = [(*row, words) for row, words in zip(rows, told, strict=True)]
    screen.table(columns, rows)
    if receipt.quarantined:
        screen.say("`coterie check` says why rows were quarantined; they are kept, sealed.")


def quality_table(screen: Screen, quality: Quality, *, short: bool = False) -> None:
    """Print the quality report; the short one leaves out what is stored where."""
    if not short:
        files = [
            (file.source, file.file, file.received, file.accepted, file.quarantined, file.duplicates)
            for file in quality.files
        ]
        screen.table(("source", "file", "received", "accepted", "quarantined", "known already"), files)
        tables = [
            (
                table.source,
                table.table,
                table.rows,
                "–" if table.subjects is None else table.subjects,
                f"{table.first:%Y-%m-%d}" if table.first else "–",
                f"{table.last:%Y-%m-%d}" if table.last else "–",
            )
            for table in quality.tables
        ]
        screen.table(("source", "stored in", "rows", "identifiers", "from", "to"), tables)
    if quality.reasons:
        done = {"quarantine": "set aside", "warn": "let in"}
        reasons = [(reason.rows, reason.wrong, done[reason.severity]) for reason in quality.reasons]
        screen.table(("rows", "what is odd about them", "what was done"), reasons)
    for words in quality.assumed:
        screen.say(f"Assumed: {words}.")
    if quality.problems:
        for problem in quality.problems:
            screen.say(f"Needs a look: {problem}", style="yellow")
    else:
        screen.say("Nothing in the data needs a look." if quality.files else "The shop holds no data yet.")


def feature_table(screen: Screen, built: FeatureTable) -> None:
    """Print which features were built and which were not."""
    rows = [(feature.name, feature.unit, feature.meaning) for feature in built.features]
    screen.table(("feature", "unit", "meaning"), rows)
    for name, why in built.missing.items():
        screen.say(f"  not built: {name} ({why})")
    again = ", read back from an earlier run" if built.reused else ""
    screen.lines([f"{count(built.table.num_rows)} people as of {built.as_of:%Y-%m-%d %H:%M} UTC{again}."])


def segment_table(screen: Screen, made: Segmentation) -> None:
    """Print the segments and how they compare with naive ones."""
    rows = []
    for segment, hide in zip(made.segments, made.hidden, strict=True):
        told = ("–", "–", "–", "–")
        if not hide:
            spent = money(segment.value, made.config.currency, compact=True)
            told = (count(segment.size), share(segment.share), spent, share(segment.value_share))
        rows.append((segment.segment, segment.name, *told))
    screen.table(("id", "segment", "people", "of people", "spent", "of spend"), rows)
    if made.card is not None:
        figures = [
            (
                row.method,
                row.role,
                row.k or "–",
                ratio(row.r2.value, places=3) if row.r2 else "–",
                ratio(row.auc.value, places=3) if row.auc else "–",
            )
            for row in made.card.rows
        ]
        screen.table(("judged by the future", "role", "groups", "R² of log spend", "AUC of churn"), figures)
        for row in made.card.rows:
            if row.note:
                screen.say(f"{row.method}: {row.note}")
        screen.lines([made.card.verdict])
        if made.card.as_of != made.as_of:
            screen.say(f"Judged as of {made.card.as_of:%Y-%m-%d %H:%M} UTC, the last time with a known future.")
    if made.warning:
        screen.say(f"Beware: {made.warning}", style="yellow")
    for what in made.reused:
        screen.say(f"Reused: {what}.")
    for words in made.left_out:
        screen.say(f"Left out, because it is not permitted: {words}.")


def person_lines(screen: Screen, person: Person) -> None:
    """Print what is known of a person."""
    profile = person.profile
    lines = [
        f"Known by {profile.subjects} identifier{'s' if profile.subjects != 1 else ''}: {_pairs(profile.identifiers)}"
    ]
    if profile.first_seen and profile.last_seen:
        lines.append(f"Seen from {profile.first_seen:%Y-%m-%d} to {profile.last_seen:%Y-%m-%d}")
    lines += [
        f"{order.kind}: {count(order.orders)} order{'s' if order.orders != 1 else ''}, "
        f"{money(order.amount, order.currency)}"
        for order in profile.orders
    ]
    if profile.events:
        lines.append(f"Events: {_pairs(profile.events)}")
    lines += [f"{trait.trait}: {trait.value}" for trait in profile.traits]
    lines += [
        f"Segment: {one.segment} ({one.segmentation}, as of {one.as_of:%Y-%m-%d %H:%M} UTC)"
        for one in person.memberships
    ]
    screen.lines(lines)


def erasure_lines(screen: Screen, receipt: ErasureReceipt, *, dry_run: bool = False) -> None:
    """Print what was erased, or what would be."""
    if dry_run:
        screen.lines(["Nothing was erased. Held about this person:"])
        screen.table(("table", "rows"), list(receipt.left.items()))
        return
    screen.table(("holder", "rows erased"), list(receipt.erased.items()))
    found = "a second search found nothing" if receipt.verified else f"STILL THERE: {_pairs(receipt.left)}"
    screen.lines([f"Request {receipt.request}: {found}."])


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
