"""Features of every theme of the catalogue, beside what a few lines of Python make of the same files.

Clicks are YooChoose's, purchases, campaigns and traits Complete Journey's, cancellations Online Retail's; visits,
e-mails, channels and refunds are of a generated shop, whose truth says which identifiers are one person.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import coterie
from coterie.collect.shops import ready
from shop_generator import ONLINE, generate

pytestmark = pytest.mark.slow

Row = dict[str, Any]
UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)


def local(moment: datetime, zone: str) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def days(moments: Iterable[datetime], zone: str) -> int:
    return len({local(moment, zone).date() for moment in moments})


def entropy(values: list[Any]) -> float:
    return -sum(n / len(values) * math.log(n / len(values)) for n in Counter(values).values())


def top(values: list[Any]) -> Any:
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], value)) if counted else None


def over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def compare(got: Row, want: Row, who: object) -> None:
    assert got.keys() >= want.keys()
    for name, value in want.items():
        near = pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
        assert got[name] == near, (who, name)


def test_clicks_of_yoochoose_are_engagement(published: Callable[[str], Path]) -> None:
    folder, as_of, zone = published("yoochoose_100k"), datetime(2014, 4, 7, 20, 30), "Europe/Berlin"
    week, month = datetime(2014, 3, 31, 20), datetime(2014, 3, 8)  # to the hour, to the day
    clicks: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for name in ("train_full", "test"):
        for line in (folder / f"yoochoose-clicks-100k_{name}.txt").read_text("utf-8").splitlines()[1:]:
            session, item, seconds = line.split("\t")
            moment = datetime(1970, 1, 1) + timedelta(microseconds=int(Decimal(seconds) * 1_000_000))
            if moment <= as_of:
                clicks[session].append((moment, item))
    with coterie.open(None, currency="EUR", timezone=zone) as shop:
        shop.ingest(ready("yoochoose"), folder)
        told = {entry.feature.name: entry.missing for entry in shop.features()}
        assert told["cart_adds_30d"] == "no Product Added in events: map a source that has them"
        assert told["top_viewed_category_30d"] == "no product has category: map it from the product catalogue"
        names = [
            "product_views_7d",
            "product_views_30d",
            "viewed_products_30d",
            "decayed_product_views",
            "site_days_7d",
        ]
        names += ["site_recency_days", "site_tenure_days"]
        assert not any(told[name] for name in names)
        spine = pa.table({"anonymous_id": sorted(clicks)})
        table = shop.build(as_of, features=names, spine=spine).frame()
        rows = table.to_pylist()
    assert len(rows) == len(clicks) > 10_000
    assert sum(row["product_views_30d"] for row in rows) == sum(map(len, clicks.values()))
    for row in rows:
        own = clicks[row["anonymous_id"]]
        times = [moment for moment, _ in own]
        want = {
            "product_views_7d": sum(moment >= week for moment in times),
            "product_views_30d": sum(moment >= month for moment in times),
            "viewed_products_30d": len({item for moment, item in own if moment >= month}),
            "decayed_product_views": float(sum(2.0 ** (-((as_of - moment) / DAY) / 7) for moment in times)),
            "site_days_7d": days((moment for moment in times if moment >= week), zone),
            "site_recency_days": (as_of - max(times)) / DAY,
            "site_tenure_days": (as_of - min(times)) / DAY,
        }
        compare(row, want, "a session")


SHOP = replace(
    ONLINE.sized(people=400), weeks=60, online=0.6, login=0.6, shared=0.0, guests=0.0, missing=0.0, duplicates=0.0,
    bad_amount=0.0, bad_time=0.0, refunded=0.1,
)  # fmt: skip
NOW = datetime(2024, 2, 25, 2)
TAILS = {7: datetime(2024, 2, 18, 2), 30: datetime(2024, 1, 26), 90: datetime(2023, 11, 27), 365: datetime(2023, 2, 25)}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Row]]]:
    """The files of a generated shop, and what coterie says of its customers at the end."""
    made = generate(SHOP, tmp_path_factory.mktemp("generated"), seed=5)
    with coterie.open(None, currency="USD", timezone=SHOP.timezone) as shop:
        shop.ingest(made.mapping)
        buyers = sorted({row["customer_id"] for row in table(made.folder, "orders")})
        built = shop.build(NOW, spine=pa.table({"customer_id": buyers}))
        yield made.folder, {row["customer_id"]: row for row in built.frame().to_pylist()}


def table(folder: Path, name: str) -> list[Row]:
    rows: list[Row] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def within(rows: list[Row], kind: str, length: int | None = None) -> list[Row]:
    tail = datetime(1, 1, 1) if length is None else TAILS[length]
    return [row for row in rows if row["event"] == kind and tail <= row["occurred_at"]]


def orders_of(lines: list[Row]) -> list[Row]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for line in lines:
        grouped[line["order_id"]].append(line)
    made = [
        {"at": min(line["ordered_at"] for line in group), "channel": group[0]["channel"], "id": group[0]["order_id"]}
        for group in grouped.values()
    ]
    return sorted(made, key=lambda order: (order["at"], order["id"]))


def test_visits_of_a_generated_shop_are_engagement(generated: tuple[Path, dict[str, Row]]) -> None:
    folder, rows = generated
    zone = SHOP.timezone
    truth = table(folder, "truth/identifiers")
    devices = {row["value"]: row["person"] for row in truth if row["kind"] == "anonymous_id" and row["linked"]}
    names = {row["person"]: row["value"] for row in truth if row["kind"] == "customer_id"}
    category = {row["product_id"]: row["category"] for row in table(folder, "products")}
    clicks: dict[str | None, list[Row]] = defaultdict(list)
    for row in table(folder, "clicks"):
        clicks[row["customer_id"] or names.get(devices.get(row["anonymous_id"], -1))].append(row)
    bought: dict[str, list[Row]] = defaultdict(list)
    for row in table(folder, "orders"):
        if row["kind"] == "Order Completed":
            bought[row["customer_id"]].append(row)
    assert len(rows) > 200
    for name, got in rows.items():
        own = clicks[name]
        views, adds = within(own, "Product Viewed", 90), within(own, "Product Added", 90)
        month = within(own, "Product Viewed", 30)
        starts = within(own, "Checkout Started", 90)
        seen = [row["occurred_at"] for row in own]
        online = [o["at"] for o in orders_of(bought[name]) if o["channel"] == "web" and o["at"] >= TAILS[90]]
        carts = days((row["occurred_at"] for row in adds), zone)
        visited = days((moment for moment in seen if moment >= TAILS[90]), zone)
        done = days(online, zone)
        want = {
            "product_views_7d": len(within(own, "Product Viewed", 7)),
            "product_views_30d": len(month),
            "product_views_90d": len(views),
            "viewed_products_30d": len({row["product_id"] for row in month}),
            "viewed_categories_30d": len({category[row["product_id"]] for row in month}),
            "top_viewed_category_30d": top([category[row["product_id"]] for row in month]),
            "cart_adds_30d": len(within(own, "Product Added", 30)),
            "cart_days_90d": carts,
            "checkouts_90d": len(starts),
            "site_days_90d": visited,
            "site_recency_days": (NOW - max(seen)) / DAY if seen else None,
            "online_orders_90d": len(online),
            "cart_rate_90d": over(len(adds), len(views)),
            "conversion_90d": over(done, visited),
            "cart_abandonment_90d": 1 - done / carts if carts else None,
            "checkout_abandonment_90d": 1 - len(online) / len(starts) if starts else None,
        }
        compare(got, want, name)
    some = [row["cart_abandonment_90d"] for row in rows.values() if row["cart_abandonment_90d"] is not None]
    assert min(some) < 0.5 < max(some)


def test_e_mails_of_a_generated_shop_are_engagement(generated: tuple[Path, dict[str, Row]]) -> None:
    folder, rows = generated
    mails: dict[str, list[Row]] = defaultdict(list)
    for row in table(folder, "emails"):
        mails[row["email"].strip().lower()].append(row)
    addresses = {row["customer_id"]: row["email"].strip().lower() for row in table(folder, "customers")}
    for name, got in rows.items():
        own = mails[addresses[name]]

        def campaigns(kind: str, length: int | None = None, own: list[Row] = own) -> int:
            return len({row["campaign_id"] for row in within(own, kind, length)})

        opens = [row["occurred_at"] for row in within(own, "Email Opened")]
        sent, opened, clicked = (campaigns(f"Email {kind}") for kind in ("Delivered", "Opened", "Link Clicked"))
        want = {
            "emails": len(within(own, "Email Delivered")),
            "emails_90d": len(within(own, "Email Delivered", 90)),
            "email_opens_90d": len(within(own, "Email Opened", 90)),
            "email_clicks_365d": len(within(own, "Email Link Clicked", 365)),
            "email_open_rate": over(opened, sent),
            "email_open_rate_90d": over(campaigns("Email Opened", 90), campaigns("Email Delivered", 90)),
            "email_click_rate": over(clicked, sent),
            "email_click_to_open": over(clicked, opened),
            "email_open_recency_days": (NOW - max(opens)) / DAY if opens else None,
            "unsubscribes": len(within(own, "Unsubscribed")),
        }
        compare(got, want, name)
    rates = [row["email_open_rate"] for row in rows.values() if row["email_open_rate"] is not None]
    assert 0 <= min(rates) < max(rates) <= 1
    assert sum(row["unsubscribes"] for row in rows.values())


def test_channels_and_refunds_of_a_generated_shop(generated: tuple[Path, dict[str, Row]]) -> None:
    folder, rows = generated
    regions = {row["customer_id"]: row["region"] for row in table(folder, "customers")}
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in table(folder, "orders"):
        lines[row["customer_id"]].append(row)

    def cents(group: list[Row]) -> int:
        return sum(int((Decimal(str(abs(line["amount"]))) * 100).quantize(Decimal(1), ROUND_HALF_UP)) for line in group)

    for name, got in rows.items():
        kept = [line for line in lines[name] if line["kind"] == "Order Completed"]
        back = [line for line in lines[name] if line["kind"] == "Order Refunded"]
        orders = orders_of(kept)
        channels = [order["channel"] for order in orders]
        want = {
            "channels": len(set(channels)),
            "top_channel": top(channels),
            "top_channel_share": max(Counter(channels).values()) / len(channels),
            "first_channel": channels[0],
            "last_channel": channels[-1],
            "web_share": channels.count("web") / len(channels),
            "store_share": channels.count("store") / len(channels),
            "channel_entropy": entropy(channels),
            "refunded_lines": len(back),
            "refunded_amount": cents(back) if back else None,
            "refunded_lines_share": len(back) / len(kept),
            "refunded_share": cents(back) / cents(kept),
            "net_spend": cents(kept) - cents(back),
            "refund_recency_days": (NOW - max(line["ordered_at"] for line in back)) / DAY if back else None,
            "region": regions[name],
        }
        compare(got, want, name)
    assert {row["channels"] for row in rows.values()} == {1, 2}
    assert sum(row["refunded_lines"] for row in rows.values()) > 20


HOUSEHOLDS = ("1", "13", "367", "718", "1228", "2070", "2469")
SEPTEMBER = datetime(2017, 9, 1, 4)  # midnight in New York
BANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def band(line: Row) -> str | None:
    if line["quantity"] <= 0:
        return None
    below = [bound for bound in BANDS if line["amount"] >= bound * 100 * line["quantity"]]
    if not below:
        return "under 1"
    above = BANDS[BANDS.index(below[-1]) + 1 :]
    return f"{below[-1]} to {above[0]}" if above else f"{below[-1]} and more"


def test_purchases_and_campaigns_of_a_few_households(complete_journey_folder: Path) -> None:
    zone, names = "America/New_York", "','".join(HOUSEHOLDS)
    past = f"household_id::TEXT IN ('{names}')"
    lines, sent, redeemed, who = (
        duckdb.sql(sql.format(folder=complete_journey_folder)).to_arrow_table().to_pylist()
        for sql in (
            f"""SELECT household_id::TEXT AS who, basket_id::TEXT AS basket, line.product_id::TEXT AS product,
                transaction_timestamp AS "at", quantity::DOUBLE AS quantity, store_id::TEXT AS store,
                round(sales_value * 100)::BIGINT AS amount, brand, product_category AS category,
                round((retail_disc + coupon_match_disc) * 100)::BIGINT AS discount
                FROM '{{folder}}/transactions.parquet' AS line
                LEFT JOIN '{{folder}}/products.parquet' AS product USING (product_id)
                WHERE {past} AND transaction_timestamp <= '{SEPTEMBER}' ORDER BY "at", basket, product""",
            f"""SELECT household_id::TEXT AS who, campaign_id::TEXT AS campaign, start_date::DATE AS day
                FROM '{{folder}}/campaigns.parquet' JOIN '{{folder}}/campaign_descriptions.parquet' USING (campaign_id)
                WHERE {past} AND start_date <= '2017-09-01'""",
            f"""SELECT household_id::TEXT AS who, campaign_id::TEXT AS campaign, redemption_date::DATE AS day
                FROM '{{folder}}/coupon_redemptions.parquet' WHERE {past} AND redemption_date < '2017-09-01'""",
            f"SELECT household_id::TEXT AS who, age::TEXT AS age, income::TEXT AS income "
            f"FROM '{{folder}}/demographics.parquet' WHERE {past}",
        )
    )
    with coterie.open(None, currency="USD", timezone=zone) as shop:
        shop.ingest("complete_journey")
        built = shop.build("2017-09-01", spine=pa.table({"customer_id": list(HOUSEHOLDS)})).frame().to_pylist()
    assert len(built) == len(HOUSEHOLDS)
    traits = {row["who"]: row for row in who}
    for got in built:
        name = got["customer_id"]
        own = [line for line in lines if line["who"] == name]
        orders: dict[str, list[Row]] = defaultdict(list)
        for line in own:
            orders[line["basket"]].append(line)
        at = sorted(min(line["at"] for line in group) for group in orders.values())
        gaps = [(after - before) / DAY for before, after in pairwise(at)]
        totals = [sum(line["amount"] for line in group) for group in orders.values()]
        spend, spread = sum(totals), statistics.stdev(totals)
        priced = [line for line in own if line["quantity"] > 0]
        bands = [band(line) for line in priced]
        hours = [local(moment, zone).hour for moment in at]
        stores = [group[0]["store"] for group in orders.values()]
        campaigns = {row["campaign"] for row in sent if row["who"] == name}
        coupons = [row for row in redeemed if row["who"] == name]
        answered = {row["campaign"] for row in coupons}
        gross = spend + sum(line["discount"] for line in own)
        brands = [line["brand"] for line in own if line["brand"] is not None]
        categories = [line["category"] for line in own if line["category"] is not None]
        quarter = [moment for moment in at if moment >= datetime(2017, 6, 3)]
        want = {
            "orders": len(at),
            "orders_90d": len(quarter),
            "recent_orders_share": len(quarter) / len(at),
            "spend": spend,
            "basket_lines": len(own) / len(orders),
            "largest_basket": max(totals),
            "basket_value_std": math.floor(spread + 0.5),
            "gap_mean_days": statistics.fmean(gaps),
            "gap_std_days": statistics.stdev(gaps),
            "gap_variation": statistics.stdev(gaps) / statistics.fmean(gaps),
            "overdue_ratio": ((SEPTEMBER - at[-1]) / DAY) / statistics.fmean(gaps),
            "decayed_orders": float(sum(2.0 ** (-((SEPTEMBER - moment) / DAY) / 90) for moment in at)),
            "discount_share": 1 - spend / gross,
            "discounted_lines_share": sum(line["discount"] > 0 for line in own) / len(own),
            "top_price_band": top(bands),
            "top_price_band_share": max(Counter(bands).values()) / len(bands),
            "price_bands": len(set(bands)),
            "unit_price": math.floor(
                sum(line["amount"] for line in priced) / sum(line["quantity"] for line in priced) + 0.5
            ),
            "products": len({line["product"] for line in own}),
            "repeat_share": 1 - len({line["product"] for line in own}) / len(own),
            "categories": len(set(categories)),
            "category_entropy": entropy(categories),
            "top_category": top(categories),
            "brands": len(set(brands)),
            "top_brand": top(brands),
            "top_brand_share": max(Counter(brands).values()) / len(brands),
            "private_label_share": sum(x["amount"] for x in own if x["brand"] == "Private") / spend,
            "weekend_share": sum(local(moment, zone).weekday() > 4 for moment in at) / len(at),
            "evening_share": sum(18 <= hour < 22 for hour in hours) / len(at),
            "top_hour": float(top(hours)),
            "top_weekday": float(top([local(moment, zone).weekday() for moment in at])),
            "top_place": top(stores),
            "store_share": 1.0,
            "campaigns": len(campaigns),
            "coupons": len(coupons),
            "campaigns_redeemed": len(answered),
            "campaign_response": over(len(answered), len(campaigns)),
            "coupons_per_campaign": over(len(coupons), len(campaigns)),
            "age": traits.get(name, {}).get("age"),
            "income": traits.get(name, {}).get("income"),
        }
        compare(got, want, name)
    assert sum(row["coupons"] for row in built)
    assert any(row["age"] for row in built)


def test_cancellations_of_online_retail(published: Callable[[str], Path]) -> None:
    folder = published("online_retail")
    raw = duckdb.sql(
        f"""SELECT CustomerID::BIGINT::TEXT AS who, InvoiceNo LIKE 'C%' AS back,
        Quantity AS quantity, UnitPrice AS price
        FROM read_parquet('{folder}/online_retail.parquet') WHERE CustomerID % 20 = 7"""
    ).fetchall()
    kept, back = Counter[str](), Counter[str]()
    lines = Counter[str]()
    for who, cancelled, quantity, price in raw:
        pence = int(abs(Decimal(str(price)) * quantity * 100).quantize(Decimal(1), ROUND_HALF_UP))
        (back if cancelled else kept)[who] += pence
        lines[who] += cancelled
    with coterie.open(None, currency="GBP", timezone="Europe/London") as shop:
        shop.ingest(ready("uci_online_retail"), folder)
        names = ["spend", "cancelled_lines", "cancelled_amount", "kept_spend"]
        rows = shop.build(features=names, spine=pa.table({"customer_id": sorted(lines)})).frame().to_pylist()
        assert shop.features("net_spend")[0].missing == "no Order Refunded in order_lines: map a source that has them"
    assert len(rows) > 150
    for row in rows:
        who = row["customer_id"]
        want = {"spend": kept.get(who), "cancelled_lines": lines[who]}
        want["cancelled_amount"] = back[who] if lines[who] else None
        want["kept_spend"] = kept[who] - back[who] if who in kept else None
        compare(row, want, "a customer")
