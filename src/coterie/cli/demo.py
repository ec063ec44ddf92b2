"""The demo: coterie's main job, end to end, on a year of a real retailer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coterie.charts.numbers import count, money, share
from coterie.cli.screen import Screen
from coterie.cli.words import quality_table, receipt_table
from coterie.workspace import open as open_shop

if TYPE_CHECKING:
    from coterie.workspace.segmentation import Segmentation

AS_OF = "2017-09-01"  # three months of the year are left to judge by
HORIZON_DAYS = 91


def walk(folder: Path, screen: Screen) -> None:
    """Make the demo's shop in a folder, run every step, and print what a marketer wants to know.

    Parameters
    ----------
    folder
        Gets ``shop/``, ``report.html`` and ``segments.svg``. A shop from an earlier run is reused.
    screen
        Where steps and answers go.
    """
    from coterie.collect.shops import COMPLETE_JOURNEY_CURRENCY, COMPLETE_JOURNEY_TIMEZONE

    screen.say("coterie demo: dunnhumby's Complete Journey, a year of 2,469 households at a real grocer", style="bold")
    folder.mkdir(parents=True, exist_ok=True)
    with open_shop(
        folder / "shop",
        create=True,
        name="Complete Journey",
        currency=COMPLETE_JOURNEY_CURRENCY,
        timezone=COMPLETE_JOURNEY_TIMEZONE,
    ) as shop:
        screen.say("\n1  Ingest: every row gets one fate")
        with screen.progress() as progress:
            receipt = shop.ingest("complete_journey", progress=progress)
        screen.say("\n2  Check the data")
        quality = shop.check()
        screen.say(f"\n3  Segments as of {AS_OF}, judged by the {HORIZON_DAYS} days that followed")
        with screen.progress() as progress:
            made = shop.segment(AS_OF, horizon_days=HORIZON_DAYS, progress=progress)
        report = made.report(folder / "report.html")
        picture = made.picture(folder / "segments.svg")
    if screen.as_json:
        answer = {"ingest": receipt.to_json(), "quality": quality.to_json(), "segments": made.to_json()}
        screen.answer({**answer, "report": str(report), "picture": str(picture)})
        return
    receipt_table(screen, receipt)
    quality_table(screen, quality, short=True)
    screen.lines(["", *ten_lines(made), ""])
    if made.reused:
        screen.say(f"Reused from an earlier run: {'; '.join(made.reused)}.")
    screen.lines([f"Report: {report}"])


def ten_lines(made: Segmentation) -> list[str]:
    """Return what a marketer wants to know, in about ten lines."""
    total = sum(segment.value for segment in made.segments)
    spent = money(total, made.config.currency, compact=True)
    lines = [f"{count(made.people)} households spent {spent} up to {AS_OF}; {len(made.segments)} kinds of people:"]
    for segment, hide in zip(made.segments, made.hidden, strict=True):
        told = f"fewer than {made.config.minimum_group} households"
        if not hide:
            told = f"{count(segment.size)} households, {share(segment.value_share)} of spend. {segment.sentences[1]}"
        lines.append(f"  {segment.name}: {told}")
    if made.card is not None:
        lines.append(f"Do they tell the {HORIZON_DAYS} days that followed? {made.card.verdict}")
    return lines
