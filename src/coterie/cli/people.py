"""The commands about one person: what is known, what is exported, what is erased."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Identifier, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.errors import UsageError


@app.command()
def show(identifier: Identifier, shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Show what is known of one person: which segments they are in, and what was predicted of them."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        person = workspace.show(identifier)
        config = workspace.config
    if as_json:
        screen.answer(person.to_json())
    else:
        from coterie.cli.words import person_lines

        person_lines(screen, person, config.timezone, config.currency)


@app.command()
def export(
    identifier: Identifier,
    shop: Shop = HERE,
    out: Annotated[Path | None, typer.Option(help="Write to this JSON file instead of stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export everything that is kept about one person (GDPR article 15): JSON on stdout, or into a file."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        text = workspace.exported(identifier, out)
    if out is None:
        screen.lines([text])
    else:
        from coterie.workspace.results import write_whole

        write_whole(out, text)
        screen.say(f"Written to {out.resolve()}")


@app.command()
def forget(
    identifier: Annotated[
        str | None, typer.Argument(help="One identifier, as kind=value, such as customer_id=1234.", show_default=False)
    ] = None,
    shop: Shop = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    again: Annotated[
        list[Path] | None,
        typer.Option(help="Instead of an identifier: an earlier receipt (JSON), after an older backup was restored."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Erase one person from every table and file of the shop (GDPR article 17), with a receipt, and keep them out."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        if not dry_run and not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError("forget: nobody is here to be asked.", hint="--yes erases without asking.")
            typer.confirm("Erase this person for good?", abort=True, err=True)
        receipt = workspace.forget(identifier, dry_run=dry_run, again=again or ())
    if as_json:
        screen.answer(receipt.to_json())
    else:
        from coterie.cli.words import erasure_lines

        erasure_lines(screen, receipt, dry_run=dry_run)


@app.command()
def readmit(identifier: Identifier, shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Let a forgotten person back in, on their own wish: later imports take their rows again."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        count = workspace.readmit(identifier)
    if as_json:
        screen.answer({"readmitted": count})
    else:
        screen.lines([f"Later imports take {count} identifier{'s' if count != 1 else ''} of this person again."])
