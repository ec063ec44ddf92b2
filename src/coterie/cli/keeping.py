"""The commands that keep a shop in good order."""

from __future__ import annotations

from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def unlock(shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Let others write again after the machine of a writer is gone for good."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        released = workspace.unlock()
    if as_json:
        screen.answer({"released": released})
    else:
        screen.lines(["The shop is free to write." if released else "Nobody held the shop."])
