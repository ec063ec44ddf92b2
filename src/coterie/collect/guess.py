"""A guess at what files mean that nobody has described yet, from the names and values of their columns.

It is written down for people to check and never acted upon: the proposal says why each line stands there and what could
not be told, and it declares no lawful basis, so nothing is imported before somebody has read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from glob import escape
from itertools import islice
from pathlib import Path

from coterie.collect import shops
from coterie.collect.columns import LIKELY, Column
from coterie.collect.proposal import Line, Proposal, ReadProposal, quoted_text, spelled
from coterie.collect.roles import NAMES, fit, kind_of, plain
from coterie.collect.sample import Sample
from coterie.collect.sources import find
from coterie.errors import UnreadableSourceError
from coterie.schema import IdentifierKind, Kind

IDENTIFIERS = tuple(str(kind) for kind in IdentifierKind)
_NUMBERS = ("amount", "price", "quantity", "discount")
_BESIDE = {"freight", "shipping", "postage", "delivery", "tax", "taxes", "vat", "fee", "tip", "versand", "steuer"}
_GROUPS = {
    "order_line": ("order_id", "product_id", "quantity", "discount", "currency", "channel", "place"),
    "event": ("order_id", "product_id", "campaign_id", "channel", "currency"),
    "product": ("product_id", "name", "brand", "department", "category", "subcategory"),
    "consent": ("purpose", "choice"),
    "trait": (),
}
TELLING = 4
"""So many columns of the same names, and a file is taken for what a ready mapping knows."""

MANY = 20
"""So many orders, each of another person, and the column may be no person's."""

FEW = 60
"""A column of a list of people with at most so many different values is proposed as a trait."""


def look(folder: Path) -> tuple[list[Sample], dict[str, str]]:
    """Return the beginnings of all files of a folder, and of those below it, and file → why of what is no table.

    Raises
    ------
    UnreadableSourceError
        When there is no such folder, or no table in it.
    """
    if not folder.is_dir():
        why = "it is a file" if folder.is_file() else "there is no such folder"
        raise UnreadableSourceError.of(folder, why, hint="name the folder that the files lie in.")
    samples: list[Sample] = []
    unread: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.startswith(".") or path.suffix.lower() in (".md", ".toml", ".pdf", ".html"):
            continue
        file = path.relative_to(folder).as_posix()
        try:
            samples.append(Sample.of(path, file))
        except UnreadableSourceError as error:
            unread[file] = error.message.partition(f"{path}: ")[2].rstrip(".") or error.message
    if not samples:
        what = "".join(f"; {file}: {why}" for file, why in islice(unread.items(), 3))
        hint = "CSV, JSON Lines, Parquet and Excel can be read, also packed with gzip or zstd; unpack others first."
        raise UnreadableSourceError.of(folder, f"no file in it can be read as a table{what}", hint=hint)
    return samples, unread


def propose(folder: Path) -> Proposal:
    """Propose a mapping for the files of a folder, and of those below it.

    Raises
    ------
    UnreadableSourceError
        When there is no file that can be read as a table.
    """
    samples, unread = look(folder)
    known = recognised(samples)
    grouped: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.names, []).append(sample)
    groups = [
        part
        for alike in grouped.values()
        for part in ([alike] if _catches(folder, alike) else [[sample] for sample in alike])
    ]
    firsts = [alike[0] for alike in groups]
    reads = [_read(alike, [other for other in firsts if other is not alike[0]]) for alike in groups]
    reads = _once(reads)
    joined = {line.value: read.file for read in reads for line in read.lines if line.key == "join"}
    for at, read in enumerate(reads):
        users = [user for value, user in joined.items() if quoted_text(read.file) in value]
        if read.target is None and users:
            reads[at] = replace(read, why=f"its rows are joined to those of {', '.join(users)}")
    reads += [
        ReadProposal(file, None, f"it cannot be read: {why}", (), (), ()) for file, why in islice(unread.items(), FEW)
    ]
    source = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "shop"
    return Proposal(source, tuple(reads), known)


def _once(reads: list[ReadProposal]) -> list[ReadProposal]:
    """Leave out the money of orders whose lines are in another file: a payment is no purchase beside its lines."""
    lines = [read for read in reads if read.target == "order_line"]
    whole = [read for read in lines if any(line.key == "product_id" for line in read.lines)]
    kept = []
    for read in reads:
        if read.target == "order_line" and whole and read not in whole:
            why = f"its money would count beside that of {whole[0].file}, which names what was bought"
            kept.append(ReadProposal(read.file, None, why, (), (), ()))
        elif others := [other.file for other in (whole or lines) if read in (whole or lines) and other is not read]:
            ask = f"are these other orders than those of {', '.join(others)}? What is in both counts twice."
            kept.append(replace(read, questions=(*read.questions, ask)))
        else:
            kept.append(read)
    return kept


def _catches(folder: Path, alike: list[Sample]) -> bool:
    """Return whether the pattern of files alike stands for these files and no others."""
    if len(alike) == 1:
        return True
    with suppress(UnreadableSourceError):
        return set(find(folder, _pattern([each.file for each in alike]))) == {folder / each.file for each in alike}
    return False


def recognised(samples: Iterable[Sample]) -> dict[str, str]:
    """Return which ready mapping knows a file by its columns: file → name of the mapping that uses most of them."""
    found: dict[str, str] = {}
    for sample in samples:
        there = {*sample.names, *(path.split(".")[0] for path in (*sample.names, *sample.lists))}
        fitting = [(len(needed), name) for name, needed in _ready() if len(needed) >= TELLING and needed <= there]
        if fitting:
            found[sample.file] = max(fitting)[1]
    return found


@cache
def _ready() -> tuple[tuple[str, frozenset[str]], ...]:
    """Return, of each read of the ready mappings, its name and the columns that a file must have at its root."""
    return tuple(
        (name, frozenset(re.split(r"[.\[]", column)[0] for column in read.columns))
        for name in shops.names()
        for read in shops.ready(name).reads
    )


def roles(sample: Sample) -> dict[str, Column]:
    """Return which column plays which role: the best name whose values fit, each column in one role only."""
    scored = [
        (fit(role, column.name) + _seen(role, column), role, column)
        for role in NAMES
        for column in sample.columns
        if column.filled and _fits(role, column)
    ]
    found: dict[str, Column] = {}
    for score, role, column in sorted(scored, key=lambda each: -each[0]):
        if score > 0 and role not in found and column not in found.values():
            found[role] = column
    if not any(kind in found for kind in IDENTIFIERS):
        own = [column for column in sample.columns if column.unique and re.fullmatch(r"(.*_)?id", plain(column.name))]
        if own and own[0] not in found.values():
            found["customer_id"] = own[0]
    return found


def _seen(role: str, column: Column) -> float:
    """Return what the values alone say for a role."""
    return 0.5 if (role == "email" and column.email >= LIKELY) or (role == "currency" and column.currency == 1) else 0.0


def _fits(role: str, column: Column) -> bool:
    if role == "occurred_at":
        return bool(column.times)
    if role in _NUMBERS:
        beside = role in ("amount", "price") and _BESIDE & set(plain(column.name).split("_"))
        return column.number and not column.times and not beside
    if role == "currency":
        return column.currency >= LIKELY
    if role == "email":
        return column.email >= 0.8
    if role == "event":
        return bool(column.words) and not column.number
    if role in (*IDENTIFIERS, "order_id", "product_id", "line_id", "event_id"):
        return (
            column.times in ((), ("%Y%m%d",))
            and column.email < LIKELY
            and (not column.number or column.whole >= LIKELY)
        )
    return not column.times


def _read(alike: list[Sample], others: list[Sample]) -> ReadProposal:
    sample, file = alike[0], _pattern([each.file for each in alike])
    found = roles(sample)
    target, why = _target(found)
    if target is None:
        return ReadProposal(file, None, why, (), (), sample.names)
    lines: list[Line] = list(_writing(sample, found))
    questions: list[str] = []
    joined: dict[str, Column] = {}
    if target in ("order_line", "event"):
        joined = _joined(found, others, lines)
    everything = found | {role: column for role, column in joined.items() if role not in found}
    people = [kind for kind in IDENTIFIERS if kind in everything]
    if target != "product":
        lines += [
            Line("identify", kind, quoted_text(everything[kind].name), everything[kind].described()) for kind in people
        ]
        if people == ["customer_id"] and not fit("customer_id", everything["customer_id"].name):
            questions.append(
                f"is {everything['customer_id'].name} a person? It is only known to be another one in each row."
            )
        shown = everything[people[0]] if people else None
        if target == "order_line" and shown and shown.unique and shown.rows >= MANY:
            questions.append(
                f"{shown.name} is another one in each row: is it the person's, or the order's? Then nobody comes back."
            )
        if not people:
            questions.append("no column tells whose rows these are: map one in 'identify'.")
    if target in ("order_line", "event", "consent") or (target == "trait" and "occurred_at" in everything):
        _time(everything.get("occurred_at"), lines, questions)
    if target == "order_line":
        _order(everything, lines, questions)
    if target == "event":
        _event(found, lines, questions)
    for role in _GROUPS[target]:
        if column := found.get(role):
            lines.append(Line("fields", role, quoted_text(column.name), column.described()))
    key = found.get("line_id" if target == "order_line" else "event_id")
    if target in ("order_line", "event") and key is not None and key.unique:
        lines.append(Line("", "id", f"[{quoted_text(key.name)}]", f"every row has its own: {key.described()}"))
    used = {name for line in lines for name in _named(line, sample.names)}
    left = [column for column in sample.columns if column.name not in used]
    if target == "trait":
        traits = [each for each in left if each.filled and not each.times and (each.number or each.distinct <= FEW)]
        lines += [Line("traits", column.name, quoted_text(column.name), column.described()) for column in traits]
        left = [column for column in left if column not in traits]
        if not traits:
            return ReadProposal(file, None, "rows name people and say nothing about them", (), (), sample.names)
    if target in ("event", "product"):
        lines += [
            Line("properties", column.name, quoted_text(column.name), column.described())
            for column in left
            if column.filled
        ]
        left = []
    if sample.lists:
        questions.append(f"{', '.join(sample.lists)}: lists of records; 'each' makes a fact of every element.")
    return ReadProposal(file, target, why, tuple(lines), tuple(questions), tuple(column.name for column in left))


def _target(found: dict[str, Column]) -> tuple[str | None, str]:
    person = [kind for kind in IDENTIFIERS if kind in found]
    if {"purpose", "choice"} <= set(found) and person:
        return "consent", "rows name a person, a purpose and a choice"
    if "order_id" in found and {"amount", "price"} & set(found):
        return "order_line", f"rows name an order ({found['order_id'].name}) and money"
    if person and "occurred_at" in found and {"event", "product_id", "campaign_id", "channel"} & set(found):
        return "event", f"rows name a person ({found[person[0]].name}) and a time, and no order with money"
    if "product_id" in found and found["product_id"].unique and {"name", "brand", "category"} & set(found):
        return "product", f"every row is another product ({found['product_id'].name})"
    if person and found[person[0]].unique and "order_id" not in found:
        return "trait", f"every row is another person ({found[person[0]].name})"
    if "order_id" in found:
        return None, "rows name an order and neither money nor what happened"
    if person and "occurred_at" not in found:
        return None, "rows name people but no time: what happened must say when"
    return None, "neither orders, events, products nor people are recognised"


def _writing(sample: Sample, found: dict[str, Column]) -> Iterable[Line]:
    """Yield how a CSV file is written, where that is not the default."""
    if sample.encoding not in (None, "utf-8", "utf-16"):
        yield Line("", "encoding", quoted_text(str(sample.encoding)), "the bytes are not UTF-8")
    if sample.delimiter not in (None, ","):
        yield Line(
            "", "delimiter", quoted_text(str(sample.delimiter)), "most lines have as many values as the header with it"
        )
    numbers = [found[role] for role in _NUMBERS if role in found]
    commas = [column.name for column in numbers if column.comma >= LIKELY > column.point]
    if commas:
        yield Line("", "decimal", '","', f"numbers of {', '.join(commas)} have a decimal comma")


def _joined(found: dict[str, Column], others: list[Sample], lines: list[Line]) -> dict[str, Column]:
    """Find what a row lacks in a file that has one row for each key of ours; add the join."""
    lacking = [] if any(kind in found for kind in IDENTIFIERS) else ["a person"]
    lacking += [] if "occurred_at" in found else ["a time"]
    for other in others if lacking else []:
        theirs = roles(other)
        for role in ("order_id", "customer_id"):
            if role in found and role in theirs and theirs[role].unique:
                has = ["a person"] if any(kind in theirs for kind in IDENTIFIERS) else []
                has += ["a time"] if "occurred_at" in theirs else []
                if brings := [each for each in lacking if each in has]:
                    pair = f"{{ {spelled(found[role].name)} = {quoted_text(theirs[role].name)} }}"
                    value = f"{{ file = {quoted_text(escape(other.file))}, on = {pair} }}"
                    lines.append(Line("", "join", value, f"it has one row a key and brings {' and '.join(brings)}"))
                    return {
                        each: column
                        for each, column in theirs.items()
                        if each in (*IDENTIFIERS, "occurred_at", "currency")
                    }
    return {}


def _time(column: Column | None, lines: list[Line], questions: list[str]) -> None:
    if column is None:
        questions.append("no column says when it happened: map one to occurred_at.")
        return
    forms = [form for form in column.times if form != "iso"]
    value = quoted_text(column.name)
    if forms:
        written = quoted_text(forms[0]) if len(forms) == 1 else "[" + ", ".join(map(quoted_text, forms)) + "]"
        value = f"{{ column = {quoted_text(column.name)}, format = {written} }}"
    if len(forms) > 1:
        questions.append(
            f"{column.name} can be read as {' or as '.join(forms)}: keep one. With both, what differs is set aside."
        )
    lines.append(Line("fields", "occurred_at", value, column.described()))


def _order(found: dict[str, Column], lines: list[Line], questions: list[str]) -> None:
    """Add the money and the kind of an order line."""
    amount, price, quantity = (found.get(role) for role in ("amount", "price", "quantity"))
    if price is not None and quantity is not None and (amount is None or fit("amount", amount.name) < 0.5):
        pair = f"{{ multiply = [{quoted_text(quantity.name)}, {quoted_text(price.name)}] }}"
        lines.append(Line("fields", "amount", pair, "a price of one and a quantity; no total of the line"))
    elif (money := amount or price) is not None:
        lines.append(Line("fields", "amount", quoted_text(money.name), money.described()))
        if amount is not None and price is not None:
            questions.append(f"is {amount.name} the total of the line, or of the whole order on each of its lines?")
    back = any(column.negative for column in (amount, quantity) if column is not None)
    order = found["order_id"]
    if order.prefixes:
        meant = {"C": str(Kind.ORDER_CANCELLED), "R": str(Kind.ORDER_REFUNDED)}
        known = ", ".join(f"{each} = {quoted_text(meant[each])}" for each in order.prefixes if each in meant)
        if known:
            rest = quoted_text(Kind.ORDER_COMPLETED)
            value = f"{{ column = {quoted_text(order.name)}, prefixes = {{ {known} }}, otherwise = {rest} }}"
            lines.append(Line("", "kind", value, f"some values of {order.name} begin with a letter"))
        if other := [each for each in order.prefixes if each not in meant]:
            questions.append(f"what do {', '.join(other)} before numbers of {order.name} mean?")
    elif back:
        questions.append(
            "some quantities or amounts are below 0: which column tells refunds from orders? Map it to 'kind'."
        )


def _event(found: dict[str, Column], lines: list[Line], questions: list[str]) -> None:
    column = found.get("event")
    if column is None:
        assumed = Kind.PRODUCT_VIEWED if "product_id" in found else Kind.PAGE_VIEWED
        lines.append(Line("", "kind", quoted_text(assumed), "assumed: no column says what happened"))
        questions.append(f"are these all {assumed!s} events?")
        return
    known = {word: kind for word in column.words if (kind := kind_of(word)) is not None and word != kind}
    listed = ", ".join(f"{spelled(word)} = {quoted_text(kind)}" for word, kind in known.items())
    values = f"values = {{ {listed} }}, " if known else ""
    value = f'{{ column = {quoted_text(column.name)}, {values}otherwise = "Custom Event" }}'
    lines.append(Line("", "kind", value, f"{len(known)} of {column.distinct} different words are known"))
    lines.append(Line("properties", "name", quoted_text(column.name), "keeps the source's own word"))


def _named(line: Line, names: Sequence[str]) -> list[str]:
    """Return the columns that a line uses."""
    return [name for name in names if quoted_text(name) in line.value or f"{{ {spelled(name)} = " in line.value]


def _pattern(files: list[str]) -> str:
    """Return one path or glob that stands for files alike.

    >>> _pattern(["orders-01.csv", "orders-02.csv"])
    'orders-0*.csv'
    """
    if len(files) == 1:
        return escape(files[0])
    start = _shared(files)
    return f"{escape(start)}*{escape(_shared([file[len(start) :][::-1] for file in files])[::-1])}"


def _shared(texts: list[str]) -> str:
    """Return the letters that all texts begin with."""
    least, most = min(texts), max(texts)
    return least[: next((at for at, letter in enumerate(least) if letter != most[at : at + 1]), len(least))]
