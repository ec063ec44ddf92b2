"""Writes the shop as files that an import reads, and beside them the truth that an import does not see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from shop_generator import letters, visits
from shop_generator.dirt import Spoiled, spoil
from shop_generator.mapping import mapping_text
from shop_generator.parameters import Parameters
from shop_generator.people import Catalogue, Ints, Keys, People, scramble
from shop_generator.purchases import Orders, Rhythm, draw_lines, draw_orders

TIME = pa.timestamp("us")
WIDEST = 10_000_000  # orders, sessions or e-mails of one block: numbers of different blocks never meet


@dataclass(frozen=True)
class Made:
    """What was written: rows by table, and how many rows of which dirt."""

    folder: Path
    mapping: Path
    rows: Mapping[str, int]
    dirt: Mapping[str, int]


@dataclass
class _Writer:
    """Writes one table piece by piece, as one Parquet or one CSV file."""

    path: Path
    form: str
    rows: int = 0
    _sink: Any = field(default=None, repr=False)

    def write(self, table: pa.Table) -> None:
        if self.form == "csv":
            if self._sink is None:
                self._sink = pyarrow.csv.CSVWriter(self.path, table.schema)
            self._sink.write_table(table)
        else:
            if self._sink is None:
                self._sink = pyarrow.parquet.ParquetWriter(self.path, table.schema, compression="zstd")
            self._sink.write_table(table)
        self.rows += table.num_rows

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()


def label(prefix: str, numbers: Any, width: int = 0) -> pa.Array:
    """Return identifiers such as C0000012; null stays null."""
    text = pc.cast(pa.array(numbers), pa.string())
    if width:
        text = pc.utf8_lpad(text, width, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def times(microseconds: Any) -> pa.Array:
    """Return UTC microseconds as timestamps."""
    return pa.array(microseconds, pa.int64()).cast(TIME)


def device_keys(people: People, person: Ints, device: Ints, seed: int) -> Keys:
    """Return the random-looking number of each (person, device); device -1 is the first one of the neighbour."""
    owner = np.where(device < 0, people.number[person] ^ 1, people.number[person]).astype(np.uint64)
    return scramble(scramble(owner, seed + 1) + np.maximum(device, 0).astype(np.uint64), 3)


def emails(numbers: Any) -> pa.Array:
    """Return each person's address; .invalid-like example.org addresses reach nobody (RFC 2606)."""
    return pc.binary_join_element_wise(label("person", numbers), "@example.org", "")


def with_refunds(
    p: Parameters, table: pa.Table, order: Ints, end: int, rng: np.random.Generator
) -> tuple[pa.Table, Ints]:
    """Return the lines with those that take some of them back, at their own time, and the order of each."""
    n = table.num_rows
    later = table["ordered_at"].cast(pa.int64()).to_numpy() + (
        rng.exponential(p.refund_days * 86_400, n).astype(np.int64) * 1_000_000
    )
    back = np.flatnonzero((rng.random(n) < p.refunded) & (later < end))
    refunds = table.take(pa.array(back))
    for name, values in {
        "line_id": pc.binary_join_element_wise(refunds["line_id"], "R", "-"),
        "kind": pa.array(["Order Refunded"] * len(back), pa.string()),
        "ordered_at": times(later[back]),
        "recorded_at": times(later[back]),
    }.items():
        refunds = refunds.set_column(refunds.schema.get_field_index(name), name, values)
    return pa.concat_tables([table, refunds]), np.concatenate([order, order[back]])


@dataclass(frozen=True)
class _Block:
    people: People
    orders: Orders
    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]
    spoiled: Spoiled


def draw_block(
    p: Parameters, catalogue: Catalogue, rhythm: Rhythm, seed: int, block: int, *, clicks: bool, mails: bool
) -> _Block:
    """Draw everything about one block of people; each part has its own seed, so leaving one out changes no other."""
    part = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1 + i, block))) for i in range(7)]
    people = People.of(p, seed, block, part[0])
    orders = draw_orders(p, people, rhythm, part[1])
    lines = draw_lines(p, people, catalogue, orders, part[2])
    base = block * WIDEST
    n, number = len(people.number), people.number
    begin, end = int(rhythm.moments[0]), int(rhythm.moments[-1])
    customer, address = label("C", number, 7), emails(number)

    guest = orders.guest[lines.order]
    who = orders.person[lines.order]
    order_id = label("O", base + lines.order)
    line_no = visits.position(np.bincount(lines.order, minlength=len(orders.person))) + 1
    at = orders.at[lines.order]
    table = pa.table(
        {
            "line_id": pc.binary_join_element_wise(order_id, pc.cast(pa.array(line_no), pa.string()), "-"),
            "order_id": order_id,
            "customer_id": pc.if_else(pa.array(guest), pa.scalar(None, pa.string()), customer.take(pa.array(who))),
            "email": pc.if_else(pa.array(guest), address.take(pa.array(who)), pa.scalar(None, pa.string())),
            "kind": pa.array(["Order Completed"]).take(pa.array(np.zeros(len(who), np.int8))),
            "channel": pc.if_else(pa.array(orders.web[lines.order]), "web", "store"),
            "ordered_at": times(at),
            "recorded_at": times(at),
            "product_id": label("P", lines.product, 6),
            "quantity": pa.array(lines.quantity),
            "amount": pa.array(lines.amount / 100.0),
            "discount": pa.array(lines.discount / 100.0),
            "currency": pa.array([p.currency]).take(pa.array(np.zeros(len(who), np.int8))),
        }
    )
    table, order = with_refunds(p, table, lines.order, end, part[6])
    spoiled = spoil(p, table, order, part[3])
    tables = {"orders": spoiled.table}

    joined = np.full(n, end, np.int64)
    np.minimum.at(joined, orders.person, orders.at)
    has = joined < end
    tables["customers"] = pa.table(
        {
            "customer_id": customer,
            "email": address,
            "joined_at": times(joined),
            "region": pa.array(["north", "south", "east", "west"]).take(
                pa.array((scramble(people.key, 5) % np.uint64(4)).astype(np.int8))
            ),
            "age_band": pa.array(["18-24", "25-34", "35-44", "45-54", "55-64", "65+"]).take(
                pa.array((scramble(people.key, 6) % np.uint64(6)).astype(np.int8))
            ),
        }
    ).filter(pa.array(has))

    linked: list[pa.Table] = []
    if clicks:
        events = visits.draw_events(p, people, catalogue, orders, lines, part[4])
        device = device_keys(people, events.person, events.device, seed)
        tables["clicks"] = pa.table(
            {
                "event_id": label("E", base * 10 + np.arange(len(events.at))),
                "event": pa.array(visits.KINDS).take(pa.array(events.kind)),
                "session_id": label("S", base + events.session),
                "anonymous_id": label("a", device),
                "customer_id": pc.if_else(
                    pa.array(events.known), customer.take(pa.array(events.person)), pa.scalar(None, pa.string())
                ),
                "product_id": pc.if_else(
                    pa.array(events.product >= 0), label("P", np.maximum(events.product, 0), 6), None
                ),
                "occurred_at": times(events.at),
                "received_at": times(events.at + 1_000_000),
            }
        )
        pairs, index = np.unique(np.stack([events.person, events.device]), axis=1, return_inverse=True)
        pairs = pairs.astype(np.int64)
        linked.append(
            pa.table(
                {
                    "person": pa.array(number[pairs[0]]),
                    "kind": pa.array(["anonymous_id"] * pairs.shape[1]),
                    "value": label("a", device_keys(people, pairs[0], pairs[1], seed)),
                    "linked": pa.array(np.bincount(index.ravel(), events.known, pairs.shape[1]) > 0),
                    "owner": pa.array(np.where(pairs[1] < 0, number[pairs[0]] ^ 1, number[pairs[0]])),
                }
            )
        )
    consents = [(np.flatnonzero(has), joined[has], people.opted_in[has])]
    if mails:
        sent = letters.draw_mails(p, people, joined, begin, end, part[5])
        tables["emails"] = pa.table(
            {
                "event_id": label("M", base * 10 + np.arange(len(sent.at))),
                "event": pa.array(letters.KINDS).take(pa.array(sent.kind)),
                "email": address.take(pa.array(sent.person)),
                "campaign_id": label("N", sent.campaign, 3),
                "occurred_at": times(sent.at),
                "received_at": times(sent.at + 1_000_000),
            }
        )
        out = sent.kind == 3
        consents.append((sent.person[out], sent.at[out], np.zeros(int(out.sum()), bool)))
    whose, when, yes = (np.concatenate(column) for column in zip(*consents, strict=True))
    tables["consents"] = pa.table(
        {
            "customer_id": customer.take(pa.array(whose)),
            "purpose": pa.array(["marketing"] * len(whose)),
            "choice": pc.if_else(pa.array(yes), "granted", "withdrawn"),
            "at": times(when),
        }
    )
    for kind, values, index in (
        ("customer_id", customer, np.flatnonzero(has)),
        ("email", address, np.flatnonzero(has)),
    ):
        linked.append(
            pa.table(
                {
                    "person": pa.array(number[index]),
                    "kind": pa.array([kind] * len(index)),
                    "value": values.take(pa.array(index)),
                    "linked": pa.array(np.ones(len(index), bool)),
                    "owner": pa.array(number[index]),
                }
            )
        )
    truth = {
        "identifiers": pa.concat_tables(linked),
        "people": pa.table(
            {
                "person": pa.array(number),
                "customer_id": customer,
                "rate": pa.array(people.rate),
                "leaving": pa.array(people.leaving),
                "orders": pa.array(np.bincount(orders.person, minlength=n)),
                "guest_orders": pa.array(np.bincount(orders.person[orders.guest], minlength=n)),
                "spend": pa.array(np.bincount(who, lines.amount, n).astype(np.int64)),
                "department": pa.array([d[0] for d in p.departments]).take(
                    pa.array(np.argmax(np.diff(people.taste, axis=1, prepend=0.0), axis=1))
                ),
            }
        ),
    }
    return _Block(people, orders, tables, truth, spoiled)


def blocks(p: Parameters, seed: int, *, clicks: bool = True, mails: bool = True) -> Iterator[_Block]:
    """Yield the shop block by block; only one is in memory."""
    catalogue, rhythm = Catalogue.of(p, seed), Rhythm.of(p)
    for block in range(-(-p.people // p.block)):
        yield draw_block(p, catalogue, rhythm, seed, block, clicks=clicks, mails=mails)


def products_table(p: Parameters, seed: int) -> pa.Table:
    """Return the products as the shop lists them."""
    catalogue = Catalogue.of(p, seed)
    names = pa.array([d[0] for d in p.departments])
    within = np.arange(p.products) - catalogue.first[catalogue.department]
    department = names.take(pa.array(catalogue.department))
    category = pc.binary_join_element_wise(department, pc.cast(pa.array(within % 8 + 1), pa.string()), " ")
    return pa.table(
        {
            "product_id": label("P", np.arange(p.products), 6),
            "name": pc.binary_join_element_wise(department, pc.cast(pa.array(within + 1), pa.string()), " no. "),
            "department": department,
            "category": category,
            "brand": label("Brand ", within % 37),
            "price": pa.array(catalogue.price),
        }
    )


def generate(
    p: Parameters,
    folder: str | Path,
    *,
    seed: int = 0,
    form: str = "parquet",
    clicks: bool = True,
    mails: bool = True,
) -> Made:
    """Write the shop into a folder: one file a table, ``mapping.toml``, ``parameters.json`` and ``truth/``.

    Parameters
    ----------
    p
        The shop.
    folder
        Where to; made when it is not there, files of the same names are replaced.
    seed
        The same seed and parameters give the same rows.
    form
        ``parquet`` or ``csv``. The rows are the same; in CSV a bad amount or time is a bad text, in Parquet it is null.
    clicks, mails
        Whether to write the visits and the e-mails.
    """
    if form not in ("parquet", "csv"):
        raise ValueError(f"form must be parquet or csv, got {form!r}")
    folder = Path(folder)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    names = ["products", "orders", "customers", "consents", *["clicks"] * clicks, *["emails"] * mails]
    writers = {name: _Writer(folder / f"{name}.{form}", form) for name in names}
    truths = {name: _Writer(folder / "truth" / f"{name}.parquet", "parquet") for name in ("identifiers", "people")}
    writers["products"].write(products_table(p, seed))
    dirt: dict[str, int] = {}
    try:
        for block in blocks(p, seed, clicks=clicks, mails=mails):
            for name, table in block.tables.items():
                writers[name].write(block.spoiled.as_text() if form == "csv" and name == "orders" else table)
            for name, table in block.truth.items():
                truths[name].write(table)
            for name, count in block.spoiled.counts.items():
                dirt[name] = dirt.get(name, 0) + count
    finally:
        for writer in (*writers.values(), *truths.values()):
            writer.close()
    rows = {name: writer.rows for name, writer in writers.items()}
    mapping = folder / "mapping.toml"
    mapping.write_text(mapping_text(p, form, clicks=clicks, mails=mails), "utf-8")
    (folder / "truth" / "dirt.json").write_text(json.dumps({"rows": rows, "dirt": dirt}, indent=1) + "\n", "utf-8")
    (folder / "truth" / "parameters.json").write_text(
        json.dumps({"seed": seed, "form": form, **p.to_json()}, indent=1) + "\n", "utf-8"
    )
    return Made(folder, mapping, rows, dirt)
