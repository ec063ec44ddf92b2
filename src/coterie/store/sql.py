"""The SQL dialect: the few expressions that mean the same on every engine, and the lint that keeps statements to them.

Statements are SQLGlot trees, written once and rendered for DuckDB or Spark. What engines disagree about is not used:
see the rules in ``RULES``; ``lint`` walks a tree and raises with the name of the first rule that it breaks. On Spark,
the session's time zone has to be UTC and ANSI mode on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from coterie.errors import ParameterError
from coterie.store.offsets import offsets

Expression = exp.Expr

ENGINES = ("duckdb", "spark")
SECOND = 1_000_000  # times are numbers of microseconds
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


def column(name: str, table: str | None = None) -> exp.Column:
    """Return a quoted column, of a table where one is given.

    >>> column("as_of", "spine").sql("duckdb")
    '"spine"."as_of"'
    """
    return exp.column(name, table=table, quoted=True)


def named(name: str, short: str | None = None) -> exp.Table:
    """Return a relation by its quoted name, under a short name where one is given."""
    return exp.table_(name, quoted=True, alias=exp.to_identifier(short, quoted=True) if short else None)


def known(value: Expression) -> Expression:
    """Return the condition that a value is not missing."""
    return exp.not_(exp.Is(this=value, expression=exp.null()))


def whole(value: int) -> Expression:
    """Return a whole number of 64 bits."""
    return exp.cast(exp.Literal.number(value), "BIGINT") if abs(value) > 2**31 - 1 else exp.Literal.number(value)


def real(value: Expression | float) -> Expression:
    """Return a floating-point number: an expression cast to DOUBLE, or a literal that no engine reads as a decimal.

    >>> real(0.5).sql("spark"), real(column("amount")).sql("spark")
    ('5e-1', 'CAST(`amount` AS DOUBLE)')
    """
    if isinstance(value, exp.Expr):
        return exp.cast(value, "DOUBLE")
    mantissa, exponent = f"{value!r}".split("e") if "e" in f"{value!r}" else (f"{value!r}", "0")
    whole_part, _, decimals = mantissa.partition(".")
    sign = "-" if whole_part.startswith("-") else ""
    decimals = "" if decimals == "0" else decimals
    digits = (whole_part.lstrip("-") + decimals).lstrip("0") or "0"
    literal = exp.Literal.number(f"{digits}e{int(exponent) - len(decimals)}")
    return exp.Neg(this=literal) if sign else literal


def text(value: str) -> Expression:
    """Return a text literal."""
    return exp.Literal.string(value)


def moment(value: datetime) -> Expression:
    """Return a naive UTC time as a literal."""
    return exp.cast(text(value.isoformat(sep=" ")), "TIMESTAMP")


def epoch(time: Expression) -> Expression:
    """Return microseconds since 1970 of a naive UTC time.

    >>> epoch(column("occurred_at")).sql("spark")
    'UNIX_MICROS(`occurred_at`)'
    """
    return exp.UnixMicros(this=time)


def local(time: Expression, timezone: str, until: datetime | None = None) -> Expression:
    """Return a naive UTC time as microseconds of the local wall clock, counted from its 1 January 1970.

    Parameters
    ----------
    time
        The naive UTC time.
    timezone
        IANA name of the zone.
    until
        About the latest time. The changes of the zone's clocks in the decades before it are then written into the
        statement, which is several times faster than an engine's own look-up and the same on every engine; the engine
        is asked only about times that lie outside.

    Examples
    --------
    >>> local(column("t"), "Europe/Berlin").sql("spark")
    "UNIX_MICROS(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', `t`))"
    """
    if timezone == "UTC":
        return epoch(time)
    asked = epoch(exp.ConvertTimezone(source_tz=text("UTC"), target_tz=text(timezone), timestamp=time))
    if until is None or not (known_offsets := offsets(timezone, until.year)):
        return asked
    branches = []
    for since, offset in known_offsets:
        begun = exp.GTE(this=time.copy(), expression=moment(datetime(1970, 1, 1) + timedelta(seconds=since)))
        value = asked.copy() if offset is None else exp.Add(this=epoch(time.copy()), expression=whole(offset * SECOND))
        branches.append(exp.If(this=begun, true=value))
    return exp.Case(ifs=branches, default=asked)


def rest(value: Expression, step: int) -> Expression:
    """Return the remainder of a whole number by a step, never negative: what is above the multiple below."""
    return modulo(exp.Add(this=modulo(value, step), expression=whole(step)), step)


def modulo(value: Expression, step: int) -> Expression:
    """Return the remainder as engines have it, with the sign of the value."""
    return exp.Mod(this=_wrapped(value), expression=whole(step))


def floor_to(value: Expression, step: int) -> Expression:
    """Return the largest multiple of step that is not above a whole number."""
    return exp.Sub(this=_wrapped(value), expression=rest(value.copy(), step))


def floor_divide(value: Expression, step: int) -> Expression:
    """Return a whole number divided by a step, rounded down (also below 0, where ``DIV`` rounds up)."""
    return exp.cast(exp.IntDiv(this=exp.paren(floor_to(value, step)), expression=whole(step)), "BIGINT")


def when(condition: Expression | None, value: Expression, otherwise: Expression | None = None) -> Expression:
    """Return a value where a condition holds, else another or null; without a condition the value itself."""
    if condition is None:
        return value
    case = exp.Case().when(condition, value)
    return case if otherwise is None else case.else_(otherwise)


def both(*conditions: Expression | None) -> Expression | None:
    """Return the conjunction of conditions, leaving out those that are None; None when all are."""
    there = [condition for condition in conditions if condition is not None]
    return exp.and_(*there, copy=True) if there else None


def count(condition: Expression | None = None) -> Expression:
    """Return the number of rows for which a condition holds."""
    return exp.Count(this=when(condition, whole(1)))


def total(value: Expression, kind: str = "BIGINT") -> Expression:
    """Return a sum with its type said: an engine's own choice would differ (HUGEINT, DECIMAL)."""
    return exp.cast(exp.Sum(this=value), kind)


def ratio(numerator: Expression, denominator: Expression) -> Expression:
    """Return a division of floating-point numbers; dividing by zero gives null."""
    safe = exp.Nullif(this=real(denominator), expression=real(0.0))
    return exp.Div(this=real(numerator), expression=safe, typed=False, safe=False)


def row(*values: Expression) -> Expression:
    """Return several values as one, which is compared by the first, then by the next."""
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(f"value_{index}"), expression=value) for index, value in enumerate(values)
    ]
    return exp.Struct(expressions=fields)


def alias(expression: Expression, name: str) -> Expression:
    """Return the expression under a quoted name."""
    return exp.alias_(expression, name, quoted=True)


def _wrapped(value: Expression) -> Expression:
    return exp.paren(value) if isinstance(value, exp.Binary) else value


def render(tree: Expression, dialect: str = "duckdb") -> str:
    """Return a statement's text for an engine, after the lint; what the engine cannot do raises.

    Parameters
    ----------
    tree
        The statement.
    dialect
        One of ``ENGINES``. SQLGlot writes others, but lets pass what they do not have.

    Raises
    ------
    ParameterError
        The statement breaks a rule of the dialect, or the engine has no such construct.
    """
    if dialect not in ENGINES:
        raise ParameterError.of("SQL", "dialect", dialect, f"one of {', '.join(ENGINES)}")
    lint(tree)
    tree = tree.copy()
    for order in tree.find_all(exp.Order):
        order.set("expressions", [_nulls_last(one) for one in order.expressions])
    try:
        return tree.sql(dialect, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise ParameterError(f"The statement cannot be written for {dialect}: {error}.") from error


def _nulls_last(value: Expression) -> Expression:
    """Say that nulls come last, where nothing is said: by themselves engines differ."""
    ordered = value if isinstance(value, exp.Ordered) else exp.Ordered(this=value)
    if ordered.args.get("nulls_first") is None:
        ordered.set("nulls_first", False)
    return ordered


def lint(tree: Expression) -> None:
    """Raise ParameterError, with the rule's name, where a statement leaves the dialect.

    >>> from sqlglot import parse_one
    >>> lint(parse_one("SELECT SUM(amount) FROM order_lines", read="duckdb"))
    Traceback (most recent call last):
    coterie.errors.ParameterError: SQL dialect, rule sum-cast: SUM(amount).
    Hint: cast every SUM: engines choose HUGEINT, DECIMAL or BIGINT.
    """
    for node in tree.walk():
        if type(node) in _HARMLESS:
            continue
        for name, (broken, why) in RULES.items():
            if broken(node):
                raise ParameterError(f"SQL dialect, rule {name}: {node.sql('duckdb')[:200]}.", hint=f"{why}.")


def _is_cast(node: exp.Expr | None, kinds: Iterable[exp.DType] = ()) -> bool:
    while isinstance(node, exp.Paren | exp.Nullif | exp.Neg):
        node = node.this
    return isinstance(node, exp.Cast) and (not kinds or node.to.this in kinds)


def _decimal(node: exp.Expr) -> bool:
    if not (isinstance(node, exp.Literal) and not node.is_string):
        return False
    bare = "." in node.this and "e" not in node.this.lower()
    return bare and not _is_cast(node.parent, (exp.DType.DOUBLE,))


def _sum(node: exp.Expr) -> bool:
    if not isinstance(node, exp.Sum):
        return False
    outer = node.parent.parent if isinstance(node.parent, exp.Window) else node.parent
    return not _is_cast(outer)


def _division(node: exp.Expr) -> bool:
    double = (exp.DType.DOUBLE,)
    return isinstance(node, exp.Div) and not (_is_cast(node.this, double) or _is_cast(node.expression, double))


_REAL = (exp.Div, exp.Ln, exp.Exp, exp.Pow, exp.Sqrt, exp.Avg, exp.Stddev, exp.StddevSamp, exp.Variance)


def _is_real(node: exp.Expr | None) -> bool:
    """Tell whether a node can be seen to be a floating-point number."""
    if isinstance(node, exp.Paren | exp.Neg | exp.Abs | exp.Nullif):
        return _is_real(node.this)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return _is_real(node.this) or _is_real(node.expression)
    if isinstance(node, exp.Case):
        return any(_is_real(branch.args["true"]) for branch in node.args["ifs"]) or _is_real(node.args.get("default"))
    return isinstance(node, _REAL) or _is_cast(node, (exp.DType.DOUBLE,))


def _rounding(node: exp.Expr) -> bool:
    return (
        isinstance(node, exp.Cast) and node.to.this not in (exp.DType.DOUBLE, exp.DType.FLOAT) and _is_real(node.this)
    )


_HARMLESS = {exp.Column, exp.Identifier}  # most of a tree, and no rule is about them
_RANKING = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.Ntile)


def _order(node: exp.Expr) -> bool:
    if isinstance(node, exp.Window) and isinstance(node.this, _RANKING):
        order = node.args.get("order")
        return order is None or len(order.expressions) < 2
    return isinstance(node, exp.Select) and bool(node.args.get("limit")) and not node.args.get("order")


def _of(*kinds: type[exp.Expr]) -> Callable[[exp.Expr], bool]:
    return lambda node: isinstance(node, kinds)


_WIDE = {exp.DType.INT128, exp.DType.UINT128, exp.DType.DECIMAL, exp.DType.FLOAT}
_ZONED = {exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ}

# name → (does the node break it, what to do instead)
RULES: dict[str, tuple[Callable[[exp.Expr], bool], str]] = {
    "decimal-literal": (_decimal, "write 1e0, not 1.0: Spark reads that as DECIMAL"),
    "sum-cast": (_sum, "cast every SUM: engines choose HUGEINT, DECIMAL or BIGINT"),
    "division-cast": (_division, "cast one side of every / to DOUBLE"),
    "rounding-cast": (_rounding, "write ROUND first: a cast rounds on one engine and cuts off on the other"),
    "average": (_of(exp.Avg), "divide the total by the count: engines add up whole numbers in other types"),
    "logarithm": (_of(exp.Log), "write LN: the base of LOG is 10 or e"),
    "estimate": (
        _of(exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.ApproxQuantile, exp.ApproxDistinct),
        "count: engines estimate and interpolate differently",
    ),
    "text-function": (
        _of(
            exp.Concat,
            exp.ConcatWs,
            exp.Upper,
            exp.Lower,
            exp.ILike,
            exp.RegexpLike,
            exp.RegexpExtract,
            exp.RegexpReplace,
        ),
        "compare texts as they are: case, patterns and nulls differ",
    ),
    "filter": (_of(exp.Filter, exp.CountIf, exp.Qualify), "write COUNT(CASE …), and a subquery for QUALIFY"),
    "list": (_of(exp.ArrayAgg, exp.Array, exp.Unnest, exp.Explode, exp.Lateral), "keep rows, not lists"),
    "total-order": (_order, "order by a unique key: add the tie-break"),
    "arbitrary": (
        lambda node: (
            isinstance(node, exp.AnyValue | exp.First | exp.Last | exp.Mode | exp.TableSample)
            or (isinstance(node, exp.Distinct) and bool(node.args.get("on")))
        ),
        "say which row: definitions settle ties",
    ),
    "clock": (_of(exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Rand), "pass the moment as a parameter"),
    "calendar": (
        _of(exp.Extract, exp.DayOfWeek, exp.DateTrunc, exp.TimestampTrunc, exp.DateDiff, exp.Interval),
        "count in epoch numbers: engines start weeks and round differences differently",
    ),
    "type": (
        lambda node: isinstance(node, exp.DataType) and node.this in _WIDE | _ZONED,
        "use BIGINT, DOUBLE, TEXT and naive TIMESTAMP",
    ),
    "unknown-function": (_of(exp.Anonymous), "use a function that SQLGlot knows, so that it is translated"),
    "star": (lambda node: isinstance(node, exp.Star), "name the columns"),
}
