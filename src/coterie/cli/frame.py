"""What every command shares: the application, its options, and how a shop is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
Per = Annotated[str, typer.Option(help="Whom or what they are about: person, product, category …, person-category …")]
HERE = Path(".")


def open_shop(shop: Path, **settings: Any) -> Workspace:
    """Open the shop; imported late so that ``--help`` is quick."""
    from coterie.workspace import open as opened

    return opened(shop, **settings)
