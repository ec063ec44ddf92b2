"""A learner: boosted trees on any table of people, calibrated out of fold, with reasons, saved as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from coterie.errors import IntegrityError, NotFittedError, ParameterError
from coterie.features.encodings import why_not
from coterie.predict.propensity import boosting, calibration
from coterie.predict.propensity.boosting import OBJECTIVES, Boosted, CrossFitted, Sample
from coterie.predict.propensity.calibration import (
    Calibration,
    Logistic,
    Scale,
    Temperature,
)
from coterie.predict.propensity.evidence import Evidence, calibrated, power
from coterie.predict.propensity.inputs import Inputs, people
from coterie.predict.propensity.labels import Labels
from coterie.predict.propensity.rows import Rows, column_of
from coterie.predict.propensity.stored import check_kind, is_count, is_number
from coterie.predict.propensity.targets import KINDS, TargetKind
from coterie.progress import SILENT, Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_VERSION = 1
_FOLDS = 5
_LEAST_LATER = 5  # people of a fold above 0, at the latest moment and before, to choose by it


class Learner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict what people will do from what is known of them, by gradient-boosted trees (LightGBM).

    Whatever order people and columns come in, the same people give the same learner. All rows of a person are in one
    fold. How many trees are grown is what tells people best who were not seen; probabilities and amounts are calibrated
    on what was told of these.

    With too few people, or an outcome that is the same for nearly all, nobody can be told apart: everybody gets the
    mean, and ``degraded_`` says why.

    Parameters
    ----------
    kind
        ``binary`` (it happens or not), ``count``, ``amount`` (0 or more) or ``class`` (one of several texts).
    objective
        What is learnt: of counts ``poisson`` (default), ``tweedie`` or ``two-stage`` (whether, then how much); of
        amounts ``tweedie`` (default), ``poisson``, ``two-stage`` or ``squares`` (also amounts below 0); ``best`` tries
        the first three and takes that of the least deviance: at the latest moment, learnt at earlier ones, of people
        not learnt from; where all are of one moment, of people not learnt from.
    columns
        Those to read; None takes every column of numbers, truth values or text but ``person`` and ``as_of``.
    most
        Learn from that many rows at most, whole people drawn at random.
    seed
        Of the draws.
    progress
        Where steps are reported.

    Attributes
    ----------
    inputs_ : Inputs
        The columns that are read, and with ``inputs_.dropped`` why others are not.
    model_ : Boosted or None
        The trees; None where everybody gets the mean.
    calibration_ : Calibration
        From scores to predictions.
    classes_ : tuple of str
        Of ``class``, in alphabetical order.
    base_ : float or list of float
        The mean outcome; of classes their shares.
    evidence_ : Evidence or None
        How well people were told who were not seen.
    degraded_ : str or None
        Why everybody gets the mean.
    people_, rows_ : int
        How many were learnt from.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> days = random.exponential(30, 400)
    >>> import pyarrow as pa
    >>> learner = Learner("binary").fit(pa.table({"recency_days": days}), random.random(400) < days / (days + 30))
    >>> told = learner.predict(pa.table({"recency_days": [2.0, 100.0]}))
    >>> bool(told[0] < 0.3 < 0.6 < told[1])
    True
    """

    inputs_: Inputs
    model_: Boosted | None
    calibration_: Calibration
    classes_: tuple[str, ...]
    base_: float | list[float]
    evidence_: Evidence | None
    degraded_: str | None
    people_: int
    rows_: int

    def __init__(
        self,
        kind: TargetKind = "binary",
        *,
        objective: str | None = None,
        columns: Sequence[str] | None = None,
        most: int = 100_000,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.kind = kind
        self.objective = objective
        self.columns = columns
        self.most = most
        self.seed = seed
        self.progress = progress

    def fit(
        self,
        frame: Any,
        y: npt.ArrayLike,
        weight: npt.ArrayLike | None = None,
        *,
        moments: npt.ArrayLike | None = None,
        persons: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from what people did.

        Parameters
        ----------
        frame
            Any eager dataframe or 2-D numpy array, one row a person and moment: shape (rows, columns).
        y
            What happened after it: truth values (or 0 and 1), numbers of 0 and more, or texts. Rows whose class is
            missing are left out. Shape (rows,).
        weight
            How much each row counts, 0 or more; None counts all alike.
        moments
            The moment of each row; None reads the column ``as_of``, where there is one.
        persons
            Who each row is about; None reads the column ``person``, where there is one, else all rows are of different
            people.

        Raises
        ------
        EmptyShopError
            There is nobody, or nobody's outcome is known.
        MissingColumnError, ParameterError
            A column is not there, or a parameter, the outcome or a weight is not allowed.
        """
        self._check_parameters()
        data = people(frame)
        labels = Labels.of(y, weight, len(data), self.kind, below_zero=self.objective == "squares")
        who, when = column_of(data, persons, "person"), column_of(data, moments, "as_of")
        data = data.filter(labels.known.tolist()) if not labels.known.all() else data
        self.inputs_ = Inputs.learn(data, self.columns)
        X = self.inputs_.encode(data)
        rows = Rows.of(
            # of outcomes only which is more: the currency's unit changes nothing
            np.column_stack([X, np.unique(labels.y, return_inverse=True)[1], labels.weight]),
            None if who is None else who[labels.known],
            None if when is None else when[labels.known],
            self.most,
        )
        labels = Labels(labels.known, labels.y[rows.order], labels.weight[rows.order], labels.classes)
        self.classes_, self.rows_, self.people_ = labels.classes, len(rows.order), rows.people
        self._learn(Sample(X[rows.order], labels.y, labels.weight, self.inputs_.categorical), labels, rows)
        return self

    def _learn(self, sample: Sample, labels: Labels, rows: Rows) -> None:
        """Learn from rows that are in one order."""
        y, weight, total = sample.y, sample.weight, float(sample.weight.sum())
        self.model_, self.evidence_, self.calibration_ = None, None, _PLAIN.get(self.kind, Scale())
        self.degraded_ = labels.too_little(rows.person, self.kind)
        if self.degraded_ is None and not self.inputs_.parts:
            self.degraded_ = f"no column tells people apart ({why_not(self.inputs_.dropped).rstrip('.')})"
        if self.kind == "class":
            self.base_ = (np.bincount(y.astype(int), weights=weight, minlength=len(self.classes_)) / total).tolist()
        elif self.kind == "binary" and self.degraded_ is not None:  # of few, nobody is quite sure
            self.base_ = (float((weight * y).sum()) + 0.5) / (total + 1)
        else:
            self.base_ = float((weight * y).sum()) / total
        if self.degraded_ is not None:
            return
        fold = rows.folds(_FOLDS, None if self.kind == "class" else y, self.seed)
        found, objective, tried = self._chosen(sample, fold, rows)
        self.progress.step("trees", 0, 1)
        self.model_ = Boosted.learn(objective, sample, found.rounds, len(self.classes_), self.seed)
        self.progress.step("trees", 1, 1)
        self.calibration_, self.evidence_ = calibrated(self.kind, objective, sample, fold, found.raw, tried)

    def _chosen(self, sample: Sample, fold: Ints, rows: Rows) -> tuple[CrossFitted, str, dict[str, float]]:
        """Return what was told out of fold with the objective, which is chosen where it is left open."""

        def told(objective: str, among: Floats | None = None) -> CrossFitted:
            classes = len(self.classes_)
            return boosting.cross_fitted(objective, sample, fold, classes, self.seed, self.progress, among)

        objectives = OBJECTIVES[self.kind]
        if self.objective != "best":
            objective = self.objective or objectives[0]
            return told(objective), objective, {}
        last = rows.moment == rows.moment.max()
        happened = [np.bincount(fold[rows_ & (sample.y > 0)], minlength=_FOLDS) for rows_ in (last, ~last)]
        earlier = (~last).astype(np.float64) if np.min(happened) >= _LEAST_LATER else None
        found, losses = {}, {}
        for objective in objectives[:3]:
            found[objective] = told(objective, earlier)
            seen, y, heavy = found[objective].raw[last], sample.y[last], sample.weight[last]
            amount = Scale.learn(seen, y, heavy)(seen)
            losses[objective] = boosting.deviance(y, amount, heavy, power(self.kind))
        best = min(losses, key=lambda one: round(losses[one], 9))
        return (found[best] if earlier is None else told(best)), best, losses

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return the probability, expected count or expected amount of each person, or the likeliest class.

        Shape (people,): float64, of classes texts.

        Raises
        ------
        NotFittedError, MissingColumnError, ParameterError
            It was not fitted, or a column is not there or of another kind.
        """
        told = self._told(frame)
        return np.array(self.classes_, dtype=object)[told.argmax(axis=1)] if self.kind == "class" else told

    def predict_proba(self, frame: Any) -> Floats:
        """Return probabilities: shape (people, 2) of no and yes, or (people, classes).

        Raises
        ------
        ParameterError
            It predicts counts or amounts.
        """
        if self.kind not in ("binary", "class"):
            raise ParameterError.of("Learner.predict_proba", "kind", self.kind, "binary or class", hint="use predict.")
        told = self._told(frame)
        return told if self.kind == "class" else np.column_stack([1 - told, told])

    def _told(self, frame: Any) -> Floats:
        if not hasattr(self, "base_"):
            raise NotFittedError.of(self)
        data = people(frame, empty=True)
        if self.model_ is None:
            return np.tile(np.asarray(self.base_), (len(data), 1) if self.kind == "class" else len(data))
        return self.calibration_(self.model_.raw(self.inputs_.encode(data)))

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that ``predict`` needs."""
        if not hasattr(self, "base_"):
            raise NotFittedError.of(self)
        return self.inputs_.names if self.model_ is not None else ()

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        if not hasattr(self, "base_"):
            raise NotFittedError.of(self)
        told = self.evidence_
        return {
            "kind": type(self).__name__,
            "version": _VERSION,
            "target": self.kind,
            "inputs": self.inputs_.to_json(),
            "classes": list(self.classes_),
            "base": self.base_,
            "people": self.people_,
            "rows": self.rows_,
            "degraded": self.degraded_,
            "calibration": self.calibration_.to_json(),
            "model": None if self.model_ is None else self.model_.to_json(),
            "evidence": None if told is None else [told.measure, told.loss, told.naive, dict(told.ways)],
            "seed": int(self.seed),
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
        model = cls(body["target"], seed=body["seed"])
        model.inputs_ = Inputs.from_json(body["inputs"])
        model.classes_, model.base_ = tuple(body["classes"]), body["base"]
        model.people_, model.rows_, model.degraded_ = body["people"], body["rows"], body["degraded"]
        model.calibration_ = calibration.from_json(body["calibration"])
        model.model_, model.evidence_ = None, None
        if body["model"] is not None:
            model.model_ = Boosted.from_json(body["model"], len(model.inputs_.parts), len(model.classes_))
            model.objective = model.model_.objective
            if model.objective not in OBJECTIVES[model.kind]:
                raise IntegrityError("This is no stored learner: its model is of another kind.", hint="fit it anew.")
        if body["evidence"] is not None:
            model.evidence_ = Evidence(*body["evidence"])
        return model

    def _check_parameters(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError.of("Learner", "kind", self.kind, f"one of {', '.join(KINDS)}")
        allowed = OBJECTIVES[self.kind]
        best = ("best",) if self.kind in ("count", "amount") else ()
        if self.objective is not None and self.objective not in (*allowed, *best):
            raise ParameterError.of("Learner", "objective", self.objective, f"one of {', '.join((*allowed, *best))}")
        for name, least in (("most", 50), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ParameterError.of("Learner", name, value, f"a whole number of at least {least}")


_PLAIN: dict[str, Calibration] = {"binary": Logistic(), "class": Temperature()}


def _check_body(body: Any, kind: str) -> None:
    """Raise IntegrityError unless a body has the parts of a learner, each of its type."""
    check_kind(body, kind, _VERSION)
    wrong = None
    if strange := sorted(set(body) ^ set(_PARTS)):
        wrong = ", ".join(map(str, strange))
    else:
        wrong = next((name for name, allowed in _PARTS.items() if not allowed(body[name])), None)
    classes = body.get("classes", [])
    if wrong is None and (body["target"] == "class") != (len(classes) > 0):
        wrong = "classes"
    if wrong is None and not (
        isinstance(body["base"], list) and len(body["base"]) == len(classes)
        if body["target"] == "class"
        else is_number(body["base"])
    ):
        wrong = "base"
    if wrong is not None:
        raise IntegrityError(f"This is no stored {kind}: {wrong} is not as it should be.", hint="fit it anew.")


def _told(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and len(value) == 4 and isinstance(value[0], str) and is_number(value[1])
        and is_number(value[2]) and isinstance(value[3], Mapping) and all(is_number(one) for one in value[3].values())
    )  # fmt: skip


_PARTS: dict[str, Callable[[Any], bool]] = {
    "kind": lambda value: True,
    "version": lambda value: True,
    "target": lambda value: isinstance(value, str) and value in KINDS,
    "inputs": lambda value: isinstance(value, list),
    "classes": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "base": lambda value: is_number(value) or (isinstance(value, list) and all(is_number(one) for one in value)),
    "people": is_count,
    "rows": is_count,
    "degraded": lambda value: value is None or isinstance(value, str),
    "calibration": lambda value: isinstance(value, Mapping),
    "model": lambda value: value is None or isinstance(value, Mapping),
    "evidence": _told,
    "seed": is_count,
}
