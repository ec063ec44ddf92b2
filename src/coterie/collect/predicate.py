"""SQL that others wrote about a row: parsed, held to the row's own columns and to harmless functions, written anew."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

import pyarrow as pa
from sqlglot import ErrorLevel, exp, parse
from sqlglot.errors import SqlglotError

from coterie.collect.notation import Block
from coterie.errors import DataError, StoreError
from coterie.store.sql import Expression
from coterie.store.warehouse import Warehouse

LONGEST = 4_000  # characters of a condition
_PLAIN: tuple[type[Expression], ...] = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.Is),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In),
    *(exp.Like, exp.ILike, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Case, exp.If),
    *(exp.Cast, exp.TryCast, exp.DataType, exp.Interval, exp.Var, exp.Escape),
)
_FUNCTIONS: dict[type[Expression], str] = {
    exp.Abs: "ABS",
    exp.Round: "ROUND",
    exp.Floor: "FLOOR",
    exp.Ceil: "CEIL",
    exp.Coalesce: "COALESCE",
    exp.Nullif: "NULLIF",
    exp.Least: "LEAST",
    exp.Greatest: "GREATEST",
    exp.Length: "LENGTH",
    exp.Lower: "LOWER",
    exp.Upper: "UPPER",
    exp.Trim: "TRIM",
    exp.Left: "LEFT",
    exp.Right: "RIGHT",
    exp.Substring: "SUBSTRING",
    exp.Concat: "CONCAT",
    exp.DPipe: "||",
    exp.Replace: "REPLACE",
    exp.StartsWith: "STARTS_WITH",
    exp.EndsWith: "ENDS_WITH",
    exp.Contains: "CONTAINS",
    exp.RegexpLike: "REGEXP_MATCHES",
    exp.RegexpFullMatch: "REGEXP_FULL_MATCH",
    exp.Extract: "EXTRACT",
}
_AGGREGATES: dict[type[Expression], str] = {
    exp.Count: "COUNT",
    exp.Sum: "SUM",
    exp.Avg: "AVG",
    exp.Min: "MIN",
    exp.Max: "MAX",
    exp.Median: "MEDIAN",
    exp.Distinct: "DISTINCT",
    exp.Star: "*",
}
_TYPES = {"VARCHAR", "TEXT", "INT", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN"}


def condition(sql: str, block: Block, columns: Collection[str], tables: Collection[str] = ()) -> str:
    """Return a condition over one row, written anew from its tree.

    Parameters
    ----------
    sql
        As somebody wrote it, in DuckDB's dialect.
    block
        Where it stands, for errors.
    columns
        What a row has.
    tables
        Names that may stand before a column.

    Raises
    ------
    MappingError
        It is no expression, or it uses another column or function; says which.

    Examples
    --------
    >>> condition("quantity > 100 and amount = 0", Block("rule", {}), ["quantity", "amount"])
    '"quantity" > 100 AND "amount" = 0'
    """
    return _written(_only(sql, block), block, columns, tables, aggregates=False)


def query(sql: str, block: Block, columns: Collection[str], table: str) -> tuple[str, str]:
    """Return what a query over one table counts or sums up, and its condition; either is SQL, the latter may be empty.

    Parameters
    ----------
    sql
        ``SELECT <one figure> FROM <table> [WHERE <condition>]``; ``${object}`` and ``${table}`` stand for the table.
    block, columns
        As for :func:`condition`.
    table
        The only table that it may read.

    Raises
    ------
    MappingError
        It is no such query.

    Examples
    --------
    >>> query("SELECT COUNT(*) FROM ${object} WHERE amount < 5", Block("rule", {}), ["amount"], "order_line")
    ('COUNT(*)', '"amount" < 5')
    """
    for name in ("object", "table", "model"):
        sql = sql.replace(f"${{{name}}}", table)
    tree = _only(sql, block)
    shape = f"SELECT one figure FROM {table} [WHERE condition]"
    if not isinstance(tree, exp.Select):
        raise block.fail(f"the query must be {shape}, got {sql[:200]!r}.")
    given = {name for name, value in tree.args.items() if value}
    origin = tree.args.get("from_") or tree.args.get("from")
    read = origin.this if origin is not None else None
    plain = isinstance(read, exp.Table) and not (read.args.get("joins") or read.db) and read.name == table
    if not given <= {"expressions", "from", "from_", "where", "kind"} or len(tree.expressions) != 1 or not plain:
        raise block.fail(f"the query must be {shape}, without joins, groups or other tables; got {sql[:200]!r}.")
    names = (table, read.alias) if read is not None and read.alias else (table,)
    figure = tree.expressions[0]
    figure = figure.this if isinstance(figure, exp.Alias) else figure
    where = tree.args.get("where")
    kept = _written(where.this, block, columns, names, aggregates=False) if where is not None else ""
    return _written(figure, block, columns, names, aggregates=True), kept


def tried(statements: Collection[tuple[Block, str]], schema: pa.Schema) -> None:
    """Try statements on a made-up row: DuckDB says what it cannot follow, such as texts compared with numbers.

    Parameters
    ----------
    statements
        Where each stands, for errors, and what it selects from ``row``.
    schema
        The columns of the row.

    Raises
    ------
    MappingError
        Names the place of the first that cannot be used, and DuckDB's reason.
    """
    if not statements:
        return
    values = {pa.string(): "x", pa.int64(): 1, pa.float64(): 1.0}
    row = {field.name: pa.array([values.get(field.type, 0)], field.type) for field in schema}
    with Warehouse(None, threads=1, memory_limit="256MB") as warehouse:
        warehouse.attach("row", pa.table(row))
        for block, sql in statements:
            try:
                warehouse.query(f"SELECT {sql}")
            except (StoreError, DataError) as error:
                why = error.message.split("\n")[0].split(": ", 1)[-1]
                raise block.fail(f"this cannot be judged: {why}", "compare like with like: texts with texts.") from None


def _only(sql: str, block: Block) -> Expression:
    """Return the one tree of a text."""
    if len(sql) > LONGEST:
        raise block.fail(f"the SQL is longer than {LONGEST:,} characters.")
    try:
        trees = parse(sql, read="duckdb", error_level=ErrorLevel.IMMEDIATE)
    except (SqlglotError, RecursionError) as error:
        raise block.fail(
            f"this is no SQL that can be read: {sql[:200]!r}.", "one condition, such as amount > 0"
        ) from error
    if len(trees) != 1 or trees[0] is None:
        raise block.fail(f"one expression is needed, got {sql[:200]!r}.")
    return trees[0]


def _written(
    tree: Expression, block: Block, columns: Collection[str], tables: Collection[str], *, aggregates: bool
) -> str:
    functions = {**_FUNCTIONS, **(_AGGREGATES if aggregates else {})}
    known = {name.lower(): name for name in columns}
    for node in tree.walk():
        if isinstance(node, exp.Column):
            near = get_close_matches(node.name, known.values(), n=1)
            if node.name.lower() not in known or (node.table and node.table not in tables):
                raise block.fail(
                    f"there is no column {node.sql('duckdb')}; a row has {', '.join(columns)}.",
                    f"did you mean {near[0]!r}?" if near else None,
                )
        elif isinstance(node, exp.DataType) and node.sql("duckdb").upper() not in _TYPES:
            raise block.fail(f"a cast to {node.sql('duckdb')} is not allowed; allowed are {', '.join(sorted(_TYPES))}.")
        elif isinstance(node, exp.In) and not node.expressions:
            raise block.fail("IN needs a list of values.")
        elif type(node) not in _PLAIN and type(node) not in functions:
            allowed = ", ".join(functions.values())
            raise block.fail(
                f"{node.sql('duckdb')[:80]!r} is not allowed in SQL about a row.",
                f"columns, values, comparisons, AND, OR, NOT, CASE, arithmetic, and the functions {allowed}.",
            )
    plain = tree.copy().transform(lambda node: _kept(node, known))
    return plain.sql("duckdb", unsupported_level=ErrorLevel.RAISE)


def _kept(node: Expression, known: dict[str, str]) -> Expression:
    """Quote columns as they are spelt, and let no cast fail."""
    if isinstance(node, exp.Column):
        return exp.column(known[node.name.lower()], quoted=True)
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
        return exp.TryCast(this=node.this, to=node.args["to"])
    return node
