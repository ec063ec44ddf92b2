"""The look at CDNOW: nothing later is read than may be, histories and outcomes are right, claims are judged right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import cdnow
import forecasts
import lifetime
import looks
import orders
import worth

FILE = """ customer_id  date number_of_cds  dollar_value
 00001 19970101  1   11.77
 00001 19970103  2   20.00
 00001 19970103  1   10.00
 00002 19970102  4    0.00
 00001 19970110  1    5.50
 00002 19970930  1    7.00
 00003 19971001  1    9.00
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "CDNOW_master.txt").write_text(FILE, "ascii")
    return tmp_path


def shop(folder: Path, until: int) -> cdnow.Shop:
    return cdnow.Shop.of(cdnow.purchases(until, folder))


def test_later_rows_are_dropped_where_they_are_read(folder: Path) -> None:
    read = cdnow.purchases(cdnow.CALIBRATION, folder)
    assert read["day"].to_pylist() == [0, 2, 2, 1, 9, 272]
    assert len(cdnow.purchases(cdnow.HOLDOUT, folder)) == 7


def test_histories_and_outcomes_of_a_day(folder: Path) -> None:
    found = shop(folder, cdnow.CALIBRATION)
    table = found.table(8, 30)
    assert table["person"].to_pylist() == [1, 2]
    assert table["frequency"].to_pylist() == [1, 0]  # two purchases of one day are one
    assert table["recency"].to_pylist() == [2, 0]
    assert table["T"].to_pylist() == [8, 7]
    assert table["spend_per_order"].to_pylist() == [3000, None]
    assert table["first_spend"].to_pylist() == [1177, 0]
    assert table["basket_units"].to_pylist() == [2, 4]
    assert table["orders_30d"].to_pylist() == [2, 1]
    after = found.outcome(np.array([1, 2]), 8, 30)
    assert after["orders"].tolist() == [1, 0]
    assert after["spend"].tolist() == [550, 0]
    assert found.outcome(np.array([1, 2]), 8, 264)["orders"].tolist() == [1, 1]


def test_labels_end_before_the_origin(folder: Path) -> None:
    origin = shop(folder, cdnow.CALIBRATION).origin(89, 90)
    assert origin.case.then_days == 30
    assert max(origin.case.then["T"].to_pylist()) == 59
    assert np.asarray(origin.orders).tolist() == [0, 0]  # day 272 lies beyond


def test_a_draft_does_not_look_at_the_holdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdnow, "purchases", lambda *_: pytest.fail("it was read"))
    with pytest.raises(looks.LookRefusedError, match="holdout"):
        cdnow.main(["--window", "holdout", "--draft"])
    with pytest.raises(SystemExit):
        cdnow.main(["--origins", "30", "--weeks", "13", "--draft"])
    with pytest.raises(looks.LookRefusedError, match="holdout"):
        orders.main(["--window", "september", "--draft"])
    with pytest.raises(looks.LookRefusedError, match="holdout"):
        worth.main(["--window", "reported", "--draft"])
    assert all(origin + whole <= 39 for origin, _, whole in worth.WEEKS["earlier"])
    assert orders.REPORTED not in worth.MONTHS["earlier"]


def test_no_window_for_choosing_reaches_into_the_reported_one() -> None:
    for moments in orders.MOMENTS.values():
        reported = moments[orders.REPORTED]
        chosen = [moments[name] for name in orders.WINDOWS if name != orders.REPORTED]
        assert all((reported - moment).days >= orders.HORIZON for moment in chosen)


def test_claims_are_shown_or_not() -> None:
    from coterie.predict.contest.backtest import backtest
    from coterie.predict.contest.contender import Case, Contender, Forecast
    from coterie.predict.contest.holdout import Origin

    random = np.random.default_rng(0)
    truth = random.poisson(random.gamma(0.5, 2.0, 800)).astype(np.float64)

    class Made(Contender):
        def __init__(self, name: str, noise: float, level: float) -> None:
            self.name = name
            self.told = (truth + random.exponential(noise, len(truth))) * level

        def fit(self, case: Case) -> Made:
            return self

        def forecast(self, now: pa.Table) -> Forecast:
            return Forecast(self.told, self.told, self.told * 1000)

    origin = Origin(
        name="x", case=Case(now=pa.table({"T": np.ones(800)}), horizon_days=9), orders=truth, spend=truth * 1000
    )

    def judged(noise: float, level: float) -> list[bool]:
        made = [Made(forecasts.PARETO, 2, 0.5), Made(forecasts.BG, 2, 0.6), Made(forecasts.CHAMPION, noise, level)]
        found = backtest([origin], made, baseline=forecasts.PARETO, count=50)
        assert forecasts.CHAMPION in forecasts.markdown(found)
        shown = forecasts.claims(found, bias=0.14)
        assert len(forecasts.figures(found, shown)) == 5 + 3 + 2
        return [claim.shown for claim in shown]

    assert judged(0.01, 1.0) == [True] * 5
    assert judged(9, 3.0) == [False] * 5


def test_log_likelihoods_are_those_of_our_models(tmp_path: Path) -> None:
    from coterie.predict.lifetime.bg_nbd import BGNBD
    from coterie.predict.lifetime.pareto_nbd import ParetoNBD

    random = np.random.default_rng(0)
    age = random.integers(200, 300, 1500) / 7
    rate, leaving = random.gamma(0.7, 0.1, 1500), random.gamma(0.6, 0.1, 1500)
    stays = np.minimum(age, random.exponential(1 / leaving))
    x = random.poisson(rate * stays).astype(np.float64)
    recency = np.where(x > 0, stays * random.random(1500) ** (1 / np.maximum(x, 1)), 0.0)
    people = {"frequency": x, "recency": recency, "T": age}
    np.savez(tmp_path / "people.npz", **people)
    for kind, model in (("bg", BGNBD()), ("pareto", ParetoNBD())):
        model.fit(pa.table(people))
        found = lifetime.log_likelihood(kind, model.parameters_, tmp_path / "people.npz")
        assert found == pytest.approx(model.log_likelihood_, rel=1e-9)
