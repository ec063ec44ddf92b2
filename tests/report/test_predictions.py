"""The page of values: complete, closed to the outside, and silent about small groups and single people."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from coterie.govern.privacy import small
from coterie.predict.advice import ADVICE
from coterie.predict.contest.standings import Backtest
from coterie.report import forecasts, worth
from coterie.report.predictions import render_value, value_figures
from coterie.report.worth import People
from oracles.pages import Page
from oracles.valued import FORECAST, PEOPLE, judged, models, people, valued

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;"


def _people(value, advice=None, **more) -> People:
    value = np.asarray(value, dtype=float)
    nothing = np.zeros(len(value), dtype=np.int64)
    return People(value, value / 10, nothing, nothing if advice is None else np.asarray(advice), value * np.nan, **more)


def test_page_is_complete_and_fetches_nothing() -> None:
    html = render_value(valued())
    page = Page(html)
    for words in ("What to do", "Who holds the value", "When the next order comes", "Who to believe", "The models"):
        assert words in page.text
    identifiers = page.all("id")
    assert len(identifiers) == len(set(identifiers))
    assert all(link.startswith(("#", "data:")) for link in page.all("href"))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(identifiers)
    assert not page.all("src")
    assert not page.all("style"), "the policy forbids styles on elements"
    assert "url(" not in html
    assert len(html.encode()) < 500_000


def test_lists_say_what_they_are_worth_what_to_do_and_how_to_have_them() -> None:
    page = Page(render_value(valued()))
    told = worth.lists(people(), 50)
    assert [row.name for row in told] == list(ADVICE)
    assert sum(row.people for row in told) == PEOPLE
    assert sum(row.value for row in told) == pytest.approx(people().value.sum())
    for row in told:
        assert f"{row.people:,}" in page.text
    line = 'coterie predict value --as-of 2025-07-01 --horizon 30 --list "win back" --out win-back.parquet --purpose'
    assert line in re.sub(r" +", " ", page.text)
    assert "Away for long." in page.text, "its rule, which its number puts in order"
    assert "3" in page.all("value")


def test_totals_have_their_interval_and_cautions_are_told() -> None:
    text = Page(render_value(valued())).text.replace("\u202f", " ")
    assert "95% interval $80 k to $100 k" in text
    assert "The winter is not in the data." in text
    assert "60 people: no lawful basis." in text
    assert "Value is 40% of revenue in the next year; later money counts 10% a year less." in text


def test_who_to_believe_says_what_the_backtest_found() -> None:
    text = Page(render_value(valued())).text
    score = judged().score(FORECAST, "orders", "gini")
    assert score.verdict(judged().baseline) in text
    assert judged().protocol in text
    for name in judged().contenders:
        assert name in text
    assert "MAE (USD)" in text
    for row in forecasts.parameters(models())[0][1]:
        assert row.value in text


@pytest.mark.parametrize(
    ("gap", "words"),
    [((0.1, 0.02, 0.2), "it is better at telling"), ((-0.1, -0.2, -0.02), "it is worse at telling"),
     ((0.1, -0.1, 0.2), "no difference is shown in telling")],
)  # fmt: skip
def test_the_verdict_is_the_intervals(gap: tuple[float, float, float], words: str) -> None:
    from coterie.evaluation.intervals import Estimate

    scores = tuple(
        replace(one, difference=Estimate(*gap)) if one.contender == FORECAST and one.difference else one
        for one in judged().scores
    )
    said = forecasts.told_apart(replace(judged(), scores=scores), FORECAST)
    assert f"{words} who orders most, who spends most and who orders at all." in said
    assert said in Page(render_value(valued(backtest=replace(judged(), scores=scores)))).text


@pytest.mark.parametrize(
    ("part", "nothing"),
    [("backtest", None), ("models", None), ("tracking", None), ("total", None), ("rules", ()), ("warnings", ()),
     ("refused", None), ("provenance", {})],
)  # fmt: skip
def test_each_part_may_be_missing(part: str, nothing: object) -> None:
    page = Page(render_value(valued(**{part: nothing})))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(page.all("id"))
    if part == "backtest":
        assert "These predictions were not judged." in page.text


def test_hostile_text_is_shown_and_not_run() -> None:
    page = Page(render_value(valued(shop=HOSTILE, warnings=(HOSTILE,), command=HOSTILE, provenance={HOSTILE: HOSTILE})))
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert HOSTILE in "".join(page.words)


def test_a_small_list_is_told_with_others_and_never_alone() -> None:
    advice = np.repeat([0, 1, 2, 3], [30, 400, 80, 390])
    told = worth.lists(_people(np.full(PEOPLE, 100.0), advice), 50)
    assert [row.people for row in told] == [None, 400, None, 390, 110]
    assert told[-1].name == "retain and win back, together"
    page = Page(render_value(valued(people=_people(np.full(PEOPLE, 100.0), advice))))
    assert "Not told alone" in page.text
    for secret in ("30", "80"):
        assert not re.search(rf"(?<![\d.,$]){secret}(?![\d.,%])", page.text.split("What to do")[1].split("Who to")[0])


@pytest.mark.parametrize("seed", range(12))
def test_what_is_withheld_is_always_enough_people(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 200, len(ADVICE))
    advice = np.repeat(np.arange(len(ADVICE)), sizes)
    told = worth.lists(_people(random.lognormal(3, 1, len(advice)), advice), 50)
    shown = [row.people for row in told if row.people is not None]
    assert all(size >= 50 for size in shown)
    alone = {row.parts[0] for row in told if row.people is not None and len(row.parts) == 1}
    rest = [size for number, size in enumerate(sizes) if number not in alone and size]
    assert not rest or (len(rest) > 1 and sum(rest) >= 50) or not alone
    assert alone <= {number for number, hide in enumerate(small(sizes.tolist(), 50)) if not hide}


def test_a_list_that_one_person_makes_up_is_not_told_alone() -> None:
    advice = np.repeat([0, 1, 3], [200, 300, 400])
    value = np.full(PEOPLE, 100.0)
    value[0] = 1e7
    told = worth.lists(_people(value, advice), 50)
    assert [row.people for row in told[:3]] == [None, None, None], "nor can it be had from the total"
    assert all(row.people is None for row in told[3:])
    page = Page(render_value(valued(people=_people(value, advice))))
    assert "What customers are worth" in page.text, "no sum of everybody either"
    assert "$1" not in page.text.split("Who to believe")[0]


def test_small_tiers_are_told_with_their_neighbours() -> None:
    names = ("top 1%", "next 4%", "last 95%")
    value = np.sort(np.random.default_rng(0).lognormal(3, 1, PEOPLE))[::-1]
    tier = np.repeat([0, 1, 2], [9, 36, PEOPLE - 45])
    told = worth.tiers(replace(_people(value), tier=tier), names, 50)
    assert [(row.name, row.people) for row in told] == [("top 1%, next 4% and last 95%", PEOPLE)]
    told = worth.tiers(replace(_people(value), tier=tier), names, 40)
    assert [(row.name, row.people) for row in told] == [("top 1% and next 4%", 45), ("last 95%", PEOPLE - 45)]
    assert told[0].value == pytest.approx(value[:45].sum())


def test_the_curve_of_concentration_has_no_step_of_few_people() -> None:
    told = worth.tiers(people(), valued().tiers, 50)
    drawn = worth.concentration(people(), told, 50).wide
    paths = re.findall(r'class="accent".*?d="M([^"]+)"', drawn)
    curve = next(path for path in paths if path.count("L") > 5)
    across = np.array([float(point.split()[0]) for point in re.split("[LM]", curve)])
    room = across[-1] - across[0]
    assert (np.diff(across) / room * PEOPLE).min() > 49


@pytest.mark.parametrize("seed", range(6))
def test_spans_of_next_orders_are_of_enough_people_and_of_everybody(seed: int) -> None:
    random = np.random.default_rng(seed)
    wait = np.where(random.random(PEOPLE) < 0.03, np.nan, random.exponential(random.choice([3, 40, 400]), PEOPLE))
    told = worth.waits(replace(_people(np.ones(PEOPLE)), wait=wait), 365, 50)
    assert sum(count for _, count in told) == PEOPLE
    assert all(count >= 50 for _, count in told)


def test_gains_and_calibration_are_not_told_of_few_people() -> None:
    told = forecasts.tellable(judged(), 50)
    tops = told.gains[0].tops
    assert min(np.diff([0.0, *tops])) * PEOPLE >= 50
    assert len(tops) < len(judged().gains[0].tops)
    assert forecasts.tellable(judged(), PEOPLE + 1) is None
    coarse = forecasts.tellable(judged(), 200)
    assert not coarse.calibrations, "tenths of 900 people are 90"
    assert coarse.score(FORECAST, "orders", "gini")
    assert not coarse.score(FORECAST, "orders", "gain"), "the top fifth are 180"
    assert not coarse.gains
    page = Page(render_value(valued(minimum_group=PEOPLE + 1)))
    assert "too few customers" in page.text
    assert "900" not in page.text


def test_a_backtest_that_was_kept_reads_the_same() -> None:
    kept = Backtest.from_json(judged().to_json())
    assert Page(render_value(valued(backtest=kept))).text == Page(render_value(valued())).text


def test_figures_have_names_and_go_with_what_is_known() -> None:
    whole = set(value_figures(valued()))
    assert whole == {
        "lists", "concentration", "next-orders", "gains", "tracking", "gini-orders", "gini-spend", "auc-active",
        "bias-orders", "bias-spend", "calibration-orders", "calibration-active", "calibration-spend", "matrix-orders",
        "matrix-active",
    }  # fmt: skip
    young = set(value_figures(valued(backtest=None, models=None, tracking=None)))
    assert young == {"lists", "concentration", "next-orders"}


def test_what_models_say_of_themselves_tells_no_few_people() -> None:
    said = ("12 of 900 people bought again", "no more than 7 people", "at least 20 people are needed, and there are 7")
    text = Page(render_value(valued(warnings=said, chosen=said))).text
    assert text.count("<50 of 900 people bought again.") == 2
    assert text.count("No more than <50 people.") == 2
    assert text.count("At least 20 people are needed, and there are <50.") == 2


def test_a_shop_where_nobody_is_worth_anything_has_a_page() -> None:
    html = render_value(valued(people=_people(np.zeros(PEOPLE)), total=None))
    assert "nan" not in html.replace("nance", "").lower().split("<main")[1]
    assert "900 customers, $0 to come" in html
