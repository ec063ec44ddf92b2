"""The verdict: short, first what segments are for, no comparison twice, no loss hidden."""

import re

import pytest

from coterie.evaluation.intervals import Estimate
from coterie.segments.evidence.validity import Comparison
from coterie.segments.evidence.verdict import equal_parts, in_words

WON, LOST, EVEN = Estimate(0.2, 0.1, 0.3), Estimate(-0.2, -0.3, -0.1), Estimate(0.01, -0.1, 0.12)
QUESTIONS = ("spend", "churn", "mix")
OTHERS = {"equal parts": equal_parts(4), "strongest": "RFM cells", "finer": "Finer cells", "view": "Purchases"}


def beside(question, standing, gap, finding, other="", margin=0.0):
    sizes = {"finer": 40}
    return Comparison(
        question, standing, "ours", 4, other or OTHERS[standing], sizes.get(standing, 4), gap, margin, finding
    )


@pytest.mark.parametrize("standing", OTHERS)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("purpose", QUESTIONS)
def test_no_loss_is_hidden(standing, question, purpose):
    """Among wins, one loss of any kind is told, with its interval, whatever the segments were made for."""
    every = [
        beside(asked, one, LOST, "worse") if (asked, one) == (question, standing) else beside(asked, one, WON, "better")
        for asked in QUESTIONS
        for one in OTHERS
    ]
    told = in_words(every, (), purpose)
    assert told.count("WORSE") + told.count("BETTER") == 1
    assert told.count("-0.200, from -0.300 to -0.100") == 1


@pytest.mark.parametrize(("gap", "finding"), [(WON, "better"), (LOST, "worse"), (EVEN, "no different")])
@pytest.mark.parametrize("purpose", QUESTIONS)
def test_it_is_short_and_leads_with_what_segments_are_for(purpose, gap, finding):
    stable = (Estimate(0.9, 0.8, 1.0), Estimate(0.7, 0.6, 0.8))
    views = [beside(asked, "view", LOST, "worse", name) for asked in QUESTIONS for name in ("Purchases", "Combined")]
    every = [beside(asked, one, gap, finding) for asked in QUESTIONS for one in OTHERS if one != "view"]
    told = in_words([*every, *views], stable, purpose)
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", told)
    assert 3 <= len(sentences) <= 5
    first = {"spend": "These 4 segments tell future spend", "churn": "These 4 segments tell who stays away",
             "mix": "Made for taste, these 4 segments tell what people buy"}  # fmt: skip
    assert sentences[0].startswith(first[purpose])
    assert sentences[-1] == "Of 2 segments 1 does not come back well in resampled data (weakest Jaccard 0.70)."
    assert sentences[-2].startswith("Groups by Purchases tell future spend BETTER (R² -0.200")
    assert sentences[-2].count("also by Combined") == 3


def test_no_comparison_is_told_twice():
    """Equal parts by past spend that are the strongest baseline too are told once."""
    gaps = [Estimate(value, value - 0.5, value + 0.5) for value in (0.011, 0.022, 0.033)]
    every = [
        beside(question, standing, gap, "no different", equal_parts(4))
        for question, gap in zip(QUESTIONS, gaps, strict=True)
        for standing in ("equal parts", "strongest")
    ]
    told = in_words(every, ())
    assert told.count("4 equal parts by past spend") == 3
    assert [told.count(f"{gap.value:+.3f}") for gap in gaps] == [1, 1, 1]


def test_without_past_spend_the_strongest_baseline_is_told():
    told = in_words(
        [beside("spend", "strongest", EVEN, "no different"), beside("churn", "strongest", WON, "better")], ()
    )
    assert told == (
        "These 4 segments tell future spend about as well as RFM cells (R² +0.010, from -0.100 to +0.120). "
        "They tell who stays away better than RFM cells (AUC +0.200, from +0.100 to +0.300)."
    )


def test_a_margin_is_told_and_a_loss_within_it_is_still_a_loss():
    def told(gap, finding):
        return in_words([beside("spend", "equal parts", gap, finding, margin=0.02)], ())

    assert "about as well as 4 equal parts by past spend, not more than 0.02 behind (R² +" in told(
        Estimate(0.01, -0.01, 0.03), "not inferior"
    )
    assert "WORSE than 4 equal parts by past spend, not more than 0.02 behind (R² -0.010" in told(
        Estimate(-0.01, -0.015, -0.005), "not inferior"
    )
    assert "about as well as 4 equal parts by past spend, perhaps more than 0.02 behind" in told(EVEN, "no different")


def test_a_finer_grouping_that_is_beaten_says_nothing_and_its_size_is_told_where_it_is_not():
    coarse = beside("spend", "strongest", WON, "better")
    assert "Finer" not in in_words([coarse, beside("spend", "finer", WON, "better")], ())
    assert "Finer cells (40 groups; R² +0.010" in in_words([coarse, beside("spend", "finer", EVEN, "no different")], ())
