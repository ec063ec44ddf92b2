"""The commands that bring data in and look after them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coterie.cli.frame import HERE, AsJson, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.errors import UsageError

if TYPE_CHECKING:
    from coterie.collect.receipt import Receipt

Source = Annotated[str | None, typer.Option(help="The name that facts carry, in place of the mapping's.")]
Basis = Annotated[
    list[str] | None,
    typer.Option(help="PURPOSE=WORDS: why the data may be used, in place of the mapping's; may be repeated."),
]
Currency = Annotated[str | None, typer.Option(help="ISO 4217 code of amounts whose row names none.")]
Timezone = Annotated[str | None, typer.Option(help="IANA name, of times without an offset.")]
Exported = Annotated[str | None, typer.Option(help="The day of the export, such as 2026-03-01, where files lack it.")]


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
    mapping: Annotated[str, typer.Argument(help="A mapping file (TOML), or a ready one (coterie mapping lists them).")],
    data: Annotated[list[Path] | None, typer.Argument(help="The folders that the mapping's files lie in.")] = None,
    source: Source = None,
    basis: Basis = None,
    currency: Currency = None,
    timezone: Timezone = None,
    exported: Exported = None,
    guess: Annotated[
        bool, typer.Option("--guess", help="Import nothing: propose a mapping for the files of the folder MAPPING.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="With --guess: write the mapping to this new file.")] = None,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Bring a source's files in: every row is accepted, quarantined with its reasons, or known already."""
    screen = Screen(as_json=as_json)
    if guess:
        _propose(screen, Path(mapping), out)
        return
    told = _told(source, basis, currency, timezone, exported)
    with open_shop(shop) as workspace, screen.progress() as progress:
        receipt = workspace.ingest(mapping, data, **told, progress=progress)
    tell(screen, receipt)


@app.command()
def replay(
    mapping: Annotated[str, typer.Argument(help="The mended mapping file, or a ready one.")],
    data: Annotated[Path | None, typer.Argument(help="Where look-ups, rates and the contract lie.")] = None,
    source: Source = None,
    basis: Basis = None,
    currency: Currency = None,
    timezone: Timezone = None,
    exported: Exported = None,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Judge a source's quarantined rows anew, after its mapping or contract was mended; the files are not needed."""
    screen = Screen(as_json=as_json)
    told = _told(source, basis, currency, timezone, exported)
    with open_shop(shop) as workspace, screen.progress() as progress:
        receipt = workspace.replay(mapping, data, **told, progress=progress)
    if not receipt.files and not as_json:
        screen.say(f"No row of {receipt.source} is in quarantine.")
    else:
        tell(screen, receipt)


@app.command()
def trace(
    file: Annotated[str, typer.Argument(help="The file, as the receipt names it.")],
    row: Annotated[int, typer.Argument(help="The row's number, from 1; the header does not count.", min=1)],
    import_id: Annotated[int | None, typer.Option("--import", help="Only this import.")] = None,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Say what became of one row of a file: its facts, its reasons, or the row that it repeats."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        fates = workspace.trace(file, row, import_id)
    if as_json:
        screen.answer([fate.to_json() for fate in fates])
    else:
        from coterie.cli.words import fate_lines

        fate_lines(screen, fates)


@app.command("undo-import")
def undo_import(
    import_id: Annotated[int, typer.Argument(help="The import's number, as the receipt and trace name it.")],
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Take an import back that was wrong, so that a corrected mapping can bring the file in anew."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        undone = workspace.undo_import(import_id)
    if as_json:
        screen.answer(undone)
    else:
        gone = undone["facts"] or 0
        facts = f"{gone:,} fact{'' if gone == 1 else 's'}"
        screen.lines([f"Undid import {import_id}, {undone['file']}: removed {facts}."])
        if also := ", ".join(map(str, undone["together_with"])):
            screen.lines([f"Import {also} went with it, for each had left rows out that the other had."])


def _told(
    source: str | None, basis: list[str] | None, currency: str | None, timezone: str | None, exported: str | None
) -> dict[str, Any]:
    """Return what was said of the files besides the mapping."""
    return {
        "source": source, "lawful_basis": _basis(basis), "currency": currency, "timezone": timezone,
        "exported": exported,
    }  # fmt: skip


def _basis(given: list[str] | None) -> dict[str, str] | None:
    """Return purpose → words of options such as ``segmentation=legitimate interest: …``."""
    if not given:
        return None
    found = dict(each.partition("=")[::2] for each in given)
    if empty := [purpose for purpose, words in found.items() if not words.strip()]:
        raise UsageError(
            f"--basis {empty[0]} gives no reason.", hint='write --basis "segmentation=legitimate interest: …".'
        )
    return found


def tell(screen: Screen, receipt: Receipt) -> None:
    """Show what came in; exit code 3 when all of it broke the contract."""
    if screen.as_json:
        screen.answer(receipt.to_json())
    else:
        from coterie.cli.words import receipt_table

        receipt_table(screen, receipt)
    if receipt.received and receipt.quarantined == receipt.received:
        raise typer.Exit(3)


def _propose(screen: Screen, folder: Path, out: Path | None) -> None:
    """Print a proposed mapping and what came of trying it, or write it to a file that is not there yet."""
    from coterie.cli.words import guess_lines
    from coterie.errors import UsageError
    from coterie.workspace.results import write_whole
    from coterie.workspace.trial import guess

    if out is not None and out.exists():
        raise UsageError(
            f"{out} exists already.", hint="a mapping that somebody may have edited is never written over."
        )
    with screen.progress() as progress:
        found = guess(folder, progress=progress)
    if out is not None:
        write_whole(out, found.proposal.toml())
    if screen.as_json:
        screen.answer(found.to_json())
        return
    if out is None:
        screen.lines([found.proposal.toml().rstrip()])
    guess_lines(screen, found)
    if out is not None and not any(read.target for read in found.proposal.reads):
        screen.say(f"Wrote {out}, which reads nothing yet: write a [[read]] for each file that matters.")
    elif out is not None:
        screen.say(f"The mapping: {out}. Read it, declare a lawful basis, then: coterie ingest {out} {folder}")
