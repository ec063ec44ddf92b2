"""Choices: which of many items a person takes next, by what the person took before and what everybody takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator

from coterie.charts.numbers import count, share
from coterie.errors import IntegrityError, NotFittedError, ParameterError
from coterie.predict.propensity.calibration import Temperature, class_loss
from coterie.predict.propensity.conditional_logit import everybodys, scores, weights
from coterie.predict.propensity.evidence import Evidence
from coterie.predict.propensity.inputs import people
from coterie.predict.propensity.labels import Labels
from coterie.predict.propensity.reasons import Importance, moves
from coterie.predict.propensity.repertoire import COLUMN, PARTS, Repertoires
from coterie.predict.propensity.rows import Rows, column_of
from coterie.predict.propensity.stored import check_kind, is_count, is_number
from coterie.progress import SILENT, Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_VERSION = 1
_CELLS = 4_000_000  # of people and items at a time
_LEAST = 50  # people at the latest moment, and before, to learn the heat by
_SAMPLE = 20_000  # people of whom importances are taken at most
_GROUPS = {
    "repertoire": ("How often it was bought", range(6)),
    "recency": ("How lately it was bought", range(6, len(PARTS))),
    "everybody": ("How often everybody chooses it", range(len(PARTS), len(PARTS) + 1)),
}


@dataclass(frozen=True)
class Choices:
    """The likeliest choices of each person.

    Parameters
    ----------
    item
        Their names, the likeliest first: shape (people, choices).
    chance
        Their probabilities: shape (people, choices).
    words
        What speaks for each: columns of text, one for each place.
    """

    item: npt.NDArray[Any]
    chance: Floats
    words: tuple[pa.Array, ...]

    def table(self) -> pa.Table:
        """Return ``chance, choice_2, chance_2 … reason_1, reason_2 …``, a row a person."""
        told: dict[str, pa.Array] = {"chance": pa.array(self.chance[:, 0])}
        for rank in range(1, self.item.shape[1]):
            told[f"choice_{rank + 1}"] = pa.array(self.item[:, rank], pa.string())
            told[f"chance_{rank + 1}"] = pa.array(self.chance[:, rank])
        return pa.table({**told, **{f"reason_{rank + 1}": words for rank, words in enumerate(self.words)}})


class ChoiceLearner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict which of many items a person takes, by a conditional logit over all of them.

    The log odds of an item grow with how often the person bought it (all in all and lately, each beside how much
    everybody buys of it), with how lately, and with how often everybody chooses it; the weights are the same for all
    items, so that hundreds of them are learnt from few people. What somebody never bought is told by everybody's
    choices alone. With one count and weight 1 it is the forecast of a Dirichlet-multinomial model of purchases.

    Weights are found by Newton's method with the exact gradient and Hessian, in time that grows with what people bought
    rather than with people times items. Where there are several moments, the heat of the probabilities is learnt at the
    latest from weights learnt before it.

    Parameters
    ----------
    most
        Learn from that many rows at most, whole people drawn by what is known of them.
    progress
        Where steps are reported.

    Attributes
    ----------
    classes_ : tuple of str
        All items that somebody bought or chose, in alphabetical order.
    base_ : list of float
        How often everybody chooses each.
    popularity_ : ndarray
        Everybody's share of lines of each.
    weights_ : ndarray or None
        Of ``repertoire.PARTS`` and of the logarithm of ``base_``; None where everybody gets ``base_``.
    calibration_ : Temperature
        The heat.
    evidence_ : Evidence or None
        How well people were told at the latest moment, after learning before.
    degraded_ : str or None
        Why everybody gets ``base_``.
    people_, rows_ : int
        How many were learnt from.

    References
    ----------
    McFadden (1974), Conditional logit analysis of qualitative choice behavior; Goodhardt, Ehrenberg & Chatfield (1984),
    The Dirichlet: a comprehensive model of buying behaviour; Anderson, Kumar, Tomkins & Vassilvitskii (2014), The
    dynamics of repeat consumption.

    Examples
    --------
    >>> def bought(item, times):
    ...     return {"item": item, "lines": times, "decayed_90d": times, "decayed_30d": times, "orders": times,
    ...             "recency_days": 3, "first_days": 60}
    >>> told = [[bought("bread", 9), bought("wine", 1)], [bought("bread", 1), bought("wine", 9)]] * 40
    >>> learner = ChoiceLearner().fit(pa.table({"repertoire": told}), ["bread", "wine"] * 40)
    >>> learner.predict(pa.table({"repertoire": told[:2]})).tolist()
    ['bread', 'wine']
    """

    kind = "class"
    reads = (COLUMN,)
    classes_: tuple[str, ...]
    base_: list[float]
    popularity_: Floats
    weights_: Floats | None
    calibration_: Temperature
    evidence_: Evidence | None
    degraded_: str | None
    people_: int
    rows_: int

    def __init__(self, *, most: int = 30_000, progress: Progress = SILENT) -> None:
        self.most = most
        self.progress = progress

    def fit(self, frame: Any, y: npt.ArrayLike) -> Self:
        """Learn from what people chose.

        Parameters
        ----------
        frame
            Any eager dataframe with a column ``repertoire`` (its type is ``repertoire.TYPE``), one row a person and
            moment; ``person`` and ``as_of`` say who and when, where they are there.
        y
            What was chosen after it: texts; rows where it is missing are left out. Shape (rows,).

        Raises
        ------
        EmptyShopError
            There is nobody, or nobody's choice is known.
        MissingColumnError, ParameterError
            The column is not there or of another type, or a parameter or the choices are not allowed.
        """
        if isinstance(self.most, bool) or not isinstance(self.most, int | np.integer) or self.most < _LEAST:
            raise ParameterError.of("ChoiceLearner", "most", self.most, f"a whole number of at least {_LEAST}")
        data = people(frame)
        labels = Labels.of(y, None, len(data), "class", apart=True)
        known = np.flatnonzero(labels.known)
        seen = Repertoires.read(data).take(known)
        names = tuple(sorted({*labels.classes, *np.array(seen.names, dtype=object)[np.unique(seen.item)].tolist()}))
        seen = seen.among(names)
        place = np.searchsorted(names, np.array(labels.classes, dtype=object))[labels.y.astype(np.int64)]
        who, when = column_of(data, None, "person"), column_of(data, None, "as_of")
        stirred = np.sin(1.0 + np.arange(len(names)))[seen.item]  # any numbers that tell items apart
        rows = Rows.of(
            np.column_stack([place, *(seen.sums(one * stirred) for one in seen.measures.T)]),
            None if who is None else who[known],
            None if when is None else when[known],
            self.most,
        )
        seen, place = seen.take(rows.order), place[rows.order]
        self.classes_, self.people_, self.rows_ = names, rows.people, len(rows.order)
        lines = np.bincount(seen.item, weights=seen.measures[:, 0], minlength=len(names)) + 0.5
        self.popularity_ = lines / lines.sum()
        self.base_ = everybodys(place, self.popularity_).tolist()
        self.weights_, self.evidence_, self.calibration_ = None, None, Temperature()
        self.degraded_ = labels.too_little(rows.person, "class")
        if self.degraded_ is None and not len(seen.row):
            self.degraded_ = "of nobody is it known what was bought"
        if self.degraded_ is None:
            self._learn(seen, place, rows.moment)
        return self

    def _learn(self, seen: Repertoires, place: Ints, moment: Ints) -> None:
        """Learn the heat at the latest moment, then the weights from all."""
        last = moment == moment.max()
        if min(int(last.sum()), int((~last).sum())) >= _LEAST:
            before, after = np.flatnonzero(~last), np.flatnonzero(last)
            shares = everybodys(place[before], self.popularity_)
            earlier = weights(seen.take(before), place[before], self.popularity_, shares, self.progress)
            after = after[:: -(-len(after) * len(self.classes_) // _CELLS)]
            raw = scores(seen.take(after), earlier, self.popularity_, shares)
            heavy = np.ones(len(after))
            self.calibration_ = Temperature.learn(raw, place[after], heavy)
            naive = np.tile(shares, (len(after), 1))
            losses = [class_loss(one, place[after], heavy) for one in (self.calibration_(raw), naive)]
            self.evidence_ = Evidence("log loss", losses[0], losses[1], {})
        self.weights_ = weights(seen, place, self.popularity_, np.array(self.base_), self.progress)

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return the likeliest item of each person: texts of shape (people,).

        Raises
        ------
        NotFittedError, MissingColumnError, ParameterError
            It was not fitted, or the column is not there or of another type.
        """
        found = [told.argmax(axis=1) for _, told in self._told(frame)]
        names = np.array(self.classes_, dtype=object)
        told: npt.NDArray[Any] = names[np.concatenate(found)]
        return told

    def predict_proba(self, frame: Any) -> Floats:
        """Return the probability of each of ``classes_``: shape (people, items). Errors as of ``predict``."""
        return np.concatenate([told for _, told in self._told(frame)])

    def choices(self, frame: Any, *, most: int = 3) -> Choices:
        """Return the likeliest items of each person, their probabilities, and what speaks for them in words.

        Parameters
        ----------
        frame
            The people, as for ``predict``; errors are those of ``predict``.
        most
            How many items a person, at most.
        """
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ParameterError.of("ChoiceLearner.choices", "most", most, "a whole number of at least 1")
        most = min(most, len(self._fitted().classes_))
        names = np.array(self.classes_, dtype=object)
        items, chances = [], []
        words: list[list[pa.Array]] = [[] for _ in range(most)]
        for seen, told in self._told(frame):
            best, chance = np.empty((len(told), most), dtype=np.int64), np.empty((len(told), most))
            for rank in range(most):
                best[:, rank] = told.argmax(axis=1)
                chance[:, rank] = np.take_along_axis(told, best[:, [rank]], axis=1)[:, 0]
                np.put_along_axis(told, best[:, [rank]], -1.0, axis=1)
                words[rank].append(self._words(seen, best[:, rank], chance[:, rank]))
            items.append(best)
            chances.append(chance)
        joined = tuple(pa.concat_arrays(one) for one in words)
        return Choices(names[np.concatenate(items)], np.concatenate(chances), joined)

    def importances(self, frame: Any) -> tuple[Importance, ...]:
        """Say how much each part moves the probability of people's likeliest item, in first order, the most first.

        Of more than 20,000 people every so many-th is asked. Errors as of ``predict``.
        """
        data = people(frame, empty=True)
        by, logs = self._fitted().weights_, np.log(self.base_)
        if by is None or not len(data):
            return ()
        effects: dict[str, list[Floats]] = {name: [] for name in _GROUPS}
        for seen, told in self._told(data.gather_every(-(-len(data) // _SAMPLE))):
            best, everyone = told.argmax(axis=1), np.arange(len(told))
            X = seen.design(self.popularity_)
            for name, (_, columns) in _GROUPS.items():
                part = np.zeros(told.shape)
                if name == "everybody":
                    part += by[-1] * logs
                else:
                    part[seen.row, seen.item] = X[:, columns] @ by[list(columns)]
                moved = part[everyone, best] - (told * part).sum(axis=1)
                effects[name].append(told[everyone, best] * moved / self.calibration_.heat)
        found = []
        for name, (title, _) in _GROUPS.items():
            told_ = np.concatenate(effects[name])
            effect = float(np.minimum(np.abs(told_), 1.0).mean())
            way, more = ("higher", "the more, the higher") if told_.mean() > 0 else ("mixed", "either way")
            size = moves(effect, "share", "").removeprefix("adds ")
            found.append(Importance(name, title, effect, way, f"{title}: {size} in the mean, {more}"))
        return tuple(sorted((one for one in found if one.effect > 0), key=lambda one: (-one.effect, one.feature)))

    def _fitted(self) -> Self:
        if not hasattr(self, "base_"):
            raise NotFittedError.of(self)
        return self

    def _told(self, frame: Any) -> Iterator[tuple[Repertoires, Floats]]:
        """Return repertoires and probabilities, some people at a time."""
        base = np.array(self._fitted().base_)
        data = people(frame, empty=True)
        step = max(_CELLS // len(base), 1)
        for start in range(0, max(len(data), 1), step):  # of nobody it is asked, too, whether the column is there
            self.progress.step("choices", start, len(data))
            seen = Repertoires.read(data[start : start + step]).among(self.classes_)
            if self.weights_ is None:
                yield seen, np.tile(base, (seen.rows, 1))
            else:
                yield seen, self.calibration_(scores(seen, self.weights_, self.popularity_, base))

    def _words(self, seen: Repertoires, best: Ints, chance: Floats) -> pa.Array:
        """Return what speaks for an item of each person."""
        if self.weights_ is None:
            return pa.nulls(seen.rows, pa.string())
        pair = np.full(seen.rows, -1, dtype=np.int64)
        here = np.flatnonzero(seen.item == best[seen.row])
        pair[seen.row[here]] = here
        base = np.array(self.base_)
        moved = np.rint((chance - base[best]) * 1000) / 1000
        tails, which = np.unique(moved, return_inverse=True)
        tail = pa.array([moves(one, "share", "") for one in tails], pa.string()).take(pa.array(which))
        chosen = [f", which {share(one)} of people choose" for one in base]
        orders, recency = (np.rint(seen.measures[pair, column]) if len(seen.row) else moved for column in (3, 4))
        known = pair >= 0
        times, of_times = np.unique(np.where(known, orders, 0), return_inverse=True)
        days, of_days = np.unique(np.where(known, recency, 0), return_inverse=True)
        often = pa.array([_times(int(one)) for one in times], pa.string()).take(pa.array(of_times))
        lately = pa.array([_ago(int(one)) for one in days], pa.string()).take(pa.array(of_days))
        names = pa.array(self.classes_, pa.string()).take(pa.array(best))
        bought = pc.binary_join_element_wise("bought ", names, often, lately, ": ", tail, "")
        never = pc.binary_join_element_wise(
            "never bought ", names, pa.array(chosen, pa.string()).take(pa.array(best)), ""
        )
        return pc.if_else(pa.array(known), bought, never)

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        told = self._fitted().evidence_
        return {
            "kind": type(self).__name__,
            "version": _VERSION,
            "classes": list(self.classes_),
            "base": self.base_,
            "popularity": self.popularity_.tolist(),
            "weights": None if self.weights_ is None else self.weights_.tolist(),
            "heat": self.calibration_.heat,
            "people": self.people_,
            "rows": self.rows_,
            "degraded": self.degraded_,
            "evidence": None if told is None else [told.loss, told.naive],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the learner that ``to_json`` wrote; it predicts as the original does.

        Raises
        ------
        IntegrityError
            It is no such learner, was changed, or was written by a newer version.
        """
        _check_body(body, cls.__name__)
        model = cls()
        model.classes_, model.base_ = tuple(body["classes"]), list(body["base"])
        model.popularity_ = np.asarray(body["popularity"], dtype=np.float64)
        model.weights_ = None if body["weights"] is None else np.asarray(body["weights"], dtype=np.float64)
        model.calibration_ = Temperature(float(body["heat"]))
        model.people_, model.rows_, model.degraded_ = body["people"], body["rows"], body["degraded"]
        told = body["evidence"]
        model.evidence_ = None if told is None else Evidence("log loss", told[0], told[1], {})
        return model


def _times(orders: int) -> str:
    return " once" if orders <= 1 else f" {count(orders)} times"


def _ago(days: int) -> str:
    return ", last today" if days < 1 else ", last a day ago" if days == 1 else f", last {count(days)} days ago"


def _check_body(body: Any, kind: str) -> None:
    """Raise IntegrityError unless a body has the parts of a learner, each of its type."""
    check_kind(body, kind, _VERSION)
    names, by, told = body.get("classes"), body.get("weights"), body.get("evidence")
    sound = {
        "classes": isinstance(names, list) and bool(names) and all(isinstance(one, str) for one in names)
        and names == sorted(set(names)),
        "weights": by is None or _numbers(by, len(PARTS) + 1),
        "evidence": told is None or _numbers(told, 2),
        "heat": _numbers([body.get("heat")], 1) and body["heat"] > 0,
        "people": is_count(body.get("people")),
        "rows": is_count(body.get("rows")),
        "degraded": body.get("degraded") is None or isinstance(body["degraded"], str),
    }  # fmt: skip
    for name in ("base", "popularity"):
        values = body.get(name)
        sound[name] = sound["classes"] and _numbers(values, len(names or ())) and all(one > 0 for one in values or ())
    wrong = sorted(map(str, set(body) ^ {"kind", "version", *sound})) or [
        name for name, is_ in sound.items() if not is_
    ]
    if wrong:
        raise IntegrityError(f"This is no stored {kind}: {wrong[0]} is not as it should be.", hint="fit it anew.")


def _numbers(values: Any, many: int) -> bool:
    return isinstance(values, list) and len(values) == many and all(is_number(one) for one in values)
