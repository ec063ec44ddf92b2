"""Which engine computes features: the shop's own DuckDB, or Spark with the same facts shown to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlglot import exp

from coterie.errors import ParameterError
from coterie.schema import Table
from coterie.store.ports import Engine, Lake
from coterie.store.sql import ENGINES, Expression, column, named, text
from coterie.workspace.facts import PERSONAL, SHARED, Facts

NAMES = ENGINES


@contextmanager
def computing(engine: Engine | str, seen: Facts, lake: Lake) -> Iterator[Engine]:
    """Give an engine that shows what the purpose may see, for a ``with`` block.

    Parameters
    ----------
    engine
        ``"duckdb"`` (the shop's own), ``"spark"`` (one on this machine, which ends with the block), or an engine of
        yours, such as ``Spark(session)`` of a cluster, which keeps nothing of the shop afterwards.
    seen
        What may be seen.
    lake
        Where the facts are.

    Raises
    ------
    ParameterError
        There is no such engine.
    MissingExtraError
        Spark or its Java is not installed.
    """
    if engine == "duckdb":
        yield seen.warehouse
    elif engine == "spark":
        from coterie.store.spark import Spark

        with Spark(scratch=seen.warehouse.scratch) as spark:
            show(spark, seen, lake)
            yield spark
    elif isinstance(engine, str):
        raise ParameterError.of("build", "engine", engine, f"one of {', '.join(NAMES)}, or an engine")
    else:
        try:
            show(engine, seen, lake)
            yield engine
        finally:
            for table in (*PERSONAL, *SHARED):
                engine.drop(table.name)
                engine.drop(_every(table))
            engine.drop("person_of")


def show(engine: Engine, seen: Facts, lake: Lake) -> None:
    """Show the facts to an engine as the shop's own sees them: the sources that the purpose may use, and who is who."""
    for table in (*PERSONAL, *SHARED):
        engine.attach(_every(table), lake.source(table))
        engine.view(table.name, _permitted(table, seen.sources))
    engine.attach("person_of", seen.warehouse.query("SELECT subject, person, valid_from, valid_until FROM person_of"))


def _every(table: Table) -> str:
    return f"every_{table.name}"


def _permitted(table: Table, sources: list[str]) -> Expression:
    keep = column("source").isin(*(text(source) for source in sources))
    return exp.select(*(column(name) for name in table.schema.names)).from_(named(_every(table))).where(keep)
