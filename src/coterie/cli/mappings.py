"""The command that shows ready mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import AsJson, app
from coterie.cli.screen import Screen


@app.command()
def mapping(
    name: Annotated[str | None, typer.Argument(help="A ready mapping; without it, all are listed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write an editable copy to this new file.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the ready mappings, or show one as TOML, to be copied and edited."""
    from coterie.collect import shops
    from coterie.errors import UsageError

    screen = Screen(as_json=as_json)
    if name is None:
        if out is not None:
            raise UsageError("mapping: --out needs the name of a mapping.", hint="coterie mapping lists the names.")
        listed = shops.catalogue()
        if as_json:
            screen.answer(listed)
        else:
            screen.table(("mapping", "reads"), list(listed.items()))
        return
    text = shops.text(name)
    if out is not None:
        from coterie.workspace.results import write_whole

        if out.exists():
            raise UsageError(f"{out} is there already.", hint="name a new file; nothing is written over.")
        write_whole(out, text)
        screen.say(f"Written to {out.resolve()}; `coterie ingest {out} FOLDER` uses it.")
    if as_json:
        screen.answer({"name": name, "toml": text, "out": str(out.resolve()) if out else None})
    elif out is None:
        screen.lines([text.rstrip("\n")])
