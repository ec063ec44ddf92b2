"""The command that says which features there are, what they mean, and which of them the shop's data allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Per, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.errors import UsageError

if TYPE_CHECKING:
    from coterie.workspace.defining import Entry


@app.command()
def features(
    name: Annotated[
        str | None, typer.Argument(help="Show the exact definition of this feature; without it, all are listed.")
    ] = None,
    per: Per = "person",
    missing: Annotated[bool, typer.Option("--missing", help="Only those that the data do not allow, and why.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="With a name: print the statement that works it out.")] = False,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """List the features, the shop's own included: what each means, and whether the data allow it."""
    screen = Screen(as_json=as_json)
    if sql and name is None:
        raise UsageError("features: --sql needs the name of a feature.", hint="coterie features lists the names.")
    with open_shop(shop) as workspace:
        entries = workspace.features(name, per=per, missing=missing)
        zone, currency = workspace.config.timezone, workspace.config.currency
    if sql:
        from coterie.features.wording import sql as statement

        texts = {each.feature.name: statement(each.feature, timezone=zone, currency=currency) for each in entries}
        if as_json:
            screen.answer([{**each.to_json(), "sql": texts[each.feature.name]} for each in entries])
        else:
            screen.lines(list(texts.values()))
    elif as_json:
        screen.answer([each.to_json() for each in entries])
    elif name is not None:
        for each in entries:
            _one(screen, each)
    else:
        _listed(screen, entries, missing=missing)


def _one(screen: Screen, entry: Entry) -> None:
    """Print the definition of a feature, line by line."""
    from coterie.features.wording import definition

    told = [*definition(entry.feature), ("declared in", "features.toml" if entry.own else "the catalogue")]
    told.append(("can be built", "yes" if entry.missing is None else f"no: {entry.missing}"))
    screen.table(("", ""), [(word, said) for word, said in told])


def _listed(screen: Screen, entries: list[Entry], *, missing: bool) -> None:
    """Print the features, theme by theme, and how many of them can be built."""
    rows: list[tuple[str, str, str, str]] = []
    theme = ""
    for each in entries:
        here = "Your own" if each.own else each.theme
        if here != theme:
            rows += [("", "", "", "")] * bool(rows) + [(here.upper(), "", "", "")]
            theme = here
        one = each.feature
        rows.append((one.name, one.meaning, one.unit, each.missing or "yes"))
    screen.table(("feature", "meaning", "unit", "can be built"), rows)
    lacking = sum(each.missing is not None for each in entries)
    if missing:
        screen.lines([f"{lacking} features cannot be built."])
    else:
        screen.lines([f"{len(entries)} features, of which {len(entries) - lacking} can be built."])
