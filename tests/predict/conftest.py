"""Two real shops as plain tables of orders, cut off before what may be used to judge forecasts for the record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.purchasing import PurchaseModel

SUMMER = datetime(2017, 6, 1)
DAYS = 90
"""What households do is known to the tests for 90 days after the moment, and not a day longer."""
BASKETS = """
    SELECT household_id AS person, min(transaction_timestamp)::TIMESTAMP AS time,
           round(sum(sales_value) * 100)::BIGINT AS amount
    FROM '{folder}/transactions.parquet' GROUP BY household_id, basket_id
    HAVING min(transaction_timestamp) < TIMESTAMP '2017-06-01' + INTERVAL 90 DAY ORDER BY person, time, basket_id
"""
CDNOW = """
    SELECT row[{person}]::BIGINT AS person, strptime(row[{person} + {date}], '%Y%m%d')::TIMESTAMP AS time,
           round(row[-1]::DOUBLE * 100)::BIGINT AS amount
    FROM (SELECT regexp_split_to_array(trim(line), '\\s+') AS row
          FROM read_csv('{path}', columns = {{'line': 'VARCHAR'}}, delim = '\t', header = false))
    WHERE row[{person} + {date}] < '19971001' ORDER BY ALL
"""


class Moment(NamedTuple):
    """Households at a midnight, and after it.

    ``future`` holds what each of them did in the 90 days from then: ``orders`` (days with a purchase), ``spend`` in
    cents and ``wait``, the days from the last day of the histories to the next order (NaN: none came).
    """

    people: np.ndarray
    histories: Histories
    future: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def journey_orders(complete_journey_folder) -> pa.Table:
    """The baskets of 2,469 households up to 90 days after 2017-06-01: ``person, time`` (UTC), ``amount`` in cents."""
    with duckdb.connect() as warehouse:
        return warehouse.sql(BASKETS.format(folder=complete_journey_folder)).to_arrow_table()


@pytest.fixture(scope="session")
def journey_at(journey_orders) -> Callable[[datetime], Moment]:
    """Return a function from a midnight up to 2017-06-01 to the households, their histories and what came next."""

    @cache
    def at(moment: datetime) -> Moment:
        # of_orders counts the whole day
        people, histories = Histories.of_orders(journey_orders, amount="amount", until=moment - timedelta(days=1))
        return Moment(people.to_numpy(), histories, outcome(journey_orders, people.to_pylist(), moment))

    return at


@pytest.fixture(scope="session")
def journey(journey_at) -> tuple[np.ndarray, Histories]:
    """The households and their histories up to and with 2017-05-31, in days."""
    return journey_at(SUMMER)[:2]


@pytest.fixture(scope="session")
def journey_future(journey_at) -> dict[str, np.ndarray]:
    """What each household of ``journey`` did in the 90 days from 2017-06-01, as in ``Moment``."""
    return journey_at(SUMMER).future


@pytest.fixture(scope="session")
def cdnow_orders(published) -> pa.Table:
    """The purchases of all 23,570 people of CDNOW in its first 39 weeks: ``person, time, amount`` in cents."""
    return _cdnow(published("cdnow/CDNOW_master.txt"), person=1, date=1)


@pytest.fixture(scope="session")
def cdnow_sample_orders(published) -> pa.Table:
    """The purchases of the 2,357 people of CDNOW's published sample in its first 39 weeks: as ``cdnow_orders``."""
    return _cdnow(published("cdnow/CDNOW_sample.txt"), person=2, date=1)


def _cdnow(path: object, *, person: int, date: int) -> pa.Table:
    with duckdb.connect() as warehouse:
        return warehouse.sql(CDNOW.format(path=path, person=person, date=date)).to_arrow_table()


def outcome(orders: pa.Table, people: list[int], moment: datetime, days: int = DAYS) -> dict[str, np.ndarray]:
    """Return what each of the people did in the days after a moment, by the naive rule of counting it up."""
    after = pc.and_(pc.greater(orders["time"], pa.scalar(moment, orders["time"].type)),
                    pc.less(orders["time"], pa.scalar(moment + timedelta(days=days), orders["time"].type)))  # fmt: skip
    rows = orders.filter(after)
    place = {person: row for row, person in enumerate(people)}
    days_of: list[set[int]] = [set() for _ in people]
    spend, wait = np.zeros(len(people)), np.full(len(people), np.nan)
    for person, time, amount in zip(*(rows[name].to_pylist() for name in ("person", "time", "amount")), strict=True):
        if (row := place.get(person)) is not None:
            days_of[row].add((time - moment).days)
            spend[row] += amount
            wait[row] = np.fmin(wait[row], (time - moment).days + 1)
    return {"orders": np.array([len(one) for one in days_of], dtype=float), "spend": spend, "wait": wait}


@pytest.fixture(scope="session")
def model_of() -> Callable[..., PurchaseModel]:
    """Return a function that makes a fitted model of given parameters, their logarithms known to ``error`` each."""

    def make(kind: type[PurchaseModel], *parameters: float, error: float = 0.01, **settings: object) -> PurchaseModel:
        model = kind(**settings)
        model.names_, model.covariate_names_ = kind.names, ()
        model.theta_, model.theta_covariance_ = np.log(parameters), np.eye(len(parameters)) * error**2
        model.centre_ = model.scale_ = np.zeros(0)
        model.log_likelihood_, model.people_, model.iterations_, model.evaluations_ = 0.0, 1, 1, 1
        model.warning_, model.longest_ = "", 1.0
        if "k" in settings:
            model.k_ = settings["k"]
        return model

    return make


@pytest.fixture(scope="session")
def spend_of() -> Callable[..., GammaGamma]:
    """Return a function that makes a fitted Gamma-Gamma model of p, q and v, their logarithms known to ``error``."""

    def make(p: float, q: float, v: float, *, error: float = 0.01) -> GammaGamma:
        model = GammaGamma()
        model.parameters_ = {"p": p, "q": q, "v": v}
        model.covariance_ = np.diag(np.square([p, q, v])) * error**2
        return model

    return make
