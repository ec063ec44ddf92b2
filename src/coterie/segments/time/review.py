"""Review: whether it is time to look at a segmentation again, and why, with the figure behind each reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from coterie.charts.numbers import count, days, ratio, share
from coterie.errors import ParameterError
from coterie.evaluation.drift import MAJOR, MINOR, Drift
from coterie.evaluation.intervals import Estimate
from coterie.segments.evidence.validity import DOUBTFUL, STABLE
from coterie.segments.suppression import cells, told_share
from coterie.segments.time.alignment import DISSOLVED, Alignment
from coterie.segments.words.description import listed, lower

Verdict = Literal["keep", "watch", "review"]
ORDER: tuple[Verdict, ...] = ("keep", "watch", "review")

HALF_YEAR, YEAR = 183, 365
_SIDDIQI = "Siddiqi (2006): a PSI below .1 is little, above .25 much"
_HENNIG = "Hennig (2007): a Jaccard of .75 is stable, below .6 not to be trusted"
_DISSOLVED = "Hennig (2008): at a Jaccard of .5 or less a segment is dissolved"
_AGE = "house rule: after a year every season was seen once, and is due to be seen again"
_SIZE = "the shop's minimum group"
_DIGITS = 2  # of a figure that is judged at .1 and .25, or at .6 and .75


@dataclass(frozen=True)
class Reason:
    """One thing that was looked at.

    Parameters
    ----------
    about
        ``sizes``, ``behaviour``, ``history`` (features that count everything so far), ``stability``, ``smallest``,
        ``age`` or ``retrained``.
    verdict
        What it alone would say.
    figure
        What was measured: a PSI, a Jaccard, people, days.
    threshold
        The figure at which this verdict begins; where it is ``keep``, the one at which ``watch`` would.
    words
        What it means, for people who do not know the figure.
    source
        Where the threshold comes from.
    """

    about: str
    verdict: Verdict
    figure: float
    threshold: float
    words: str
    source: str


@dataclass(frozen=True)
class Review:
    """What to do with a segmentation.

    Parameters
    ----------
    verdict
        ``keep``, ``watch`` (look again soon) or ``review`` (look at the segments and decide; nothing is made anew by
        itself).
    words
        The verdict in a sentence, with its strongest reasons.
    reasons
        Everything that was looked at, what speaks most for a review first.
    """

    verdict: Verdict
    words: str
    reasons: tuple[Reason, ...]


def review(
    names: Sequence[str],
    sizes: Sequence[int],
    shares: Drift,
    features: Sequence[Drift] = (),
    *,
    age_days: float,
    growing: Collection[str] = (),
    titles: Mapping[str, str] | None = None,
    stability: Sequence[Estimate] = (),
    stability_then: Sequence[Estimate] = (),
    alignment: Alignment | None = None,
    minimum_size: int = 50,
    sizes_then: Sequence[int] = (),
) -> Review:
    """Weigh up whether a segmentation still fits.

    A drift that chance alone brings about (``Drift.chance``) is no reason, nor is a weakness that the segments had from
    the start.

    Parameters
    ----------
    names, sizes
        Of the segments, by id; people in each now.
    shares
        Drift of the segments' sizes since the model was made.
    features
        Drift of what the segments are made of.
    age_days
        Since the model was made.
    growing
        The features that count everything up to the moment, and so grow by themselves.
    titles
        Of features, for people, by name.
    stability, stability_then
        The Jaccard of each segment with its counterpart in resampled people, now and when the model was made; empty
        where it is not known.
    alignment
        Of segments made anew from today's people with the old ones.
    minimum_size
        The smallest group that may be told. Figures are rounded, so that no smaller one can be worked out from them.
    sizes_then
        People in each segment when the model was made; empty where that is not known.

    Raises
    ------
    ParameterError
        There is not one size a name.

    Examples
    --------
    >>> calm = Drift("sizes", "shares", psi=0.01, js=0.0, chance=0.02)
    >>> review(["Loyal", "Lost"], [900, 400], calm, age_days=30).words
    'Keep these segments: nothing that was looked at has moved enough to matter.'
    >>> review(["Loyal", "Lost"], [900, 20], calm, age_days=30).verdict
    'review'
    """
    if len(names) != len(sizes) or not len(names):
        raise ParameterError.of("review", "sizes", len(sizes), f"one a segment, {len(names)}")
    told = titles or {}
    reasons = [
        _sizes(shares, 1 if any(any(cells(side, minimum_size)) for side in (sizes, sizes_then)) else _DIGITS),
        _behaviour("behaviour", [one for one in features if one.name not in growing], told),
        _behaviour("history", [one for one in features if one.name in growing], told),
        _stability(names, stability, stability_then),
        _smallest(names, sizes, minimum_size),
        _age(age_days),
        _retrained(names, alignment, minimum_size),
    ]
    found = sorted((one for one in reasons if one is not None), key=lambda one: -ORDER.index(one.verdict))
    verdict = found[0].verdict
    strongest = [one.words[:1].lower() + one.words[1:].rstrip(".") for one in found if one.verdict == verdict]
    words = {
        "keep": "Keep these segments: nothing that was looked at has moved enough to matter.",
        "watch": f"Keep these segments, and look again soon: {'; '.join(strongest)}.",
        "review": f"Time to review these segments: {'; '.join(strongest)}.",
    }[verdict]
    return Review(verdict, words, tuple(found))


def _psi(drift: Drift) -> tuple[Verdict, float]:
    """Return what a PSI says and the threshold that says so."""
    if drift.psi < MINOR or drift.psi <= drift.chance:
        return "keep", max(MINOR, drift.chance)
    return ("watch", MINOR) if drift.psi < MAJOR else ("review", MAJOR)


def _sizes(shares: Drift, digits: int) -> Reason:
    """Say how far sizes have moved; where one may not be told, the figure to many digits would tell it."""
    verdict, threshold = _psi(shares)
    words = {
        "keep": "The segments are about as large, beside each other, as when they were made",
        "watch": "Some segments have grown and others shrunk since they were made",
        "review": "The sizes of the segments are far from what they were when they were made",
    }[verdict]
    figure = round(shares.psi, digits)
    return Reason(
        "sizes", verdict, figure, round(threshold, digits), f"{words} (PSI {ratio(figure, places=digits)}).", _SIDDIQI
    )


def _behaviour(about: str, features: Sequence[Drift], titles: Mapping[str, str]) -> Reason | None:
    """Say of the features which have drifted; the one that drifted most stands for all."""
    if not features:
        return None
    ranked = sorted(features, key=lambda one: (-ORDER.index(_psi(one)[0]), -one.psi, one.name))
    worst = ranked[0]
    verdict, threshold = _psi(worst)
    if about == "history" and verdict == "review":
        verdict, threshold = "watch", MINOR  # time alone does it; whether it matters, sizes and stability say
    moved = [lower(titles.get(one.name, one.name)) for one in ranked if _psi(one)[0] != "keep"]
    first = (
        listed([f"{name} (PSI {ratio(one.psi)})" for name, one in zip(moved[:3], ranked, strict=False)])
        if moved
        else ""
    )
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    if about == "history":
        words = (
            f"What counts everything since a customer's first order has grown: {first}{more}. It grows with time by "
            "itself, and moves people whose behaviour is the same"
            if moved
            else f"What counts everything so far is about as it was (largest PSI {ratio(worst.psi)})"
        )
    elif moved:
        words = f"Customers buy differently from when the segments were made: {first}{more}"
    else:
        words = f"Customers buy about as when the segments were made (largest PSI {ratio(worst.psi)})"
    return Reason(about, verdict, round(worst.psi, _DIGITS), round(threshold, _DIGITS), f"{words}.", _SIDDIQI)


def _stability(names: Sequence[str], now: Sequence[Estimate], then: Sequence[Estimate]) -> Reason | None:
    if not now:
        return None
    bands, known = ([sum(one.value < limit for limit in (STABLE, DOUBTFUL)) for one in side] for side in (now, then))
    known = known if len(known) == len(bands) else [0] * len(bands)
    fallen = [place for place, band in enumerate(bands) if band > known[place]]
    verdict = ORDER[max((bands[place] for place in fallen), default=0)]
    place = min(fallen or range(len(now)), key=lambda one: now[one].value)
    figure = now[place].value
    if fallen:
        before = f", {ratio(then[place].value)} when it was made" if len(then) == len(now) else ""
        how = "hardly comes back" if bands[place] == 2 else "only roughly comes back"
        words = f"Among today's customers {names[place]} {how} as a group (Jaccard {ratio(figure)}{before})"
    else:
        weak = " (weak from the start)" if bands[place] else ""
        words = f"In today's customers the segments come back as they did (weakest Jaccard {ratio(figure)}){weak}"
    threshold = DOUBTFUL if verdict == "review" else STABLE
    return Reason("stability", verdict, round(figure, _DIGITS), threshold, f"{words}.", _HENNIG)


def _smallest(names: Sequence[str], sizes: Sequence[int], minimum: int) -> Reason:
    place = min(range(len(sizes)), key=lambda one: sizes[one])
    few = [name for name, size in zip(names, sizes, strict=True) if size < minimum]
    if few:
        words = f"Fewer than {count(minimum)} people are in {listed(few)}, too few to work with"
        # The figure is the limit, not the size: a size below the minimum is not told.
        return Reason("smallest", "review", float(minimum), float(minimum), f"{words}.", _SIZE)
    words = f"Every segment has at least {count(minimum)} people (the smallest is {names[place]})"
    return Reason("smallest", "keep", float(sizes[place]), float(minimum), f"{words}.", _SIZE)


def _age(age: float) -> Reason:
    verdict: Verdict = "keep" if age < HALF_YEAR else "watch" if age < YEAR else "review"
    return Reason(
        "age", verdict, round(age, 1), YEAR if verdict == "review" else HALF_YEAR,
        f"The segments were made {days(max(round(age), 0))} before.", _AGE,
    )  # fmt: skip


def _retrained(names: Sequence[str], alignment: Alignment | None, minimum: int) -> Reason | None:
    if alignment is None:
        return None
    lost = [names[one] for one in alignment.gone if one < len(names)]
    lost += [
        names[alignment.mapping[new] or 0] for new in alignment.dissolved if (alignment.mapping[new] or 0) < len(names)
    ]
    figure = min(
        (one for one, old in zip(alignment.jaccard, alignment.mapping, strict=True) if old is not None), default=0.0
    )
    people = sum(map(sum, alignment.overlaps))
    part = told_share(alignment.agreement, people, minimum)
    agree = f"about {share(part)} of people"
    if part == 1 or people < 2 * minimum:
        agree = f"all but fewer than {minimum} people" if part == 1 else "some people"
    figure = round(figure, 1)  # with the sizes, more digits tell how few went from one to the other
    if lost or alignment.born:
        what = f"{listed(lost)} would not come out again" if lost else "new segments would come out beside the old ones"
        words = f"Made anew from today's customers, {what}; {agree} would keep their segment"
        return Reason("retrained", "review", figure, DISSOLVED, f"{words}.", _DISSOLVED)
    words = f"Made anew from today's customers, the same segments come out; {agree} would keep theirs"
    return Reason("retrained", "keep", figure, DISSOLVED, f"{words}.", _DISSOLVED)
