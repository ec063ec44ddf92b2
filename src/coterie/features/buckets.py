"""Buckets: the rows of a spine, split by ranges of subject keys, so that a statement of any size needs bounded memory.

Subject keys are random numbers and compacted tables are sorted by them, so a bucket's facts lie in a few files, and an
engine skips the others by the extremes that these state. Persons whose subjects lie in several ranges are one bucket
more, which reads all facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from coterie.store import sql
from coterie.store.ports import Engine
from coterie.store.sql import alias, column, named

FACTS = 1_250_000
"""About so many facts, each counted once for every moment of its person, are worked on at a time."""

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bucket:
    """Rows of the spine whose facts are computed together.

    Parameters
    ----------
    positions
        Which rows, ascending.
    subjects
        The lowest and the highest subject key of these persons; None for all keys.
    """

    positions: _Numbers
    subjects: tuple[int, int] | None = None


def buckets(
    engine: Engine,
    persons: pa.ChunkedArray,
    tables: Iterable[str],
    size: int | None = None,
    *,
    moments: int | None = None,
) -> list[Bucket]:
    """Split the rows of a spine into buckets of about equally many subjects.

    Parameters
    ----------
    engine
        Shows ``person_of`` and the tables of facts.
    persons
        The person of each row of the spine, int64.
    tables
        The tables of facts that are read.
    size
        How many facts a bucket may have; ``FACTS`` when not given.
    moments
        How many moments are asked of all persons together; as many as rows when not given. A row about a person and a
        product (or category …) has facts of its own: of however many such rows, a fact is worked on in one a moment.

    Returns
    -------
    list of Bucket
        Every row is in one of them; only one where the facts are few.
    """
    everything = [Bucket(np.arange(len(persons), dtype=np.int64))]
    facts = sum(_count(engine, name) for name in sorted(set(tables)))
    asked, rows = np.unique(_numbers(persons), return_inverse=True)
    moments = len(persons) if moments is None else moments
    if facts * moments <= (size or FACTS) * len(asked):  # a small shop needs no look at who is who
        return everything
    keys, least, most = column("person"), exp.Min(this=column("subject")), exp.Max(this=column("subject"))
    query = exp.select(keys, alias(least, "least"), alias(most, "most")).from_(named("person_of")).group_by(keys.copy())
    known = engine.query(query)
    if not known.num_rows:
        return everything
    order = np.argsort(_numbers(known["person"]), kind="stable")
    owners, least_of, most_of = (_numbers(known[name])[order] for name in ("person", "least", "most"))
    at = np.minimum(np.searchsorted(owners, asked), len(owners) - 1)
    # somebody whom no subject stands for has no facts, so that any bucket will do
    low, high = least_of[at], np.where(owners[at] == asked, most_of[at], least_of[at])
    # the facts of those who are not asked for are not worked on
    worked_on = facts * moments / max(len(owners), len(asked))
    number = max(1, round(worked_on / (size or FACTS)))
    edges = np.unique(np.sort(low)[np.arange(1, number) * len(low) // number])
    first, last = np.searchsorted(edges, low, side="right"), np.searchsorted(edges, high, side="right")
    bucket = np.where(first == last, first, len(edges) + 1)
    return list(_made(bucket, rows, low, high, len(edges) + 1))


def joined(buckets: list[Bucket], answers: list[pa.Table]) -> pa.Table:
    """Return the answers to buckets as one table, its rows in the order of the spine; ``answers`` is emptied."""
    table = pa.concat_tables(answers)
    answers.clear()
    positions = np.concatenate([bucket.positions for bucket in buckets])
    if (positions[1:] > positions[:-1]).all():
        return table
    order = pa.array(np.argsort(positions, kind="stable"))
    for index, field in enumerate(table.schema):  # one after the other, so that only one is there twice
        table = table.set_column(index, field, table.column(index).take(order))
    return table


def _made(bucket: _Numbers, rows: _Numbers, low: _Numbers, high: _Numbers, extra: int) -> Iterator[Bucket]:
    of_rows = bucket[rows]
    order = np.argsort(of_rows, kind="stable")
    starts = np.searchsorted(of_rows[order], np.arange(extra + 2))
    for index in range(extra + 1):
        positions = order[starts[index] : starts[index + 1]].astype(np.int64)
        if len(positions):
            inside = bucket == index
            ends = None if index == extra else (int(low[inside].min()), int(high[inside].max()))
            yield Bucket(positions, ends)


def _count(engine: Engine, name: str) -> int:
    answer = engine.query(exp.select(alias(sql.count(), "facts")).from_(named(name)))
    return int(answer["facts"][0].as_py())


def _numbers(values: pa.ChunkedArray) -> _Numbers:
    numbers: npt.NDArray[Any] = values.to_numpy()
    return numbers.astype(np.int64, copy=False)
