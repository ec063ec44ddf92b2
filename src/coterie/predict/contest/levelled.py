"""One contender's ranking at another one's level: who is before whom from the first, how much from the second."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import ParameterError
from coterie.predict.contest.contender import Case, Contender, Floats, Forecast
from coterie.predict.contest.stored import Parts, Storable, restored, stored

Shape = Literal["total", "isotonic", "halfway"]
Curve = tuple[Floats, Floats]
"""The knots of a rising curve: scores, and the amounts that they stand for."""
Ints = npt.NDArray[np.intp]
SHAPES: tuple[Shape, ...] = ("total", "isotonic", "halfway")
PARTS = ("orders", "active", "spend")
FEWEST = 5  # people of a knot: what one person is expected to spend is nothing to keep in a curve
KNOTS = 5000  # of a curve at most, however many people there are


class Levelled(Storable):
    """Rank by one contender, and take amounts from another one.

    Learners rank people well but take their level from a past that may not last; models of histories have the level
    right and see little of a person. What is learnt is one rising curve from the first one's figures to the second
    one's, for the people at the origin: it needs no outcome, so that nothing of the future can slip in.

    Parameters
    ----------
    ranking
        Who is before whom.
    level
        How much in all; a contender whose forecasts are amounts.
    shape
        ``total``: one factor, so that all people together have the level's total. ``isotonic``: the rising curve that
        comes nearest to the level's figures in squares (pools of adjacent violators, of at least 5 people each, joined
        by straight lines), then one factor for the total: it mends a ranking whose spread is too wide or too narrow as
        well. ``halfway``: the mean of the two, for rankings that have amounts of their own.
    name
        None takes the names of both.

    References
    ----------
    Barlow et al. (1972), Statistical Inference under Order Restrictions.
    """

    _last = "curves_"

    def __init__(
        self, ranking: Contender, level: Contender, shape: Shape = "isotonic", name: str | None = None
    ) -> None:
        self.ranking = ranking
        self.level = level
        self.shape = shape
        self.name = name or f"{ranking.name} at the level of {level.name}"

    def fit(self, case: Case) -> Self:
        """Fit both contenders, then the curves from one to the other for the people at the origin.

        Raises
        ------
        ParameterError
            There is no such shape, or the level is of a contender that only ranks.
        """
        if self.shape not in SHAPES:
            raise ParameterError.of("Levelled", "shape", self.shape, f"one of {', '.join(SHAPES)}")
        people = len(case.now)
        ranked = self.ranking.fit(case).forecast(case.now).checked(self.ranking.name, people)
        levels = self.level.fit(case).forecast(case.now).checked(self.level.name, people)
        if not levels.level:
            raise ParameterError.of("Levelled", "level", self.level.name, "a contender that forecasts amounts")
        curves: dict[str, list[Curve]] = {}
        for part in PARTS:
            score, amount = getattr(ranked, part), getattr(levels, part)
            if score is not None and amount is not None and people:
                curves[part] = [_curve(score, amount, shape) for shape in _shapes(self.shape)]
        why = [f"{one.name}: {one.degraded_}" for one in (self.ranking, self.level) if one.degraded_]
        self.degraded_ = " ".join(why) or None
        self.curves_ = curves
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return the ranking's figures on the curves; a part that one of the two does not forecast is None."""
        self._check_fitted()
        ranked = self.ranking.forecast(now)
        active = self._told("active", ranked.active)
        return Forecast(
            self._told("orders", ranked.orders),
            None if active is None else np.clip(active, 0.0, 1.0),
            self._told("spend", ranked.spend),
        )

    def _told(self, part: str, score: Floats | None) -> Floats | None:
        if score is None or part not in self.curves_:
            return None
        return np.asarray(np.mean([_read(score, *curve) for curve in self.curves_[part]], axis=0), dtype=np.float64)

    def _learnt(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "ranking": stored(self.ranking),
            "level": stored(self.level),
            "curves": {
                part: [{"scores": at.tolist(), "amounts": values.tolist()} for at, values in self.curves_[part]]
                if part in self.curves_
                else None
                for part in PARTS
            },
        }

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        made = cls.__new__(cls)
        ranking, level = restored(parts.any("ranking")), restored(parts.any("level"))
        Levelled.__init__(made, ranking, level, _shape(parts.text("shape")), name)
        curves = parts.parts("curves")
        made.curves_ = {part: _read_back(curves.any(part), made.shape) for part in curves.given(PARTS)}
        curves.finish()
        return made


def _shape(name: str) -> Shape:
    found = next((shape for shape in SHAPES if shape == name), None)
    if found is None:
        raise ValueError("shape is not as it should be")
    return found


def _shapes(shape: Shape) -> tuple[Shape, ...]:
    """Return the shapes of the curves whose mean is read."""
    return ("total", "isotonic") if shape == "halfway" else (shape,)


def _read_back(bodies: Any, shape: Shape) -> list[Curve]:
    """Return stored curves."""
    curves, shapes = [], _shapes(shape)
    if not isinstance(bodies, list) or len(bodies) != len(shapes):
        raise ValueError("curves is not as it should be")
    for body, one in zip(bodies, shapes, strict=True):
        parts = Parts(body)
        at = parts.numbers("scores", 1 if one == "total" else None)
        values = parts.numbers("amounts", len(at))
        parts.finish()
        if not len(at) or (np.diff(at) < 0).any() or (np.diff(values) < 0).any():
            raise ValueError("a curve does not rise")
        curves.append((at, values))
    return curves


def _curve(score: Floats, amount: Floats, shape: Shape) -> Curve:
    """Return the knots of the rising curve from scores to amounts: scores, and amounts of the same total."""
    if shape == "total":
        if (score < 0).any():
            raise ParameterError.of("Levelled", "shape", shape, "isotonic, as the ranking has scores below 0")
        total = float(score.sum())
        return (np.ones(1), np.full(1, amount.sum() / total)) if total > 0 else (np.zeros(1), np.full(1, amount.mean()))
    from scipy.optimize import isotonic_regression

    scores, place, count = np.unique(score, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=amount, minlength=len(scores))
    blocks = isotonic_regression(sums / count, weights=count).blocks
    blocks = _joined(blocks, np.add.reduceat(count, blocks[:-1]), max(FEWEST, -(-len(score) // KNOTS)))
    people = np.add.reduceat(count, blocks[:-1])
    # rising to the last digit, which sums of floats need not be
    at = np.maximum.accumulate(np.add.reduceat(scores * count, blocks[:-1]) / people)
    values = np.maximum.accumulate(np.add.reduceat(sums, blocks[:-1]) / people)
    told = float(_read(score, at, values).sum())
    return at, values * (amount.sum() / told) if told > 0 else values


def _joined(blocks: Ints, people: Ints, fewest: int) -> Ints:
    """Return where blocks begin (and the last one ends) once neighbours are joined to have so many people each."""
    ends = np.cumsum(people)
    cuts, done = [0], 0
    while ends[-1] - done >= 2 * fewest:  # what is left over joins the last one
        place = int(np.searchsorted(ends, done + fewest))
        done = int(ends[place])
        if ends[-1] - done < fewest:
            break
        cuts.append(place + 1)
    return np.append(blocks[cuts], blocks[-1])


def _read(score: Floats, at: Floats, values: Floats) -> Floats:
    """Read a curve: straight lines between knots; beyond them on the ray through nothing, so that ranks are kept."""
    read = np.interp(score, at, values)
    for beyond, end in ((score < at[0], 0), (score > at[-1], -1)):
        if at[end] > 0 and values[end] > 0:
            read = np.where(beyond, values[end] * score / at[end], read)
    return np.asarray(read, dtype=np.float64)
