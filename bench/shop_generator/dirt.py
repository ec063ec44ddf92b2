"""Spoils a stated share of the order lines, and counts exactly what it spoiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shop_generator.parameters import Parameters
from shop_generator.people import Ints

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Spoiled:
    """The order lines as the shop's export has them.

    ``counts``: ``nobody`` rows name no customer, ``bad_amount`` and ``bad_time`` rows hold no such value, ``spoiled``
    rows have at least one of the three, ``duplicates`` rows repeat a good row; ``late`` and ``untidy`` rows are good.
    """

    table: pa.Table
    bad_amount: Mask
    bad_time: Mask
    counts: Mapping[str, int]

    def as_text(self) -> pa.Table:
        """Return the table for a CSV file, where a bad amount or time is a text that is none."""
        table = self.table
        for name, bad, text in (("amount", self.bad_amount, "n/a"), ("ordered_at", self.bad_time, "31.02. 25:61")):
            values = pc.if_else(pa.array(bad), text, pc.cast(table[name], pa.string()))
            table = table.set_column(table.schema.get_field_index(name), name, values)
        return table


def spoil(p: Parameters, table: pa.Table, order: Ints, rng: np.random.Generator) -> Spoiled:
    """Spoil the lines of one block; ``order`` is the order of each line, as numbers from 0."""
    n = table.num_rows
    nobody = (rng.random(order.max() + 1 if n else 0) < p.missing)[order]  # a whole order names nobody
    bad_amount, bad_time = rng.random(n) < p.bad_amount, rng.random(n) < p.bad_time
    late = rng.random(n) < p.late
    hours = np.where(late, p.late_hours[0] * np.exp(p.late_hours[1] * rng.standard_normal(n)), 0.0)
    untidy = (rng.random(n) < p.untidy) & table["email"].is_valid().to_numpy() & ~nobody
    spoiled = nobody | bad_amount | bad_time

    def put(name: str, values: pa.Array | pa.ChunkedArray) -> None:
        nonlocal table
        table = table.set_column(table.schema.get_field_index(name), name, values)

    for name in ("customer_id", "email"):
        put(name, pc.if_else(pa.array(nobody), pa.scalar(None, pa.string()), table[name]))
    shouted = pc.binary_join_element_wise(" ", pc.utf8_upper(table["email"]), " ", "")
    put("email", pc.if_else(pa.array(untidy), shouted, table["email"]))
    put("amount", pc.if_else(pa.array(bad_amount), pa.scalar(None, pa.float64()), table["amount"]))
    recorded = (
        table["recorded_at"].cast(pa.int64()).to_numpy() + (hours * 3.6e9).astype(np.int64) // 1_000_000 * 1_000_000
    )
    put("recorded_at", pa.array(recorded).cast(pa.timestamp("us")))
    put("ordered_at", pc.if_else(pa.array(bad_time), pa.scalar(None, pa.timestamp("us")), table["ordered_at"]))

    again = np.flatnonzero((rng.random(n) < p.duplicates) & ~spoiled)
    rows = np.concatenate([np.arange(n), again])
    counts = {
        "nobody": int(nobody.sum()),
        "bad_amount": int(bad_amount.sum()),
        "bad_time": int(bad_time.sum()),
        "spoiled": int(spoiled.sum()),
        "duplicates": len(again),
        "late": int(late[rows].sum()),
        "untidy": int(untidy[rows].sum()),
    }
    return Spoiled(table.take(pa.array(rows)), bad_amount[rows], bad_time[rows], counts)
