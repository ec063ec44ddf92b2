"""The commands. Each is one verb of :class:`coterie.Workspace`; ``demo`` is a walk through them."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from coterie.cli.screen import Screen
from coterie.errors import CoterieError, UsageError

if TYPE_CHECKING:
    from coterie.workspace import Workspace

app = typer.Typer(
    name="coterie",
    help="Customer segments that hold up: a real shop in, segments, evidence and reports out.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Shop = Annotated[
    Path, typer.Option("--shop", "-s", envvar="COTERIE_SHOP", help="The shop's folder.", show_default="this folder")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON on stdout.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="The moment whose past is read: a date (start of that day in the shop's time zone) or a time."),
]
Identifier = Annotated[str, typer.Argument(help="One identifier, as kind=value, such as customer_id=1234.")]
HERE = Path(".")


class Method(StrEnum):
    """Ways to make segments."""

    KMEANS = "kmeans"
    WARD = "ward"
    RFM = "rfm"


def _open(shop: Path, **settings: Any) -> Workspace:
    """Open the shop; imported late so that ``--help`` is quick."""
    from coterie.workspace import open as open_shop

    return open_shop(shop, **settings)


def _version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from coterie import __version__

        sys.stdout.write(f"coterie {__version__}\n")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Customer segments that hold up: a real shop in, segments, evidence and reports out."""


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
    with _open(shop, create=True, **settings) as workspace:
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
    with _open(shop) as workspace, screen.progress() as progress:
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
    with _open(shop) as workspace:
        quality = workspace.check()
    if as_json:
        screen.answer(quality.to_json())
    else:
        from coterie.cli.words import quality_table

        quality_table(screen, quality)
    if quality.problems:
        raise typer.Exit(5)


@app.command()
def build(
    shop: Shop = HERE,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Write the table to this Parquet file as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build every feature that the shop's data allow, for everybody who may be processed."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace, screen.progress() as progress:
        built = workspace.build(as_of, progress=progress)
        if out is not None:
            workspace.write(built.table, out, purpose="segmentation")
    if as_json:
        screen.answer(built.to_json())
    else:
        from coterie.cli.words import feature_table

        feature_table(screen, built)


@app.command()
def segment(
    shop: Shop = HERE,
    as_of: AsOf = None,
    method: Annotated[Method, typer.Option(help="How segments are made.")] = Method.KMEANS,
    k: Annotated[int | None, typer.Option(help="How many; chosen by stability when left out.", min=2)] = None,
    horizon: Annotated[int, typer.Option(help="Days of future that the report card judges by.", min=1)] = 91,
    model: Annotated[str | None, typer.Option(help="Assign by this model (or `latest`), without refitting.")] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the HTML report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make customer segments, judge them beside naive baselines, name them and publish them."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace, screen.progress() as progress:
        made = workspace.segment(as_of, method=method.value, k=k, horizon_days=horizon, model=model, progress=progress)
        path = made.report(report) if report is not None else None
    if as_json:
        screen.answer({**made.to_json(), "report": str(path) if path else None})
    else:
        from coterie.cli.words import segment_table

        segment_table(screen, made)
        if path:
            screen.say(f"The report: {path}")


@app.command()
def show(identifier: Identifier, shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Show what is known of one person, and which segment they are in."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace:
        person = workspace.show(identifier)
    if as_json:
        screen.answer(person.to_json())
    else:
        from coterie.cli.words import person_lines

        person_lines(screen, person)


@app.command()
def export(
    identifier: Identifier,
    shop: Shop = HERE,
    out: Annotated[Path | None, typer.Option(help="Write to this JSON file instead of stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export everything that is kept about one person (GDPR article 15): JSON on stdout, or into a file."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace:
        text = workspace.exported(identifier)
    if out is None:
        screen.lines([text])
    else:
        from coterie.workspace.results import write_whole

        write_whole(out, text)
        screen.say(f"Written to {out.resolve()}")


@app.command()
def forget(
    identifier: Identifier,
    shop: Shop = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase one person from every table and file of the shop (GDPR article 17), with a receipt."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace:
        if not dry_run and not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError("forget: nobody is here to be asked.", hint="--yes erases without asking.")
            typer.confirm("Erase this person for good?", abort=True, err=True)
        receipt = workspace.forget(identifier, dry_run=dry_run)
    if as_json:
        screen.answer(receipt.to_json())
    else:
        from coterie.cli.words import erasure_lines

        erasure_lines(screen, receipt, dry_run=dry_run)


@app.command()
def unlock(shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Let others write again after the machine of a writer is gone for good."""
    screen = Screen(as_json=as_json)
    with _open(shop) as workspace:
        released = workspace.unlock()
    if as_json:
        screen.answer({"released": released})
    else:
        screen.lines(["The shop is free to write." if released else "Nobody held the shop."])


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's shop and report go.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Run coterie's main job on a year of a real retailer (dunnhumby's Complete Journey)."""
    from coterie.cli.demo import walk

    walk(folder, Screen(as_json=as_json))


def run() -> None:
    """Run the command line and leave with its exit code."""
    screen = Screen(as_json="--json" in sys.argv[1:])
    code: object = 0
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except CoterieError as error:
        screen.error(error)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        screen.say("Interrupted; what was done so far is kept.")
        code = 130
    except TyperException as error:
        screen.error(UsageError(error.format_message(), hint="coterie COMMAND --help shows what is allowed."))
        code = 2
    except BrokenPipeError:
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
