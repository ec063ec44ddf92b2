"""The command that follows segments through time."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from coterie.charts.numbers import MISSING, count, ratio, share
from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.cli.segmenting import Method, View

if TYPE_CHECKING:
    from coterie.workspace.followed import Following


@app.command()
def follow(
    shop: Shop = HERE,
    model: Annotated[str, typer.Option(help="The registered model, or `latest`.")] = "latest",
    method: Annotated[Method, typer.Option(help="How its segments were made.")] = Method.KMEANS,
    view: Annotated[View, typer.Option(help="What its segments look at.")] = View.VALUE,
    date: Annotated[
        list[str] | None, typer.Option(help="A moment; give it several times. Else steps are taken.")
    ] = None,
    every: Annotated[str, typer.Option(help="The step: week, month, quarter, or a number of days.")] = "month",
    since: Annotated[str | None, typer.Option(help="The first moment.", show_default="the model's")] = None,
    until: Annotated[str | None, typer.Option(help="The last moment at most.", show_default="the newest data")] = None,
    margin: Annotated[
        float, typer.Option(help="Let people change only to a segment that is nearer by this part, such as .1.", min=0)
    ] = 0.0,
    retrained: Annotated[bool, typer.Option("--retrained", help="Make segments anew at each moment as well.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Keep in the shop who was in which segment.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a model's segments through time: who moved, what drifted, and whether it is time for a review."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        found = workspace.follow(
            model,
            method=method.value,
            view=view.value,
            dates=date or None,
            every=int(every) if every.isdigit() else every,
            since=since,
            until=until,
            margin=margin,
            retrained=retrained,
            publish=publish,
            progress=progress,
        )
    if as_json:
        screen.answer(found.to_json())
    else:
        tables(screen, found)


def tables(screen: Screen, found: Following) -> None:
    """Print sizes and moves moment by moment, the last move in full, and what the review says."""
    zone = ZoneInfo(found.config.timezone)
    days = [f"{moment.as_of.replace(tzinfo=UTC).astimezone(zone):%Y-%m-%d}" for moment in found.moments]
    sizes = [found.told(moment.sizes) for moment in found.moments]
    rows: list[tuple[object, ...]] = [
        (name, *(MISSING if told[place] is None else count(told[place] or 0) for told in sizes))
        for place, name in enumerate(found.names)
    ]
    minimum = found.config.minimum_group
    kept = [share(moved.stayed_told(minimum).value) for moved in found.migrations]
    rows.append(("in the same segment as before", MISSING, *kept))
    if found.remade:
        again = [share(one.stayed_told(minimum).value) if one.stayed else MISSING for one in found.remade]
        rows.append(("… were segments made anew", *again))
    rows.append(("PSI of sizes", *(ratio(found.drift_of_sizes(moment).psi) for moment in found.moments)))
    screen.table(("segment", *days), rows, title="People")
    if found.migrations:
        moved = found.migrations[-1]
        hidden = moved.withheld(minimum)
        grid = [
            (f"{place + 1} {name}", *(MISSING if one is None else share(one.value) for one in row))
            for place, (name, row) in enumerate(zip(moved.names, moved.probabilities_told(minimum), strict=True))
        ]
        numbers = [f"to {place + 1}" for place in range(len(moved.names))]
        screen.table(
            (f"from {days[-2]} to {days[-1]}", *numbers), grid, title="Of those in a segment, the share in each after"
        )
    if found.remade and (change := found.remade[-1].change) is not None:
        kinds = ("behaved", "redefined", "both")
        told = found.told((change.unmoved, change.returned, *(getattr(change, kind) for kind in kinds)))
        words = ("did not move", "moved and were put back by the new segments", "moved by behaving differently",
                 "would move only because the segments are new", "would move by both")  # fmt: skip
        screen.table(
            (f"people from {days[-2]} to {days[-1]}, were segments made anew", "people"),
            [(word, MISSING if number is None else count(number)) for word, number in zip(words, told, strict=True)],
        )
    if any(None in told for told in sizes) or (found.migrations and any(map(any, hidden))):
        screen.say(
            f"{MISSING}: of fewer than {minimum} people, or of a group that would tell of one; shares beside such are "
            f"rounded, to 100% where fewer than {minimum} people are missing."
        )
    screen.lines([found.review.words])
    for reason in found.review.reasons:
        screen.say(f"  {reason.verdict:<6}  {reason.words}")
    for left in found.left_out:
        screen.say(f"Left out, because it is not permitted: {left}.")
