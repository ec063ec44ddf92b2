"""The commands that bring data in and look after them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def init(
    shop: Shop = HERE,
    name: Annotated[str | None, typer.Option(help="The shop's name, shown in reports.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code that amounts are kept in.")] = "USD",
    timezone: Annotated[str, typer.Option(help="IANA name; days and hours are local to it.")] = "UTC",
    minimum_group: Annotated[int, typer.Option(help="No smaller group leaves the shop or shows its size.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """Make a new, empty shop in a folder."""
    screen = Screen(as_json=as_json)
    settings = {"name": name, "currency": currency, "timezone": timezone, "minimum_group": minimum_group}
    with open_shop(shop, create=True, **settings) as workspace:
        if as_json:
            screen.answer({"shop": str(workspace.folder), **workspace.settings()})
        else:
            screen.lines([f"Made the shop {workspace.config.name!r} in {workspace.folder}."])


@app.command()
def ingest(
    mapping: Annotated[str, typer.Argument(help="A mapping file (TOML), or a ready one: complete_journey.")],
    data: Annotated[Path | None, typer.Argument(help="The folder that the mapping's files lie in.")] = None,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Bring a source's files in: every row is accepted, quarantined with its reasons, or known already."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        receipt = workspace.ingest(mapping, data, progress=progress)
    if as_json:
        screen.answer(receipt.to_json())
    else:
        from coterie.cli.words import receipt_table

        receipt_table(screen, receipt)


@app.command()
def check(shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Report the quality of the data; exit code 5 when something needs a look."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        quality = workspace.check()
    if as_json:
        screen.answer(quality.to_json())
    else:
        from coterie.cli.words import quality_table

        quality_table(screen, quality)
    if quality.problems:
        raise typer.Exit(5)
