"""The report on a shop's data: one HTML page on what came in, what became of it, and how far it can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure
from coterie.charts.matrix import matrix
from coterie.charts.timeline import Period, timeline
from coterie.collect.measures import Lateness
from coterie.collect.quality import Quality, TableQuality
from coterie.config import Config
from coterie.report.page import page
from coterie.report.summary import date as spoken
from coterie.segments.disclosure import Disclosure

BARS = {860: 430, 360: 120}  # pixels → bars that fit
ENOUGH = 0.9  # share of periods that must be large enough to be told, or longer periods are taken
MONTHS = {860: 24, 360: 8}  # pixels → months of a matrix
IMPORTS = 30  # the newest that are listed

_UNITS = ("day", "week", "month")


@dataclass(frozen=True)
class TableView:
    """One table of one source, as the page shows it.

    Parameters
    ----------
    title
        What its rows are, in words.
    facts
        Name and figure, in words.
    volume, completeness
        Figures; None where there is nothing to draw.
    unit
        What one bar of the volume is.
    always, never
        Columns that are filled in every row, and in none.
    notes
        Sentences on lateness, money, days without rows.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    volume: Figure | None
    unit: str
    completeness: Figure | None
    always: tuple[str, ...]
    never: tuple[str, ...]
    notes: tuple[str, ...]


def render(quality: Quality, config: Config) -> str:
    """Return the report as one HTML page.

    Counts of people, and of rows by period, below the shop's minimum group are shown as "<50"; what became of the rows
    of each file is book-keeping, and told exactly.

    Parameters
    ----------
    quality
        What was found.
    config
        The shop's settings.
    """
    disclosure = Disclosure([], config.minimum_group)
    sources = sorted({*(table.source for table in quality.tables), *(file.source for file in quality.files)})
    return page(
        "quality.html.j2",
        quality=quality,
        config=config,
        title=title(quality),
        lede=lede(quality),
        facts=facts(quality, disclosure, config.timezone),
        sources=[
            (
                source,
                [
                    view(quality, table, disclosure, config.timezone)
                    for table in quality.tables
                    if table.source == source
                ],
            )
            for source in sources
        ],
        most=max((reason.rows for reason in quality.reasons), default=1),
        history=quality.history[: -IMPORTS - 1 : -1],
    )


def title(quality: Quality) -> str:
    """Return the page's headline."""
    if not quality.files:
        return "No data yet"
    looks = len(quality.problems) + len(quality.failed)
    if not looks:
        return "The data is in order"
    return "One thing needs a look" if looks == 1 else f"{looks} things need a look"


def lede(quality: Quality) -> str:
    """Return the paragraph under the headline: what came in, and what became of it."""
    if not quality.files:
        return "Nothing was imported yet."
    aside = sum(file.set_aside for file in quality.files)
    copies = sum(file.duplicates for file in quality.files)
    sources = len({file.source for file in quality.files})
    files = len({(file.source, file.file) for file in quality.files})
    said = f"{_many(quality.received, 'row')} came in from {_many(files, 'file')} of {_many(sources, 'source')}. "
    said += (
        "None is set aside"
        if not aside
        else f"{_many(aside, 'row')} ({numbers.share(aside / max(quality.received, 1))}) "
    )
    said += "" if not aside else "is set aside" if aside == 1 else "are set aside"
    return said + (f"; {_many(copies, 'row')} had come in before." if copies else ".")


def facts(quality: Quality, disclosure: Disclosure, timezone: str) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, figure, and what belongs to it."""
    if not quality.files:
        return []
    found = [("Rows received", numbers.count(quality.received), f"in {_many(len(quality.history), 'import')}")]
    aside = sum(file.set_aside for file in quality.files)
    found.append(("Set aside", numbers.share(aside / max(quality.received, 1)), f"{numbers.count(aside)} rows"))
    if quality.people:
        found.append(("People", disclosure.words(quality.people), "that the facts are about"))
    if quality.identified:
        source, least = min(quality.identified.items(), key=lambda each: each[1])
        where = f", at {source}" if len(quality.identified) > 1 else ""
        found.append(("Naming somebody", numbers.share(least), f"of the rows about people that came in{where}"))
    told = [table for table in quality.tables if table.known is not None and not disclosure.hides(table.rows)]
    if told:
        rows = sum(table.rows for table in told)
        known = sum(table.rows * (table.known or 0.0) for table in told)
        found.append(("Of known people", numbers.share(known / rows), "of facts about people"))
    newest = max((table.last for table in quality.tables if table.last), default=None)
    if newest:
        ago = span((quality.checked_at - newest).total_seconds())
        found.append(("Newest fact", ago, f"old, from {spoken(newest, timezone)}"))
    return found


def view(quality: Quality, table: TableQuality, disclosure: Disclosure, timezone: str) -> TableView:
    """Return one table as the page shows it."""
    small = disclosure.hides(table.rows)
    told = [("Rows", disclosure.words(table.rows))]
    if table.subjects is not None:
        told.append(("Identifiers", disclosure.words(table.subjects)))
    if table.known is not None and not small:
        told.append(("Of known people", numbers.share(table.known)))
    if table.first and table.last:
        told.append(("From", spoken(table.first, timezone)))
        told.append(("To", spoken(table.last, timezone)))
    if age := quality.age(table):
        told.append(("Newest", f"{span(age.total_seconds())} ago"))
    unit, volume = ("", None) if small else _volume(table, disclosure)
    partly = {name: share for name, share in table.completeness.items() if 0 < share < 1}
    return TableView(
        title=table.table.replace("_", " ").capitalize(),
        facts=tuple(told),
        volume=volume,
        unit=unit,
        completeness=None if small or not partly else _completeness(table, partly, disclosure),
        always=tuple(name for name, share in table.completeness.items() if share == 1),
        never=tuple(name for name, share in table.completeness.items() if share == 0),
        notes=() if small else _notes(table),
    )


def span(seconds: float) -> str:
    """Write a length of time in its largest unit.

    >>> span(90), span(7_200), span(86_400 * 400)
    ('90 seconds', '2 hours', '400 days')
    """
    for name, scale in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if abs(seconds) >= 2 * scale:
            return _many(round(seconds / scale), name)
    return _many(round(seconds), "second")


def _many(count: int, what: str) -> str:
    return f"{numbers.count(count)} {what}{'' if count == 1 else 's'}"


def _notes(table: TableQuality) -> tuple[str, ...]:
    said = []
    if table.lateness:
        said.append(_late(table.lateness))
    if table.converted:
        shown = ", ".join(f"{numbers.count(rows)} from {currency}" for currency, rows in table.converted.items())
        said.append(f"Amounts were converted: {shown}.")
    if len(table.currencies) > 1:
        shown = ", ".join(f"{numbers.count(rows)} in {currency}" for currency, rows in table.currencies.items())
        said.append(f"Amounts are in several currencies: {shown}.")
    if table.missing_days:
        said.append(f"No rows on {_listed(table.missing_days)}, on days of the week that usually have some.")
    if table.scarce_days:
        said.append(f"Less than half of the usual rows on {_listed(table.scarce_days)}.")
    return tuple(said)


def _late(late: Lateness) -> str:
    early = f" {_many(late.early, 'row')} had been available before they happened." if late.early else ""
    return (
        f"Rows became available after {span(late.median)} (half of them), {span(late.p95)} (95% of them) and at most "
        f"{span(late.longest)}.{early}"
    )


def _listed(days: Sequence[date]) -> str:
    shown = ", ".join(f"{day.day} {day:%b %Y}" for day in days[-8:])
    return shown if len(days) <= 8 else f"{shown} and {_many(len(days) - 8, 'earlier day')}"


def _volume(table: TableQuality, disclosure: Disclosure) -> tuple[str, Figure | None]:
    """Draw rows by day, or by the shortest period that most may be told of."""
    if not table.days:
        return "", None
    kinds, minimum = [_periods(table, unit) for unit in _UNITS], disclosure.minimum
    fine = 0
    while fine < 2 and not (_told(kinds[fine], disclosure) >= ENOUGH and len(kinds[fine]) <= BARS[860]):
        fine += 1
    coarse = fine
    while coarse < 2 and len(kinds[coarse]) > BARS[360]:
        coarse += 1

    def draw(width: int, which: int) -> Markup:
        unit, periods = _UNITS[which], kinds[which]
        disclosure = Disclosure([rows for _, rows, _ in periods], minimum)  # what is not told must not follow from sums
        highest = max(rows for _, rows, _ in periods)
        drawn = [
            Period(
                None if disclosure.hides(rows) else float(rows),
                f"{_called(start, unit)}: {disclosure.words(rows)} rows"
                if rows
                else f"{_called(start, unit)}: no rows",
                _tick(start, unit, first=place == 0),
                odd,
            )
            for place, (start, rows, odd) in enumerate(periods)
        ]
        described = (
            f"{numbers.count(table.rows)} rows from {_called(periods[0][0], unit)} to {_called(periods[-1][0], unit)}."
        )
        return timeline(
            drawn,
            title=f"{table.table.replace('_', ' ').capitalize()} by {unit}",
            description=described,
            most=f"{disclosure.words(highest)} rows a {unit}",
            width=width,
        )

    return _UNITS[fine], Figure(draw(860, fine), draw(360, coarse))


def _periods(table: TableQuality, unit: str) -> list[tuple[date, int, bool]]:
    """Return start, rows and whether it has an unusual day of each period, without gaps."""
    odd = {_start(day, unit) for day in (*table.missing_days, *table.scarce_days)}
    rows: dict[date, int] = {}
    day, last = min(table.days), max(table.days)
    while day <= last:
        rows[_start(day, unit)] = rows.get(_start(day, unit), 0) + table.days.get(day, 0)
        day += timedelta(days=1)
    return [(start, count, start in odd) for start, count in rows.items()]


def _start(day: date, unit: str) -> date:
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def _told(periods: Sequence[tuple[date, int, bool]], disclosure: Disclosure) -> float:
    filled = [rows for _, rows, _ in periods if rows]
    return sum(not disclosure.hides(rows) for rows in filled) / max(len(filled), 1)


def _called(start: date, unit: str) -> str:
    if unit == "month":
        return f"{start:%B %Y}"
    return f"{'week of ' if unit == 'week' else ''}{start.day} {start:%b %Y}"


def _tick(start: date, unit: str, *, first: bool) -> str:
    """Name a month where it begins, with its year in January and at the first."""
    begins = unit == "month" or start.day <= (7 if unit == "week" else 1)
    if not (begins or first):
        return ""
    return f"{start:%b %Y}" if first or start.month == 1 else f"{start:%b}"


def _completeness(table: TableQuality, partly: dict[str, float], disclosure: Disclosure) -> Figure:
    """Draw which share of rows has a value, by column and month."""

    def draw(width: int) -> Markup:
        months = list(table.months)[-MONTHS[width] :]
        rows = []
        for name, share in partly.items():
            shares = [
                None if disclosure.hides(table.months[month]) else table.completeness_by_month[month][name]
                for month in months
            ]
            rows.append((name, shares or [share], numbers.share(share)))
        heads = [
            _tick(date.fromisoformat(f"{month}-01"), "month", first=place == 0) for place, month in enumerate(months)
        ]
        return matrix(
            rows,
            heads or [""],
            title=f"How complete the columns of {table.table.replace('_', ' ')} are",
            description="; ".join(f"{name} {numbers.share(share)}" for name, share in partly.items()),
            width=width,
        )

    return Figure(draw(860), draw(360))
