"""The commands that keep a shop in good order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that does not exist, or is empty.")],
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Copy the shop, while others read it, into a folder that can be restored. The key is not in it."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        made = workspace.backup(target, progress=progress)
    if as_json:
        screen.answer(made.to_json())
    else:
        screen.lines(
            [
                f"Backed up {made.name!r} to {target.resolve()}: {len(made.files):,} files, {made.bytes:,} bytes.",
                f"The key of its vault is not in there ({made.shop_id}.key): keep it, and keep it elsewhere.",
            ]
        )


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The folder that coterie backup made.")],
    folder: Annotated[Path, typer.Argument(help="Where the shop goes: a folder that does not exist, or is empty.")],
    as_json: AsJson = False,
) -> None:
    """Make a shop of a backup, after every file of it was checked. Its key must be here."""
    from coterie.workspace import restore as restored

    screen = Screen(as_json=as_json)
    with screen.progress() as progress, restored(source, folder, progress=progress) as workspace:
        if as_json:
            screen.answer({"shop": str(workspace.folder), **workspace.settings()})
        else:
            screen.lines(
                [
                    f"Restored {workspace.config.name!r} to {workspace.folder}.",
                    "Whoever was forgotten after the backup was made is in it again. Before all else, forget them:",
                    f"  coterie forget --again RECEIPT.json --shop {workspace.folder}",
                    "Objections and consents withdrawn since are not in it either: bring their files in again.",
                ]
            )


@app.command()
def compact(shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Rewrite tables that are in many small files as few sorted ones, so that reading is quick again."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        files = workspace.compact(progress=progress)
    if as_json:
        screen.answer(files)
    else:
        screen.lines([f"{name}: {count:,} files" for name, count in files.items() if count])


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
