"""Answers of the verbs, in words and tables."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from coterie.charts.numbers import MISSING, count, money, quantity, ratio, share
from coterie.cli.screen import Screen

if TYPE_CHECKING:
    from coterie.collect.intake import Receipt
    from coterie.collect.quality import Quality
    from coterie.collect.trace import Fate
    from coterie.workspace.answering import ProfileNow
    from coterie.workspace.results import FeatureTable, Person
    from coterie.workspace.segmentation import Segmentation
    from coterie.workspace.shop import ErasureReceipt
    from coterie.workspace.trial import Guess


def receipt_table(screen: Screen, receipt: Receipt) -> None:
    """Print what came in, file by file, and why rows were set aside."""
    columns: tuple[str, ...] = ("import", "file", "becomes", "received", "accepted", "quarantined", "known already")
    rows: list[tuple[object, ...]] = [
        (str(file.import_id), file.file, file.target, file.received, file.accepted, file.quarantined, file.duplicates)
        for file in receipt.files
    ]
    if any(file.reused for file in receipt.files):
        columns = (*columns, "")
        told = ["reused" if file.reused else "" for file in receipt.files]
        rows = [(*row, words) for row, words in zip(rows, told, strict=True)]
    screen.table(columns, rows)
    from coterie.collect.contract import BY_NAME, Severity

    broken: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for file in receipt.files:
        for name, number in file.reasons.items():
            # Of a source's own rule the receipt does not say how severe it is.
            warned = BY_NAME[name].severity is Severity.WARN if name in BY_NAME else not file.quarantined
            broken[warned][name] += number
    if receipt.quarantined:
        screen.say(f"Set aside, in rows: {_first(broken[False])}.")
    if broken[True]:
        screen.say(f"Let in, though odd, in rows: {_first(broken[True])}.")
    if receipt.quarantined:
        screen.say("`coterie check` says what it means; what is set aside is kept, sealed, for `coterie replay`.")
    elif broken[True]:
        screen.say("`coterie check` says what it means.")


def _first(counts: Counter[str], most: int = 5) -> str:
    more = [f"{len(counts) - most} more"] if len(counts) > most else []
    return ", ".join([*(f"{name} {count(number)}" for name, number in counts.most_common(most)), *more])


def fate_lines(screen: Screen, fates: tuple[Fate, ...]) -> None:
    """Print what became of one row of a file, import by import."""
    lines = []
    for fate in fates:
        told = f"Import {fate.import_id} ({fate.read}): row {count(fate.row)} of {fate.file}: {fate.fate}"
        if fate.repeats:
            told += f", repeats row {count(fate.repeats[1])} of import {fate.repeats[0]}"
        lines.append(f"{told}: {', '.join(fate.reasons)}" if fate.reasons else told)
        for fact in fate.facts:
            named = ", ".join(f"{name} {value}" for name, value in fact.id.items() if value is not None)
            lines.append(f"  {fact.table}: {named}")
    screen.lines(lines)


def quality_table(screen: Screen, quality: Quality, timezone: str = "UTC", *, short: bool = False) -> None:
    """Print the quality report, days by a time zone; short, without what is stored where and how complete it is."""
    if not short:
        files = [
            (file.source, file.file, file.target, file.received, file.accepted, file.quarantined, file.duplicates)
            for file in quality.files
        ]
        heads: tuple[str, ...] = ("source", "file", "becomes", "received", "accepted", "quarantined", "known already")
        screen.table(heads, files)
        tables = [
            (
                table.source,
                table.table,
                table.rows,
                "–" if table.subjects is None else table.subjects,
                "–" if table.known is None else share(table.known),
                _day(table.first, timezone) if table.first else "–",
                _day(table.last, timezone) if table.last else "–",
                _ago(quality.age(table)),
            )
            for table in quality.tables
        ]
        heads = ("source", "stored in", "rows", "identifiers", "of known people", "from", "to", "newest")
        screen.table(heads, tables)
        partly = [
            (table.source, table.table, ", ".join(f"{name} {share(filled)}" for name, filled in gaps))
            for table in quality.tables
            if (gaps := [(name, filled) for name, filled in table.completeness.items() if 0 < filled < 1])
        ]
        if partly:
            screen.table(("source", "stored in", "columns that are filled in part"), partly)
    if quality.reasons:
        done = {"quarantine": "set aside", "warn": "let in"}
        reasons = [(reason.rows, reason.source, reason.wrong, done[reason.severity]) for reason in quality.reasons]
        screen.table(("rows", "source", "what is odd about them", "what was done"), reasons)
    if quality.expectations:
        judged = [
            (one.source, one.name, one.expected, one.got, "yes" if one.passed else "NO") for one in quality.expectations
        ]
        screen.table(("source", "expectation", "expected", "got", "met"), judged)
    for words in () if short else _noted(quality):
        screen.say(words)
    for words in quality.assumed:
        screen.say(f"Assumed: {words}.")
    for words in quality.running:
        screen.say(f"The import of {words} is running; it is not in these figures yet.")
    for problem in quality.problems:
        screen.say(f"Needs a look: {problem}", style="yellow")
    for one in quality.failed:
        screen.say(f"Not as expected: {one.name} ({one.source}): expected {one.expected}, got {one.got}.", style="red")
    if quality.passed:
        screen.say("Nothing in the data needs a look." if quality.files else "The shop holds no data yet.")


def _noted(quality: Quality) -> list[str]:
    """Say what is worth knowing and no problem: how late facts come, refunds, converted amounts, quiet days."""
    said = []
    for table in quality.tables:
        what = f"{table.table.replace('_', ' ').capitalize()} of {table.source}"
        if late := table.lateness:
            early = f"; {late.early:,} were available before they happened" if late.early else ""
            said.append(
                f"{what} became available after {_span(late.median)} (median), {_span(late.p95)} (95%), "
                f"{_span(late.longest)} (longest){early}."
            )
        if table.converted:
            said.append(f"{what} were converted: {_pairs(table.converted)}.")
        for days, words in ((table.missing_days, "no rows on"), (table.scarce_days, "strikingly few rows on")):
            if days:
                shown = ", ".join(f"{day}" for day in days[-5:])
                more = f" and {len(days) - 5:,} earlier days" if len(days) > 5 else ""
                said.append(f"{what}: {words} {shown}{more}.")
    said += [
        f"{orders:,} order{'' if orders == 1 else 's'} of {source} lack{'s' if orders == 1 else ''} a line that is set "
        "aside."
        for source, orders in quality.incomplete.items()
    ]
    if back := quality.refunds:
        said.append(
            f"Refunds: of {back.matched:,} lines all of what they take back was found among the bought ones, "
            f"of {back.partly:,} a part, of {back.unmatched:,} nothing."
        )
    return said


def _ago(age: timedelta | None) -> str:
    return "–" if age is None else f"{_span(age.total_seconds())} ago"


def _span(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    for name, scale in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if abs(seconds) >= 2 * scale:
            return f"{seconds / scale:,.0f} {name}"
    return f"{seconds:,.0f} seconds"


def feature_table(screen: Screen, built: FeatureTable) -> None:
    """Print which features were built and which were not."""
    rows = [(one.name, one.unit, one.meaning) for one in (*built.features, *built.outcomes)]
    screen.table(("feature", "unit", "meaning"), rows)
    for name, why in built.missing.items():
        screen.say(f"  not built: {name} ({why})")
    again = ", read back from an earlier run" if built.reused else ""
    for reason, number in built.refused.items() if built.given is not None else ():
        screen.say(f"  left out: {count(number)} {'row' if number == 1 else 'rows'} ({reason})")
    told = built.to_json()
    what = "people" if told["rows"] == told["people"] else "rows"
    when = f"as of {built.as_of:%Y-%m-%d %H:%M} UTC" + (
        f" and {told['moments'] - 1} earlier" if told["moments"] > 1 else ""
    )
    screen.lines([f"{count(told['rows'])} {what} {when}{again}."])


def profile_table(screen: Screen, found: ProfileNow) -> None:
    """Print one person's features, each in its unit."""
    rows = []
    for feature in found.features:
        value = found.values[feature.name]
        shown = MISSING if value is None else value
        if isinstance(value, int | float):
            shown = quantity(value, feature.unit, found.currency)
        rows.append((feature.title or feature.name, shown, feature.meaning))
    screen.table(("feature", "value", "meaning"), rows)
    segments = [f"{one.name} (segment {one.segment} of {one.model_id})" for one in found.segments]
    screen.lines([f"As of {found.as_of:%Y-%m-%d %H:%M} UTC.", *(f"In segment: {words}" for words in segments)])
    if found.why:
        screen.say(f"Computed from the facts: {found.why}.")
    if found.hint:
        screen.say(f"Hint: {found.hint}")


def segment_table(screen: Screen, made: Segmentation) -> None:
    """Print the segments and how they compare with naive ones."""
    rows = []
    partial = any(made.hidden) or any(segment.dominated for segment in made.segments)
    for segment, hide in zip(made.segments, made.hidden, strict=True):
        told = ("–", "–", "–", "–")
        if not hide:
            spent = "–" if segment.dominated else money(segment.value, made.config.currency, compact=True)
            # of a total, what is left for the segments that are not told would be what one person spent
            part = "–" if partial else share(segment.value_share)
            told = (count(segment.size), share(segment.share), spent, part)
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
    if any(segment.dominated for segment in made.segments):
        screen.say("–: of few people, or spent nearly all by one or two of them.")
    if made.warning:
        screen.say(f"Beware: {made.warning}", style="yellow")
    for what in made.reused:
        screen.say(f"Reused: {what}.")
    for words in made.left_out:
        screen.say(f"Left out, because it is not permitted: {words}.")


def person_lines(screen: Screen, person: Person, timezone: str, currency: str) -> None:
    """Print what is known of a person; days are those of the shop's time zone."""
    profile = person.profile
    lines = [
        f"Known by {profile.subjects} identifier{'s' if profile.subjects != 1 else ''}: {_pairs(profile.identifiers)}"
    ]
    if profile.first_seen and profile.last_seen:
        lines.append(f"Seen from {_day(profile.first_seen, timezone)} to {_day(profile.last_seen, timezone)}")
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
    lines += [
        f"{one.feature}: {_scored(one.feature, one.value, currency)} (as of {one.as_of:%Y-%m-%d %H:%M} UTC)"
        for one in person.scores
    ]
    screen.lines(lines)


_MONEY = ("expected_spend_", "lifetime_value_", "predicted_spend_")
_SHARES = ("active_", "predicted_churn_", "predicted_purchase_", "predicted_response_", "predicted_event_")


def _scored(feature: str, value: float | str | None, currency: str) -> str:
    """Write a score in its unit."""
    if not isinstance(value, float):
        return MISSING if value is None else value
    if feature.startswith(_MONEY):
        return money(value, currency)
    return share(value) if feature.startswith(_SHARES) else ratio(value, places=1)


def erasure_lines(screen: Screen, receipt: ErasureReceipt, *, dry_run: bool = False) -> None:
    """Print what was erased, or what would be."""
    if dry_run:
        screen.lines(["Nothing was erased. Held about this person:"])
        screen.table(("table", "rows"), list(receipt.left.items()))
        _taught(screen, receipt)
        return
    screen.table(("holder", "rows erased"), list(receipt.erased.items()))
    found = "a second search found nothing" if receipt.verified else f"STILL THERE: {_pairs(receipt.left)}"
    screen.lines([f"Request {receipt.request}: {found}."])
    if receipt.kept_out:
        screen.lines(["Later imports leave this person out; `coterie readmit` lets them back in, on their own wish."])
    if receipt.outside:
        screen.lines(["Files that were written outside the shop and may speak of the person:", *receipt.outside])
    _taught(screen, receipt)


def _taught(screen: Screen, receipt: ErasureReceipt) -> None:
    """Name the models that have learnt from the person, too."""
    if receipt.models:
        screen.lines(
            [
                "Models that were trained with this person among others; they keep figures of groups, none of the "
                "person's own:",
                *(f"{one['model_id']} (as of {one['as_of'][:10]})" for one in receipt.models),
            ]
        )


def _day(moment: datetime, timezone: str) -> str:
    """Return the day that a moment (naive UTC) falls on in a time zone."""
    return f"{moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)):%Y-%m-%d}"


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


def guess_lines(screen: Screen, found: Guess) -> None:
    """Say what a proposed mapping asks, and show what came of trying it."""
    for question in found.proposal.questions:
        screen.say(f"To decide: {question}", style="yellow")
    for known, name in found.proposal.known.items():
        screen.say(f"{known} looks like {name}: `coterie ingest {name}` knows it.")
    if found.receipt is None:
        screen.say(f"Not tried: {found.untried.rstrip('.')}.")
        return
    screen.say("\nTried in memory, nothing was kept:")
    for table, rows in found.sample.items():
        screen.say(f"  {table}")
        for row in rows:
            screen.say("    " + ", ".join(f"{name} {value}" for name, value in row.items()))
    for file in found.receipt.files:
        why = f"; {_pairs(dict(file.reasons))}" if file.reasons else ""
        screen.say(
            f"  {file.file}: {file.received:,} rows, {file.accepted:,} accepted, {file.quarantined:,} set aside, "
            f"{file.duplicates:,} known already{why}"
        )
