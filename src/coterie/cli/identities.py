"""The commands about who is who: what the rules make of it, why, and what people decide otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.frame import HERE, AsJson, Identifier, Shop, app, open_shop
from coterie.cli.screen import Screen

if TYPE_CHECKING:
    from coterie.profiles.preview import Preview
    from coterie.workspace.identities import Resolved

Other = Annotated[str, typer.Argument(help="Another identifier, as kind=value.")]
_SHOWN = 20


@app.command()
def resolve(
    shop: Shop = HERE,
    rules: Annotated[Path | None, typer.Option(help="Put the rules of this TOML file in force.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who would split or merge, and change nothing.")
    ] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="In a dry run show identifiers; goes on the audit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell who is who: persons, what was refused and set aside; with --rules, by new rules."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        found = workspace.resolve(rules, dry_run=dry_run, reveal=reveal)
    if as_json:
        screen.answer(found.to_json())
        return
    _lines(screen, found)


@app.command()
def why(
    identifier: Identifier,
    other: Annotated[str | None, typer.Argument(help="Another one: why it is the same person, or not.")] = None,
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Explain why identifiers are one person: the chain of what was seen together, and what was held back."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace:
        found = workspace.why(identifier, other)
    if as_json:
        screen.answer(found.to_json())
    else:
        screen.lines(found.lines())


@app.command()
def separate(identifier: Identifier, other: Other, shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Decide that two identifiers are not the same person, from now on."""
    with open_shop(shop) as workspace:
        number = workspace.separate(identifier, other)
    _decided(number, as_json=as_json, words=f"Decision {number}: the two are not the same person from now on.")


@app.command()
def join(identifier: Identifier, other: Other, shop: Shop = HERE, as_json: AsJson = False) -> None:
    """Decide that two identifiers are the same person, from now on."""
    with open_shop(shop) as workspace:
        number = workspace.join(identifier, other)
    _decided(number, as_json=as_json, words=f"Decision {number}: the two are the same person from now on.")


@app.command("undo-decision")
def undo_decision(
    decision: Annotated[int, typer.Argument(help="The number of the decision.")],
    shop: Shop = HERE,
    as_json: AsJson = False,
) -> None:
    """Take a decision back: from now on all is as if it had not been made."""
    with open_shop(shop) as workspace:
        number = workspace.undo_decision(decision)
    _decided(number, as_json=as_json, words=f"Decision {number}: decision {decision} is taken back.")


def _decided(number: int, *, as_json: bool, words: str) -> None:
    screen = Screen(as_json=as_json)
    if as_json:
        screen.answer({"decision": number})
    else:
        screen.lines([words])


def _lines(screen: Screen, found: Resolved) -> None:
    """Print who is who, in numbers and lists."""
    screen.lines(
        [
            f"{found.persons:,} person{'s have' if found.persons != 1 else ' has'} {found.subjects:,} identifiers; "
            f"{found.joined:,} with several, the largest with {found.largest:,}. Rules {found.version}."
        ]
    )
    if found.blocked:
        screen.lines([f"{found.blocked:,} identifiers are blocked and join nobody."])
    if reasons := found.reasons():
        screen.table(
            ("pairs seen together that are two persons", "because of"), [(n, why) for why, n in reasons.items()]
        )
    if found.hubs.num_rows:
        rows = sorted(found.hubs.to_pylist(), key=lambda row: (-row["seen_with"], row["subject"]))[:_SHOWN]
        told = [(str(row["subject"]), row["kind"], row["seen_with"], f"{row['since']:%Y-%m-%d}") for row in rows]
        screen.table(("hub", "kind", "seen with", "since"), told)
    if found.decisions.num_rows:
        rows = found.decisions.to_pylist()
        made = [
            (
                row["decision"],
                row["verb"],
                f"{row['kind_a']} {row['subject_a']}",
                f"{row['kind_b']} {row['subject_b']}",
                f"{row['decided_at']:%Y-%m-%d}",
            )
            for row in rows
        ]
        screen.table(("decision", "", "one", "other", "since"), made)
    if found.preview is not None:
        _preview(screen, found.preview, found.revealed)


def _preview(screen: Screen, change: Preview, revealed: dict[int, str]) -> None:
    """Print what would change."""
    screen.lines(
        [
            f"A dry run: {change.persons_before:,} persons would be {change.persons_after:,} (identifiers that were "
            f"never seen with another left out); {change.splits:,} would split, {change.merges:,} would be made of "
            f"several; "
            f"refused pairs {change.refused_before:,} → {change.refused_after:,}, "
            f"hubs {change.hubs_before:,} → {change.hubs_after:,}."
        ]
    )
    for title, told in (("would split", change.largest_splits), ("would be made of several", change.largest_merges)):
        if told:
            rows = [
                (
                    str(one.person),
                    one.subjects,
                    ", ".join(f"{number} {kind}" for kind, number in one.kinds.items()),
                    ", ".join(revealed.get(part, str(part)) for part in one.parts),
                )
                for one in told
            ]
            screen.table((f"person that {title}", "identifiers", "kinds", "parts"), rows)
