"""The command that answers what one customer is like now."""

from __future__ import annotations

from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, AsOf, Identifier, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def profile(
    identifier: Identifier,
    shop: Shop = HERE,
    purpose: Annotated[str, typer.Option(help="What the answer is used for; decides who may be asked about.")] = (
        "personalisation"
    ),
    features: Annotated[
        str | None, typer.Option(help="Only these features, by name: orders,spend_90d.", show_default="all")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Say one customer's features now, for a purpose that they may be used for."""
    screen = Screen(as_json=as_json)
    names = None if features is None else [name.strip() for name in features.split(",") if name.strip()]
    with open_shop(shop) as workspace, screen.progress() as progress:
        found = workspace.profile(identifier, purpose=purpose, as_of=as_of, features=names, progress=progress)
    if as_json:
        screen.answer(found.to_json())
    else:
        from coterie.cli.words import profile_table

        profile_table(screen, found)
