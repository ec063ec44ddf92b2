"""The contract: what a row must satisfy to become a fact, as rules that compile to one bitmask over a relation.

A row that breaks a rule of severity ``quarantine`` is set aside with all its reasons; one that breaks a rule of
severity ``warn`` is kept and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from coterie.collect.targets import ORDER_KINDS, Target
from coterie.schema import Choice, Kind, Purpose
from coterie.store.sql import text

FUTURE = timedelta(days=1)
"""How far ahead of the import's clock a row may lie: clocks are wrong, and time zones are."""

HUGE_AMOUNT = 10**12  # minor units: ten billion dollars
HUGE_QUANTITY = 10**9
LONGEST = 512  # characters of an id


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    QUARANTINE = "quarantine"
    WARN = "warn"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    name
        Snake case; stored with each bad row.
    wrong
        What is wrong with the row, in words that follow "the row".
    hint
        What to do about it; empty where nothing can be said in general.
    targets
        The names of the targets that it applies to.
    condition
        SQL over the translated row that is true when the rule is broken; empty for rules that are broken before or
        after there is a translated row. ``{now}``, ``{currency}`` and ``{kinds}`` stand for the import's clock, the
        shop's currency and the kinds that the target can have.
    severity
        Whether the row is set aside or only counted.
    """

    name: str
    wrong: str
    hint: str
    targets: tuple[str, ...]
    condition: str = ""
    severity: Severity = Severity.QUARANTINE


def _one_of(values: Iterable[str]) -> str:
    return "(" + ", ".join(text(value).sql("duckdb") for value in values) + ")"


ORDER, EVENT, TRAIT, CONSENT, PRODUCT, OFFER = "order_line", "event", "trait", "consent", "product", "offer"
EVERY = (ORDER, EVENT, TRAIT, CONSENT, PRODUCT, OFFER)

RULES = (
    Rule("malformed", "cannot be parsed", "look for a stray quote or delimiter in that line.", EVERY),
    Rule(
        "conflicting_id",
        "has the id of another row but says something else",
        "name more columns in 'id', so that each row has its own.",
        EVERY,
    ),
    Rule(
        "unidentified",
        "names nobody: no identifier, or one such as 'null' that stands for none",
        "map a further identifier in 'identify', or leave such rows out.",
        (ORDER, EVENT, TRAIT, CONSENT),
        "subject IS NULL",
    ),
    Rule("no_id", "lacks a column of its id", "fill the column, or name others in 'id'.", (ORDER, EVENT), '"#no_id"'),
    Rule("no_order", "has no order id", "fill it; a source of order totals uses one line an order.", (ORDER,),
         "order_id IS NULL"),
    Rule("no_product", "has no product id", "", (PRODUCT,), "product_id IS NULL"),
    Rule("no_offer", "has no offer id", "", (OFFER,), "offer_id IS NULL"),
    Rule(
        "long_id",
        f"has an id of more than {LONGEST} characters",
        "a quote may be missing, so that text ran together.",
        (ORDER, EVENT, PRODUCT, OFFER),
        f'"#longest" > {LONGEST}',
    ),
    Rule(
        "no_time",
        "does not say when it happened",
        "",
        (ORDER, EVENT, CONSENT),
        'occurred_at IS NULL AND NOT "occurred_at#given"',
    ),
    Rule(
        "bad_time",
        "has a time that cannot be understood",
        'say how times are written: occurred_at = { column = "…", format = "%d/%m/%Y" }.',
        (ORDER, EVENT, TRAIT, CONSENT),
        '(occurred_at IS NULL AND "occurred_at#given") OR (available_at IS NULL AND "available_at#given")',
    ),
    Rule("bad_availability", "has an availability that cannot be understood", "", (PRODUCT, OFFER),
         'available_at IS NULL AND "available_at#given"'),
    Rule("ancient", "happened before 1970", "check the format of the time.", (ORDER, EVENT, TRAIT, CONSENT),
         "occurred_at < TIMESTAMP '1970-01-01'"),
    Rule("future", "happened in the future", "check the time zone and the format of the time.",
         (ORDER, EVENT, TRAIT, CONSENT), "occurred_at > {now}"),
    Rule("unknown_kind", "is of a kind that does not exist",
         'translate the source\'s words: kind = { column = "…", values = { … } }.', (ORDER, EVENT),
         "kind IS NULL OR kind NOT IN {kinds}"),
    Rule("no_amount", "has no amount", "", (ORDER,), 'amount IS NULL AND NOT "amount#given"'),
    Rule(
        "bad_amount",
        "has an amount or a discount that is no finite number below a trillion",
        'if the file writes 1.234,50, say decimal = ",".',
        (ORDER, EVENT),
        '(amount IS NULL AND "amount#given") OR {bad_discount}',
    ),
    Rule("negative_amount", "is a completed order with a negative amount",
         f"if it is a refund, its kind is {Kind.ORDER_REFUNDED!s}.", (ORDER, EVENT),
         f"amount < 0 AND kind = {text(Kind.ORDER_COMPLETED).sql('duckdb')}"),
    Rule("negative_discount", "has a negative discount",
         'if the source writes discounts as negative numbers, say discount = { column = "…", absolute = true }.',
         (ORDER,), "discount < 0"),
    Rule("huge_amount", "has an amount of more than ten billion", "check the unit and the decimal mark.",
         (ORDER, EVENT), f"ABS(amount) > {HUGE_AMOUNT} OR {{huge_discount}}"),
    Rule("bad_quantity", "has a quantity that is no finite number", "", (ORDER,),
         'quantity IS NULL AND "quantity#given"'),
    Rule("negative_quantity", "is a completed order with a negative quantity",
         f"if it is a refund, its kind is {Kind.ORDER_REFUNDED!s}.", (ORDER,),
         f"quantity < 0 AND kind = {text(Kind.ORDER_COMPLETED).sql('duckdb')}"),
    Rule("huge_quantity", "has a quantity of more than a billion", "", (ORDER,), f"ABS(quantity) > {HUGE_QUANTITY}"),
    Rule("bad_currency", "has a currency that is no ISO 4217 code", "", (ORDER, EVENT),
         "NOT REGEXP_FULL_MATCH(currency, '[A-Z]{{3}}')"),
    Rule(
        "foreign_currency",
        "is in another currency than the shop",
        "convert it before, or keep a shop for each currency: amounts of unlike currencies are never added up.",
        (ORDER, EVENT),
        "REGEXP_FULL_MATCH(currency, '[A-Z]{{3}}') AND currency <> {currency}",
    ),
    Rule("unknown_purpose", "names a purpose that does not exist",
         f"the purposes are {', '.join(Purpose)}.", (CONSENT,),
         f"purpose IS NULL OR purpose NOT IN {_one_of(Purpose)}"),
    Rule("unknown_choice", "names a choice that does not exist", f"the choices are {', '.join(Choice)}.", (CONSENT,),
         f"choice IS NULL OR choice NOT IN {_one_of(Choice)}"),
    Rule("no_value", "carries no trait", "", (TRAIT,), '"#empty"'),
    Rule("zero_quantity", "has the quantity 0", "", (ORDER,), "quantity = 0", Severity.WARN),
    Rule("zero_price", "is a completed order line that cost nothing", "", (ORDER,),
         f"amount = 0 AND kind = {text(Kind.ORDER_COMPLETED).sql('duckdb')}", Severity.WARN),
    Rule("early", "was available before it happened", "", (ORDER, EVENT, TRAIT), "available_at < occurred_at",
         Severity.WARN),
)  # fmt: skip

BY_NAME = {rule.name: rule for rule in RULES}
_BITS = {rule.name: 1 << position for position, rule in enumerate(RULES)}
SET_ASIDE = sum(_BITS[rule.name] for rule in RULES if rule.severity is Severity.QUARANTINE)
"""The bits of the rules that set a row aside."""

FINGERPRINT = hashlib.sha256(repr([astuple(rule) for rule in RULES]).encode()).hexdigest()[:16]
"""Changes with every change of a rule, so that files are judged anew and what is mended is let in."""


def bit(name: str) -> int:
    """Return the bit of a rule.

    >>> bit("malformed")
    1
    """
    return _BITS[name]


def names(mask: int) -> list[str]:
    """Return the names of the rules that a mask holds, in the order of the contract.

    >>> names(bit("future") | bit("no_amount"))
    ['future', 'no_amount']
    """
    return [rule.name for rule in RULES if mask & _BITS[rule.name]]


def mask(target: Target, *, now: datetime, currency: str) -> str:
    """Return SQL for the bitmask of the rules that a translated row breaks.

    Parameters
    ----------
    target
        What the row becomes.
    now
        The import's clock, naive UTC.
    currency
        The shop's, ISO 4217.
    """
    discount = "discount" in target.fields
    values = {
        "now": f"TIMESTAMP {text((now + FUTURE).isoformat(sep=' ')).sql('duckdb')}",
        "currency": text(currency).sql("duckdb"),
        "kinds": _one_of(ORDER_KINDS if target.name == ORDER else Kind),
        "bad_discount": '(discount IS NULL AND "discount#given")' if discount else "FALSE",
        "huge_discount": f"discount > {HUGE_AMOUNT}" if discount else "FALSE",
    }
    return " + ".join(
        f"CASE WHEN {rule.condition.format(**values)} THEN CAST({_BITS[rule.name]} AS BIGINT) ELSE 0 END"
        for rule in RULES
        if target.name in rule.targets and rule.condition
    )
