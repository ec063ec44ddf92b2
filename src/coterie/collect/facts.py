"""The tables that collecting writes: facts and quarantine in the lake, the book of imports in the ledger."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from coterie.schema import EVENT, KEY, OFFER, ORDER_LINE, PRODUCT, TIME, TRAIT, Table

ALWAYS = datetime(1970, 1, 1)
"""``available_at`` of a product, trait or offer that no source dates: known from the beginning, an assumption."""

EVENTS = Table(
    "events",
    EVENT,
    key=("source", "event_id"),
    subject="subject",
    meaning="What people did besides buying: views, searches, mails opened, campaigns received, coupons used.",
)

ORDER_LINES = Table(
    "order_lines",
    ORDER_LINE,
    key=("source", "line_id"),
    subject="subject",
    meaning="What was bought, line by line; an order is the set of its lines.",
)

PRODUCTS = Table(
    "products",
    PRODUCT,
    key=("source", "product_id", "available_at", "ingested_at"),
    meaning="What the shop sells and where it stands in the shop's tree; a changed product is one more row.",
)

TRAITS = Table(
    "traits",
    TRAIT,
    key=("source", "subject", "trait", "occurred_at", "available_at", "ingested_at", "value"),
    subject="subject",
    meaning="What the shop knows about people: age band, household size, loyalty tier.",
)

OFFERS = Table(
    "offers",
    OFFER,
    key=("source", "offer_id", "product_id", "campaign_id"),
    meaning="Which offer was valid for which product in which campaign.",
)

QUARANTINE = Table(
    "quarantine",
    pa.schema(
        [
            ("source", pa.string()),
            ("import_id", pa.int64()),
            ("row", pa.int64()),
            ("file", pa.string()),
            ("read", pa.string()),  # which read of the mapping: Read.name
            ("unit", pa.string()),  # the order or other unit that lacks this row, where the row said so
            ("reasons", pa.string()),  # names of the contract's rules, separated by "; "
            ("raw", pa.binary()),  # the source row, sealed by the vault; null where nothing may be kept
            ("subject", KEY),  # whose it is, where the row said so
            ("ingested_at", TIME),
            ("expires_at", TIME),  # from then on the raw row is not kept any more
        ]
    ),
    key=("import_id", "row"),
    subject="subject",
    meaning="Source rows that broke the contract, sealed and with all their reasons, so that they can be replayed.",
)

LINKS = Table(
    "links",
    pa.schema(
        [
            ("import_id", pa.int64()),
            ("row", pa.int64()),
            ("of_import", pa.int64()),
            ("of_row", pa.int64()),
        ]
    ),
    key=("import_id", "row"),
    meaning="Which row of which import a row that was known already repeats.",
)

IMPORTS = Table(
    "imports",
    pa.schema(
        [
            ("import_id", pa.int64()),
            ("source", pa.string()),
            ("file", pa.string()),
            ("target", pa.string()),  # order_line, event, product, trait, offer, consent, or nothing
            ("read", pa.string()),  # which read of the mapping: Read.name
            ("fingerprint", pa.string()),  # of the file's name and content, the mapping and the contract
            ("state", pa.string()),  # started, done, or undone
            ("received", pa.int64()),
            ("accepted", pa.int64()),
            ("quarantined", pa.int64()),
            ("duplicates", pa.int64()),
            ("facts", pa.int64()),  # rows written to the table of the target
            ("reasons", pa.string()),  # JSON object: rule → rows
            ("assumed", pa.string()),  # JSON object: what was assumed → rows
            ("started_at", TIME),
            ("finished_at", TIME),
            ("columns", pa.string()),  # JSON object: column of the file → its type, as DuckDB names it
        ]
    ),
    key=("import_id",),
    meaning="One row for each file that was imported: what came in, and what became of it.",
)

CONTRACTS = Table(
    "contracts",
    pa.schema(
        [
            ("source", pa.string()),
            ("declared_at", TIME),
            ("body", pa.string()),  # the document of the Open Data Contract Standard as JSON; "{}": none any more
        ]
    ),
    key=("source", "declared_at"),
    meaning="What a source's own contract demands of its rows and expects of its data; the newest of a source counts.",
)

MENDED = Table(
    "mended",
    QUARANTINE.schema,
    key=("import_id", "row"),
    subject="subject",
    meaning="Changes to the quarantine on their way there; rows without reasons leave it. Empty between two commands.",
)

CURSORS = Table(
    "cursors",
    pa.schema([("source", pa.string()), ("read", pa.string()), ("value", pa.string())]),
    key=("source", "read"),
    meaning="How far each table of a database was read: the greatest value of its cursor column, sealed.",
)

LAKE_TABLES = (EVENTS, ORDER_LINES, PRODUCTS, TRAITS, OFFERS, QUARANTINE, LINKS)
LEDGER_TABLES = (IMPORTS, CONTRACTS, MENDED, CURSORS)


def current(table: Table, relation: str) -> str:
    """Return the SELECT over ``relation``, which holds all rows of ``table``, that gives the rows that count today.

    Only products have versions: the newest one of each is current. All other tables are taken whole.

    >>> current(EVENTS, "every_event")
    'SELECT * FROM every_event'
    """
    everything = f"SELECT * FROM {relation}"
    if table is not PRODUCTS:
        return everything
    return (
        f"{everything} QUALIFY ROW_NUMBER() OVER (PARTITION BY source, product_id "
        'ORDER BY available_at DESC, ingested_at DESC, import_id DESC, "row" DESC) = 1'
    )
