"""The commands that answer what one customer is like now, and keep the answers ready."""

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


@app.command()
def keep_up(shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Make what `profile` answers from ready after a large import. Ctrl-C is safe: answers stay right without it."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        taken = workspace.keep_up(progress=progress)
    if as_json:
        screen.answer(taken)
    elif taken:
        screen.lines([f"{name}: {count:,} rows taken in" for name, count in taken.items()])
    else:
        screen.lines(["Everything is ready already."])
