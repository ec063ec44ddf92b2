"""The verdict: the model beside the strongest methods of others on the same resamples, in words that admit defeat."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.evaluation.comparison import verdict
from coterie.evaluation.intervals import Estimate, interval
from coterie.segments.evidence.judge import Judged
from coterie.segments.evidence.validity import STABLE, CardRow, Comparison, Question, Standing

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


def in_words(comparisons: Sequence[Comparison], stable: Sequence[Estimate], made_for: Question = "spend") -> str:
    """Say how the model does beside others, first in what it was made for, and whether its segments come back.

    A question is answered beside as many equal parts by past spend (else the strongest baseline); the one that the
    segments were made for also beside the strongest baseline, and a finer one that they do not beat. Beside that, every
    loss is told: to a baseline, and for each question to the view that is furthest ahead. Nothing is told twice.
    """
    questions = dict.fromkeys(one.question for one in comparisons)
    first = [question for question in questions if question == made_for]
    said: list[str] = []
    for question in (*first, *(one for one in questions if one != made_for)):
        what, name = _ASKED[question]
        told = _chosen([one for one in comparisons if one.question == question], question == made_for)
        parts = [f"{_how(one)} ({_size(one)}{name} {_measured(one.gap)})" for one in told]
        if parts:
            subject = "they" if said else f"these {told[0].k} segments"
            purpose = "Made for taste, " if question == made_for == "mix" else ""
            words = f"{purpose}{subject} tell {what} {'; and '.join(parts)}."
            said.append(words[:1].upper() + words[1:])
    ahead = [part for question in questions if (part := _ahead(comparisons, question))]
    if ahead:
        said.append(f"Groups by {'; by '.join(ahead)}.")
    if stable:
        weak, weakest = sum(one.value < STABLE for one in stable), min(one.value for one in stable)
        some = f"Of {len(stable)} segments {weak} {'does' if weak == 1 else 'do'} not come back well"
        back = some if weak else f"All {len(stable)} come back"
        said.append(f"{back} in resampled data (weakest Jaccard {weakest:.2f}).")
    return " ".join(said)


def _chosen(comparisons: Sequence[Comparison], all_of_it: bool) -> list[Comparison]:
    """Return the comparisons of one question that are told, each other method once."""
    told: dict[str, Comparison] = {}
    for standing in ("equal parts", "strongest", "finer"):
        for one in comparisons:
            if one.standing != standing or one.other in told:
                continue
            wanted = all_of_it and not (standing == "finer" and one.finding == "better")
            if wanted or standing == "equal parts" or one.finding == "worse" or not (told or standing == "finer"):
                told[one.other] = one
    return list(told.values())


def _ahead(comparisons: Sequence[Comparison], question: Question) -> str:
    """Say which views tell more, with how much the one does that is furthest ahead; empty where none does."""
    better = [one for one in comparisons if (one.question, one.standing, one.finding) == (question, "view", "worse")]
    if not better:
        return ""
    best, *others = sorted(better, key=lambda one: one.gap.value)
    what, name = _ASKED[question]
    also = f"; also by {', '.join(one.other for one in others)}" if others else ""
    return f"{best.other} tell {what} BETTER ({name} {_measured(best.gap)} for these{also})"


def _beside(model: Judged, other: Judged, question: Question, standing: Standing, margin: float) -> Comparison:
    """Pair two methods on the same resamples."""
    value = _figure(model.row, question).value - _figure(other.row, question).value
    gap = interval(value, model.repeats[question] - other.repeats[question])
    return Comparison(
        question, standing, model.row.method, model.row.k or 2, other.row.method, other.row.k, gap, margin,
        verdict(gap, margin),
    )  # fmt: skip


def _how(one: Comparison) -> str:
    """Say how the model does beside another method, with the margin that was asked for."""
    whom = f"{one.k} equal parts by past spend" if one.other == equal_parts(one.k) else one.other
    if one.finding == "not inferior":
        how = "WORSE than" if one.gap.high < 0 else "about as well as"
        return f"{how} {whom}, not more than {one.margin:g} behind"
    return f"{_WORDS[one.finding]} {whom}{f', perhaps more than {one.margin:g} behind' if _open(one) else ''}"


def _open(one: Comparison) -> bool:
    """Say whether a margin was asked for and may have been passed."""
    return one.finding == "no different" and one.margin > 0


def _figure(row: CardRow, question: Question) -> Estimate:
    """Return a row's figure on a question that was judged for all."""
    found = {"spend": row.r2, "churn": row.auc, "mix": row.mix}[question]
    return found if found is not None else Estimate(float("nan"), float("nan"), float("nan"))


def _size(one: Comparison) -> str:
    return f"{one.other_k} groups; " if one.other_k != one.k else ""


def _measured(gap: Estimate) -> str:
    return f"{gap.value:+.3f}, from {gap.low:+.3f} to {gap.high:+.3f}"
