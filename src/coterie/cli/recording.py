"""The command that takes events in as they happen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coterie.cli.collecting import tell
from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def record(
    source: Annotated[str, typer.Argument(help="The source that the events are from, as an import declared it.")],
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Take in live events from stdin, one JSON object a line in the shape of Segment's calls: durable when it ends."""
    screen = Screen(as_json=as_json)
    lines = (line for line in sys.stdin if line.strip())
    with open_shop(shop) as workspace, screen.progress() as progress:
        receipt = workspace.record(source, lines, progress=progress)
    tell(screen, receipt)
