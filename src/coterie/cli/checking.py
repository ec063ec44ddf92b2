"""The command that looks whether the data is as it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def check(
    shop: Shop = HERE,
    report: Annotated[Path | None, typer.Option(help="Also write the report as one HTML page to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report the quality of the data; exit code 5 when something needs a look or is not as a contract expects."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        quality = workspace.check(report=report)
        timezone = workspace.config.timezone
    if as_json:
        screen.answer(quality.to_json())
    else:
        from coterie.cli.words import quality_table

        quality_table(screen, quality, timezone)
        if report is not None:
            screen.say(f"The report is in {report}.")
    if not quality.passed:
        raise typer.Exit(5)
