"""Repertoires of a shop: what each person bought of each category, and how lately, as it was known at moments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.features import versions
from coterie.predict.propensity.repertoire import COLUMN, MEASURES, TYPE
from coterie.schema import TIME, Kind

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts

_GRAIN = 1 << 32  # decayed lines are added up as whole numbers of such parts: in any order they make the same sum


def with_repertoires(seen: Facts, table: pa.Table) -> pa.Table:
    """Return a table of people with the repertoire of each: an empty one of who bought nothing whose category is known.

    Parameters
    ----------
    seen
        What may be seen, from ``shop.facts``.
    table
        Has ``person`` and ``as_of`` (naive UTC).

    Returns
    -------
    pa.Table
        The table with the column ``repertoire``. An item is a category; products count as the category that they had
        when they were bought, and people as who they were known to be at the moment.
    """
    when, persons = table["as_of"].combine_chunks(), table["person"].combine_chunks()
    lists, place, there = [pa.array([[]], TYPE)], np.zeros(table.num_rows, dtype=np.int64), 1  # first that of nobody
    for moment in sorted(when.unique().to_pylist()):
        here = pc.equal(when, pa.scalar(moment, TIME))
        asked = persons.filter(here)
        found = _at(seen, moment, asked.unique())
        index = pc.index_in(asked, found["person"].combine_chunks())
        place[here.to_numpy(zero_copy_only=False)] = pc.fill_null(pc.add(index, there), 0)
        lists.append(found[COLUMN].combine_chunks())
        there += found.num_rows
    return table.append_column(COLUMN, pa.concat_arrays(lists).take(pa.array(place)))


def _at(seen: Facts, moment: datetime, people: pa.Array) -> pa.Table:
    """Return ``person, repertoire`` of those who had bought by a moment."""
    shelf = "".join(
        f"{name} AS ({tree.sql(dialect='duckdb')}), "
        for name, tree in {"versions": versions.versions(), "shelf": versions.shelf()}.items()
    )
    held = exp.and_(*versions.held("p", "f")).sql(dialect="duckdb")
    kept = ", ".join(f"{name} := {name}::FLOAT" for name in MEASURES)
    with seen.warehouse.temporary("wanted", pa.table({"person": people})):
        found = seen.warehouse.query(
            f"""
            WITH {shelf}facts AS (
              SELECT subject, source, product_id, order_id, EPOCH_US(occurred_at) AS occurred,
                     (EPOCH_US($moment) - EPOCH_US(occurred_at)) / 86400e6 AS age
              FROM order_lines
              WHERE kind = '{Kind.ORDER_COMPLETED}' AND product_id IS NOT NULL
                AND occurred_at <= $moment AND available_at <= $moment
            ), pairs AS (
              SELECT who.person, p.category AS item, COUNT(*) AS lines,
                     SUM(ROUND({_GRAIN} * POW(0.5, age / 90))::BIGINT) / {_GRAIN} AS decayed_90d,
                     SUM(ROUND({_GRAIN} * POW(0.5, age / 30))::BIGINT) / {_GRAIN} AS decayed_30d,
                     COUNT(DISTINCT (f.subject, f.source, f.order_id)) AS orders,
                     MIN(age) AS recency_days, MAX(age) AS first_days
              FROM facts AS f
              JOIN person_of AS who
                ON who.subject = f.subject AND who.valid_from <= $moment AND $moment < who.valid_until
              JOIN wanted ON wanted.person = who.person
              JOIN shelf AS p ON {held}
              WHERE p.category IS NOT NULL
              GROUP BY ALL
            )
            SELECT person, LIST(STRUCT_PACK(item := item, {kept}) ORDER BY item) AS {COLUMN}
            FROM pairs GROUP BY person
            """,
            {"moment": moment},
        )
    return pa.table({"person": found["person"], COLUMN: found[COLUMN].cast(TYPE)})
