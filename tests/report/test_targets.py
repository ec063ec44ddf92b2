"""The page of a learner's predictions: what it says, how it was judged, nothing of few people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coterie.predict.propensity.targets import target
from coterie.report.targets import parts, render_target, target_figures
from oracles.pages import Page
from oracles.valued import PEOPLE, targeted

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;"


def test_page_is_complete_and_fetches_nothing() -> None:
    page = Page(render_target(targeted()))
    for words in ("Churn in the next 30 days", "Everybody in order", "Can you trust this?", "What moves it"):
        assert words in page.text
    identifiers = page.all("id")
    assert len(identifiers) == len(set(identifiers))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(identifiers)
    assert all(link.startswith(("#", "data:")) for link in page.all("href"))
    assert not page.all("src")
    assert not page.all("style")


def test_it_says_how_far_to_believe_it_and_what_moves_it() -> None:
    report = targeted()
    text = Page(render_target(report)).text
    assert report.judgement.words in text
    assert report.judgement.rule in text
    assert "Everybody in June." in text
    assert "Days since last order" in text
    assert "12 points" in text
    assert "The more, the higher." in text
    assert "1 June 2025, 1 May 2025" in text
    assert "coterie predict churn --as-of 2025-07-01 --horizon 30 --out churn.parquet --purpose marketing" in text


def test_tenths_are_of_everybody_and_rise() -> None:
    told = parts(targeted())
    assert [one.people for one in told] == [90] * 10
    means = [one.mean for one in told]
    assert means == sorted(means)
    assert np.mean(means) == pytest.approx(targeted().predictions.mean())


def test_parts_are_never_of_few_people() -> None:
    few = targeted(predictions=np.linspace(0, 1, 120))
    assert [one.people for one in parts(few)] == [60, 60]
    none = targeted(predictions=np.linspace(0, 1, 49), judgement=None)
    assert parts(none) == ()
    page = Page(render_target(none))
    assert "too few customers" in page.text
    assert "These predictions were not judged." in page.text
    assert "What moves it" not in page.text
    assert target_figures(none) == {}
    assert "49" not in page.text


def test_what_one_person_makes_up_is_not_told() -> None:
    amounts = np.zeros(PEOPLE)
    amounts[7] = 1e6
    assert parts(targeted(target=target("spend", 30), predictions=amounts)) == ()


def test_classes_with_few_people_are_left_out_with_another_that_would_tell_them() -> None:
    choice = np.repeat(["milk", "<b>cheese", "wine", "salt", None], [400, 300, 120, 20, 60]).astype(object)
    report = targeted(target=target("category", 30), predictions=choice, judgement=None)
    assert [(one.name, one.people) for one in parts(report)] == [("milk", 400), ("<b>cheese", 300), ("wine", 120)]
    page = Page(render_target(report))
    assert "salt" not in page.text
    assert "not known" not in page.text
    assert "more are expected to choose milk than anything else: 44%" in page.text.replace("  ", " ")


def test_numbers_and_money_are_written_as_such() -> None:
    amounts = np.random.default_rng(1).lognormal(8, 1, PEOPLE)
    page = Page(render_target(targeted(target=target("spend", 30), predictions=amounts, judgement=None)))
    assert "$" in page.text
    counts = Page(render_target(targeted(target=target("orders", 30), predictions=amounts / 1e3, judgement=None)))
    assert f"{round(amounts.sum() / 1e3):,}" in counts.text


def test_it_says_when_the_rule_or_the_mean_speaks() -> None:
    ruled = Page(render_target(targeted(by_rule=True)))
    assert "The naive rule was shown to be better" in ruled.text
    assert "What moves it" not in ruled.text
    mean = Page(render_target(targeted(degraded="only 3 people left", reasons=())))
    assert "Everybody gets the mean. Only <50 people left." in mean.text


def test_a_judgement_of_few_people_is_not_told() -> None:
    page = Page(render_target(targeted(judgement=replace(targeted().judgement, people=20))))
    assert "These predictions were not judged." in page.text
    assert "AUC" not in page.text


def test_hostile_text_is_shown_and_not_run() -> None:
    page = Page(render_target(targeted(shop=HOSTILE, command=HOSTILE, degraded=HOSTILE, provenance={HOSTILE: HOSTILE})))
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert HOSTILE in "".join(page.words)


def test_figures_have_names() -> None:
    assert set(target_figures(targeted())) == {"people", "judgement", "calibration"}
