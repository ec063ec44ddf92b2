"""Reasons: what about a person makes a prediction higher or lower than everybody's, in the outcome's own unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.charts.numbers import count, money, quantity
from coterie.errors import NotFittedError, ParameterError
from coterie.features.catalog import CATALOG
from coterie.predict.propensity.boosting import secant
from coterie.predict.propensity.calibration import Temperature
from coterie.predict.propensity.inputs import Input, people
from coterie.predict.propensity.learner import Learner
from coterie.progress import SILENT, Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Titles = Mapping[str, tuple[str, str]]
"""Column → its title and its unit (money in minor units, count, days, share, number or text)."""

_DECAYED = "decayed_"
_KIN = (
    ("recency", "recency"), ("overdue", "recency"), ("orders", "often"), ("active_days", "often"), ("gap_", "often"),
    ("recent_orders", "often"), ("spend", "spend"), ("net_spend", "spend"), ("kept_spend", "spend"),
    ("basket_value", "basket"), ("largest_basket", "basket"), ("basket_lines", "lines"), ("basket_units", "lines"),
    ("products", "breadth"), ("categories", "breadth"), ("departments", "breadth"), ("category_entropy", "breadth"),
    ("top_category", "favourite"), ("last_category", "favourite"), ("top_department", "favourite"),
    ("coupon", "coupons"), ("campaigns_redeemed", "coupons"), ("campaign_response", "coupons"),
)  # fmt: skip
"""How the name of a column begins → what it is about, where that is not the name without its window."""
_ABSENT = {"money": "none", "count": "none", "days": "never"}
_BLOCK = 1 << 17  # people explained at a time
_WIDTH = 0.05  # of scores between which the slope of a calibration is taken
_DIGITS = 3  # that are told of a value or an effect
_PLAIN = 0.3  # correlation of value and effect above which a direction is told
_SAMPLE = 20_000  # people of whom importances are taken at most


@dataclass(frozen=True)
class Reason:
    """One thing about one person that moves a prediction.

    Parameters
    ----------
    feature
        The column.
    title
        Its name for people.
    value
        The person's value, in the column's unit; None where it is missing.
    effect
        By how much it moves the prediction away from everybody's, in the outcome's unit: probability (0 to 1), count or
        minor units; together with the columns that tell of the same thing, such as the same feature in other windows.
    words
        Value, what is usual of everybody who was learnt from, and effect, in words.
    """

    feature: str
    title: str
    value: float | str | None
    effect: float
    words: str


@dataclass(frozen=True)
class Importance:
    """How much a column moves predictions altogether.

    Parameters
    ----------
    feature, title
        The column, and its name for people.
    effect
        Its mean effect over people regardless of the sign, in the outcome's unit.
    direction
        ``higher`` where more of it means a higher prediction, ``lower``, or ``mixed`` (so also of text).
    words
        The same in words.
    """

    feature: str
    title: str
    effect: float
    direction: str
    words: str


@dataclass(frozen=True)
class Reasons:
    """The strongest reasons of each person's prediction.

    Parameters
    ----------
    prediction
        Shape (people,); of classes the probability of the likeliest one.
    base
        What the prediction would be without what is known of the person: shape (people,).
    place
        What moves it most, the strongest first: of columns that tell of the same thing the one that does most of it,
        as positions in ``inputs``: shape (people, reasons).
    effect
        The effects of such columns together: shape (people, reasons).
    rest
        What all other columns add: shape (people,). ``base + effect.sum(axis=1) + rest`` is the prediction.
    values
        The values of the columns in ``place``: numbers, or of text the number of the level.
    inputs
        The columns.
    titles
        Column → title and unit.
    unit, currency
        Unit of the outcome, and of its money.
    """

    prediction: Floats
    base: Floats
    place: Ints
    effect: Floats
    rest: Floats
    values: Floats
    inputs: tuple[Input, ...]
    titles: Titles
    unit: str
    currency: str

    def __len__(self) -> int:
        return len(self.prediction)

    def of(self, row: int) -> tuple[Reason, ...]:
        """Return the reasons of one person, the strongest first; those without any effect are left out."""
        words = self._words(slice(row, row + 1) if row >= 0 else slice(row, row + 1 or None))
        told = []
        for rank, text in enumerate(words):
            part, value = self.inputs[int(self.place[row, rank])], float(self.values[row, rank])
            known: float | str | None = None if np.isnan(value) else value
            if part.levels is not None and known is not None:
                known = part.levels[int(value)] if value < len(part.levels) else "other"
            if (sentence := text[0].as_py()) is not None:
                effect = float(self.effect[row, rank])
                told.append(Reason(part.name, self.titles[part.name][0], known, effect, sentence))
        return tuple(told)

    def table(self) -> pa.Table:
        """Return ``prediction, reason_1, reason_2 …``: the words of each person, missing where there is no effect."""
        names = [f"reason_{rank + 1}" for rank in range(self.place.shape[1])]
        return pa.table([pa.array(self.prediction), *self._words(slice(None))], names=["prediction", *names])

    def _words(self, rows: slice) -> list[pa.Array]:
        """Return the words of each rank: a sentence is made once for all people who share its figures."""
        ranks = []
        for rank in range(self.place.shape[1]):
            place, value = self.place[rows, rank], _rounded(self.values[rows, rank])
            effect = _rounded(self.effect[rows, rank])
            said = np.full(len(place), None, dtype=object)
            for column in np.unique(place):
                here = np.flatnonzero((place == column) & (effect != 0))
                values, which = np.unique(value[here], return_inverse=True)
                said[here] = np.array([self._value(self.inputs[column], one) for one in values], dtype=object)[which]
            effects, which = np.unique(effect, return_inverse=True)
            moved = np.array([moves(one, self.unit, self.currency) for one in effects], dtype=object)[which]
            ranks.append(pc.binary_join_element_wise(pa.array(said, pa.string()), pa.array(moved, pa.string()), ": "))
        return ranks

    def _value(self, part: Input, value: float) -> str:
        title, unit = self.titles[part.name]
        if part.levels is None:
            usual = quantity(float(part.typical), unit, self.currency)
            own = _ABSENT.get(unit, "unknown") if np.isnan(value) else quantity(value, unit, self.currency)
        else:
            usual = str(part.typical)
            own = "unknown" if np.isnan(value) else part.levels[int(value)] if value < len(part.levels) else "another"
        return f"{title} {own}" + (f" (usually {usual})" if own != usual else " (as usual)")


def explain(
    learner: Learner,
    frame: Any,
    *,
    most: int = 3,
    titles: Titles | None = None,
    currency: str = "USD",
    progress: Progress = SILENT,
) -> Reasons:
    """Say what moves each person's prediction most.

    Parameters
    ----------
    learner
        A fitted learner.
    frame
        The people, as for ``predict``.
    most
        How many reasons a person.
    titles
        Column → (title, unit); columns that are not named have their title from the catalogue, else their own name.
    currency
        ISO 4217 code of the money.
    progress
        Where steps are reported.

    Returns
    -------
    Reasons
        Where everybody gets the mean, nobody has a reason.

    Raises
    ------
    NotFittedError, MissingColumnError, ParameterError
        As of ``predict``; or ``most`` is not allowed.

    Notes
    -----
    Effects are SHAP values along the trees' paths, which add up to the score, stretched to the outcome's unit by the
    mean slope of the calibration between everybody's score and the person's. Where these are nearly the same, so that
    no slope can be told, what is left over is part of ``rest``. Of classes they are about the likeliest class.

    References
    ----------
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ParameterError.of("explain", "most", most, "a whole number of at least 1")
    if not hasattr(learner, "base_"):
        raise NotFittedError.of(learner)
    data = people(frame, empty=True)
    inputs = learner.inputs_.parts
    named = {part.name: _title(part, titles or {}) for part in inputs}
    unit = {"binary": "share", "class": "share", "count": "count", "amount": "money"}[learner.kind]
    kin = [_kin(part.name) for part in inputs]
    groups = [np.flatnonzero([one == name for one in kin]) for name in dict.fromkeys(kin)]
    plain = np.array([0.25 if part.name.startswith(_DECAYED) else 1.0 for part in inputs])
    n, top = len(data), min(most, len(groups))
    if learner.model_ is None:
        told = learner.predict_proba(data).max(axis=1) if learner.kind == "class" else learner.predict(data)
        none = np.empty((n, 0))
        return Reasons(told, told, none.astype(np.int64), none, np.zeros(n), none, inputs, named, unit, currency)
    prediction, base, rest = np.empty(n), np.empty(n), np.empty(n)
    place, effect, values = np.empty((n, top), dtype=np.int64), np.empty((n, top)), np.empty((n, top))
    for start in range(0, n, _BLOCK):
        progress.step("reasons", start, n)
        here = slice(start, start + _BLOCK)
        X = learner.inputs_.encode(data[here])
        effects, base[here], prediction[here] = _effects(learner, X)
        place[here], effect[here] = _strongest(effects, groups, plain, top)
        values[here] = np.take_along_axis(X, place[here], axis=1)
        rest[here] = prediction[here] - base[here] - effect[here].sum(axis=1)
    progress.step("reasons", n, n)
    return Reasons(prediction, base, place, effect, rest, values, inputs, named, unit, currency)


def importances(
    learner: Learner, frame: Any, *, titles: Titles | None = None, currency: str = "USD"
) -> tuple[Importance, ...]:
    """Say how much each column moves predictions altogether, the most first.

    Parameters are those of ``explain``; of more than 20,000 people every so many-th is asked. Columns without any
    effect are left out.
    """
    if not hasattr(learner, "base_"):
        raise NotFittedError.of(learner)
    data = people(frame, empty=True)
    if learner.model_ is None or not len(data):
        return ()
    step = -(-len(data) // _SAMPLE)
    X = learner.inputs_.encode(data.gather_every(step) if step > 1 else data)
    effects = _effects(learner, X)[0]
    mean = np.abs(effects).mean(axis=0)
    unit = {"binary": "share", "class": "share", "count": "count", "amount": "money"}[learner.kind]
    told = []
    for column in np.lexsort((np.arange(len(mean)), -mean)):
        part = learner.inputs_.parts[column]
        if mean[column] <= 0:
            continue
        title = _title(part, titles or {})[0]
        way = _direction(part, X[:, column], effects[:, column])
        more = {"higher": "the more, the higher", "lower": "the more, the lower", "mixed": "either way"}[way]
        size = _amount(float(mean[column]), unit, currency)
        told.append(Importance(part.name, title, float(mean[column]), way, f"{title}: {size} in the mean, {more}"))
    return tuple(told)


def moves(effect: float, unit: str, currency: str) -> str:
    r"""Write by how much something moves a prediction: percentage points, a number, or an amount of money.

    >>> moves(0.123, "share", "USD"), moves(-1250.0, "money", "USD"), moves(0.31, "count", "USD")
    ('adds 12 points', 'takes off $12.50', 'adds 0.31')
    """
    return ("adds " if effect >= 0 else "takes off ") + _amount(abs(effect), unit, currency)


def _amount(size: float, unit: str, currency: str) -> str:
    if unit == "share":
        points = f"{size * 100:.1f}" if size < 0.01 else f"{size * 100:.0f}"
        points = "less than 0.1" if points == "0.0" else points
        return f"{points} point" + ("" if points in ("1", "1.0") else "s")
    if unit == "money":
        return money(size, currency)
    return f"{size:.2g}" if size < 10 else count(size)


def _effects(learner: Learner, X: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each column's effect in the outcome's unit, everybody's prediction and the person's own.

    Shapes (people, columns), (people,) and (people,).
    """
    model = learner.model_
    if model is None:
        raise NotFittedError.of(learner)
    told = model.contributions(X)
    if learner.kind == "class":
        raw = told.sum(axis=2)
        probability = learner.calibration_(raw)
        best = probability.argmax(axis=1)
        rows = np.arange(len(X))
        prediction = probability[rows, best]
        base = learner.calibration_(told[:, :, -1])[rows, best]
        # what a column does for the class beside what it does for all classes, each by its probability
        own = told[rows, best, :-1] - np.einsum("nk,nkj->nj", probability, told[:, :, :-1])
        whole = own.sum(axis=1)
        slope = (prediction - base) / np.where(np.abs(whole) < _WIDTH, np.inf, whole)
        heat = learner.calibration_.heat if isinstance(learner.calibration_, Temperature) else 1.0
        # what the others of many classes do can turn the slope round; then it is that at the person
        slope = np.where((slope > 0) & (slope <= 0.25 / heat), slope, prediction * (1 - prediction) / heat)
        return own * slope[:, None], base, prediction
    own, shared = told[:, 0, :-1], told[:, 0, -1]
    raw = shared + own.sum(axis=1)
    slope = secant(learner.calibration_, shared, raw, _WIDTH)
    return own * slope[:, None], learner.calibration_(shared), learner.calibration_(raw)


def _strongest(effects: Floats, groups: Sequence[Ints], plain: Floats, top: int) -> tuple[Ints, Floats]:
    """Return, for each person, the columns that speak for the groups with the largest effects, and these effects.

    It is the column that moves most in the direction of its group; ``plain`` says how readily each speaks.
    """
    sums = np.column_stack([effects[:, group].sum(axis=1) for group in groups])
    speaker = np.empty(sums.shape, dtype=np.int64)
    for number, group in enumerate(groups):
        pull = effects[:, group] * plain[group] * np.sign(sums[:, [number]])
        speaker[:, number] = group[pull.argmax(axis=1)]
    chosen = np.argpartition(-np.abs(sums), top - 1, axis=1)[:, :top]
    size = np.take_along_axis(np.abs(sums), chosen, axis=1)
    chosen = np.take_along_axis(chosen, np.lexsort((chosen, -size), axis=1), axis=1)
    return np.take_along_axis(speaker, chosen, axis=1), np.take_along_axis(sums, chosen, axis=1)


def _kin(name: str) -> str:
    """Return what a column is about, whatever the window, so that one thing is not said three times."""
    stem = re.sub(r"_\d+d$", "", name).removeprefix(_DECAYED)
    return next((about for start, about in _KIN if stem.startswith(start)), stem)


def _direction(part: Input, values: Floats, effects: Floats) -> str:
    """Return whether more of a column goes with a higher effect, by the correlation of their ranks."""
    known = ~np.isnan(values)
    if part.levels is not None or known.sum() < 3:
        return "mixed"
    from scipy.stats import rankdata

    ranks = [rankdata(each[known]) for each in (values, effects)]
    if any(each.min() == each.max() for each in ranks):
        return "mixed"
    together = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return "higher" if together > _PLAIN else "lower" if together < -_PLAIN else "mixed"


def _title(part: Input, titles: Titles) -> tuple[str, str]:
    if part.name in titles:
        return titles[part.name]
    if part.name in CATALOG.names:
        feature = CATALOG[part.name]
        return feature.title, feature.unit
    return part.name, "number" if part.levels is None else "text"


def _rounded(values: Floats) -> Floats:
    """Return numbers to three digits, so that people share their words."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (np.floor(np.log10(np.abs(values))) - (_DIGITS - 1))
        rounded = np.round(values / scale) * scale
    return np.where(np.isfinite(rounded), rounded, values)
