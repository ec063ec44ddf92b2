"""The verdict: the model beside the strongest methods of others on the same resamples, in words that admit defeat."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.evaluation.comparison import verdict
from coterie.evaluation.intervals import Estimate, interval
from coterie.segments.judge import Judged
from coterie.segments.validity import STABLE, CardRow, Comparison, Question, Standing

_COARSE = 3  # baselines of at most three times the model's groups are of similar size
_WORDS = {"better": "better than", "worse": "WORSE than", "no different": "about as well as"}
_ASKED: dict[Question, tuple[str, str]] = {
    "spend": ("future spend", "R²"),
    "churn": ("who stays away", "AUC"),
    "mix": ("what people buy", "R² of the mix"),
}


def equal_parts(k: int) -> str:
    """Return the name of the baseline that cuts people into equal parts by past spend."""
    return "Spend quintiles" if k == 5 else f"Spend in {k} equal parts"


def compared(judged: Sequence[Judged], margin: float) -> tuple[Comparison, ...]:
    """Return the first method beside others, question by question.

    Beside as many equal parts by past spend, where ``margin`` less R² of spend counts as not inferior; beside the
    strongest baseline of at most three times as many groups, and the strongest of more; and beside each view.
    """
    model, others = judged[0], judged[1:]
    k = model.row.k or 2
    baselines = [one for one in others if one.row.role == "baseline"]
    found = []
    for question in model.repeats:
        allowed = margin if question == "spend" else 0.0
        equal = [one for one in baselines if one.row.method == equal_parts(k)]
        found += [_beside(model, one, question, "equal parts", allowed) for one in equal]
        coarse = [one for one in baselines if (one.row.k or 0) <= _COARSE * k]
        fine = [one for one in baselines if one not in coarse]
        strongest: tuple[tuple[Standing, list[Judged]], ...] = ("strongest", coarse), ("finer", fine)
        for standing, group in strongest:
            if group:
                best = max(group, key=lambda one: _figure(one.row, question).value)
                found.append(_beside(model, best, question, standing, 0.0))
        found += [_beside(model, one, question, "view", 0.0) for one in others if one.row.role == "view"]
    return tuple(found)


def in_words(comparisons: Sequence[Comparison], stable: Sequence[Estimate]) -> str:
    """Say how the model does against the strongest baselines, and whether its segments come back."""
    said: list[str] = []
    for question in dict.fromkeys(one.question for one in comparisons):
        what, name = _ASKED[question]
        parts = [
            f"{_WORDS[one.finding]} {one.other}{_size(one)}: {name} {_measured(one.gap)}"
            for one in comparisons
            # a finer grouping that loses says nothing
            if one.question == question and (one.standing == "strongest" or _ahead_though_fine(one))
        ]
        if parts:
            subject = "They" if said else f"These {comparisons[0].k} segments"
            said.append(f"{subject} tell {what} {'; and '.join(parts)}.")
    equal = [one for one in comparisons if one.standing == "equal parts"]
    if equal:
        said.append(
            f"Beside as many equal parts by past spend ({equal[0].k}) they tell "
            f"{', '.join(_beside_equal(one) for one in equal)}."
        )
    for one in comparisons:
        if one.standing == "view" and one.finding == "worse":
            what, name = _ASKED[one.question]
            said.append(f"Groups by {one.other} alone tell {what} BETTER: {name} {_measured(one.gap)} for these.")
    if stable:
        weak, weakest = sum(one.value < STABLE for one in stable), min(one.value for one in stable)
        said.append(
            f"{weak} of {len(stable)} do not come back well in resampled data (weakest Jaccard {weakest:.2f})."
            if weak
            else f"All {len(stable)} come back in resampled data (weakest Jaccard {weakest:.2f})."
        )
    return " ".join(said)


def _beside(model: Judged, other: Judged, question: Question, standing: Standing, margin: float) -> Comparison:
    """Pair two methods on the same resamples."""
    value = _figure(model.row, question).value - _figure(other.row, question).value
    gap = interval(value, model.repeats[question] - other.repeats[question])
    return Comparison(
        question, standing, model.row.method, model.row.k or 2, other.row.method, other.row.k, gap, margin,
        verdict(gap, margin),
    )  # fmt: skip


def _beside_equal(one: Comparison) -> str:
    """Say how the model does beside as many equal parts, with the margin that was asked for."""
    what, name = _ASKED[one.question]
    if one.finding == "not inferior":
        how = f"not more than {one.margin:g} behind"
    elif one.finding == "no different":
        how = f"perhaps more than {one.margin:g} behind" if one.margin else "about as well"
    else:
        how = {"better": "better", "worse": "WORSE"}[one.finding]
    return f"{what} {how} ({name} {_measured(one.gap)})"


def _ahead_though_fine(one: Comparison) -> bool:
    return one.standing == "finer" and one.finding != "better"


def _figure(row: CardRow, question: Question) -> Estimate:
    """Return a row's figure on a question that was judged for all."""
    found = {"spend": row.r2, "churn": row.auc, "mix": row.mix}[question]
    return found if found is not None else Estimate(float("nan"), float("nan"), float("nan"))


def _size(one: Comparison) -> str:
    return f" ({one.other_k} groups)" if one.other_k != one.k else ""


def _measured(gap: Estimate) -> str:
    return f"{gap.value:+.3f}, from {gap.low:+.3f} to {gap.high:+.3f}"
