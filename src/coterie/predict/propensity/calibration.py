"""Calibration: from a model's score to a probability or an amount that means what it says, learnt out of fold."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from coterie.errors import IntegrityError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_SMALLEST = 1e-12  # a probability is kept that far from 0 and 1 where its log is taken


class Calibration(ABC):
    """Turns scores into what is expected, never changing who comes before whom."""

    @abstractmethod
    def __call__(self, score: Floats) -> Floats:
        """Return what is expected at each score, which has the shape of the answer."""

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as plain JSON values; ``from_json`` reads it back."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}  # type: ignore[call-overload]
        return {"kind": type(self).__name__, **values}


@dataclass(frozen=True)
class Logistic(Calibration):
    """Probability ``1 / (1 + exp(-(slope · score + intercept)))`` of a score in log odds; 1 and 0 leave it as it is.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def learn(cls, score: Floats, happened: Floats, weight: Floats) -> Self:
        """Learn slope and intercept by maximum likelihood, by Newton's method; a slope below 0 is taken as 0."""
        yes, all_of = float((weight * happened).sum()), float(weight.sum())
        # Platt's targets: as if one more of either kind had been seen
        aim = np.where(happened > 0, (yes + 1) / (yes + 2), 1 / (all_of - yes + 2))
        theta = np.array([1.0, 0.0])
        design = np.column_stack([score, np.ones(len(score))])
        loss = _logistic_loss(design @ theta, aim, weight)
        for _ in range(100):
            p = sigmoid(design @ theta)
            gradient = design.T @ (weight * (p - aim))
            curve = design.T @ (design * (weight * p * (1 - p))[:, None]) + 1e-9 * all_of * np.eye(2)
            step = np.linalg.solve(curve, gradient)
            while (new := _logistic_loss(design @ (theta - step), aim, weight)) > loss and np.abs(step).max() > 1e-12:
                step /= 2
            theta, done, loss = theta - step, loss - new <= 1e-12 * max(abs(loss), 1), new
            if done:
                break
        if theta[0] > 0:
            return cls(float(theta[0]), float(theta[1]))
        rate = (yes + 1) / (all_of + 2)
        return cls(0.0, math.log(rate / (1 - rate)))

    def __call__(self, score: Floats) -> Floats:
        """Return probabilities."""
        return sigmoid(self.slope * score + self.intercept)


@dataclass(frozen=True)
class Isotonic(Calibration):
    """Probability by straight lines between points that never fall; beyond the outermost points as at them.

    References
    ----------
    Zadrozny & Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates.
    """

    at: tuple[float, ...]
    value: tuple[float, ...]

    @classmethod
    def learn(cls, score: Floats, happened: Floats, weight: Floats) -> Self:
        """Learn the points by pooling adjacent violators; no point says 0 or 1, as its people are too few for that."""
        from sklearn.isotonic import isotonic_regression

        at, place = np.unique(score, return_inverse=True)
        heavy = np.bincount(place, weights=weight)
        level = isotonic_regression(np.bincount(place, weights=weight * happened) / heavy, sample_weight=heavy)
        starts = np.flatnonzero(np.diff(level, prepend=-1.0) > 0)
        size = np.add.reduceat(heavy, starts)
        middle = np.add.reduceat(heavy * at, starts) / size
        value = level[starts]
        if len(value) > 1:  # only the outermost can be 0 and 1; as many people as these are do not show that
            value[0] = min(max(value[0], 0.5 / (size[0] + 1)), value[1])
            value[-1] = max(min(value[-1], 1 - 0.5 / (size[-1] + 1)), value[-2])
        return cls(tuple(middle.tolist()), tuple(value.tolist()))

    def __call__(self, score: Floats) -> Floats:
        """Return probabilities."""
        return np.asarray(np.interp(score, self.at, self.value), dtype=np.float64)


@dataclass(frozen=True)
class Scale(Calibration):
    """Amount ``factor · exp(score)`` of a score that is a log, so that the total is right."""

    factor: float = 1.0

    @classmethod
    def learn(cls, score: Floats, amount: Floats, weight: Floats) -> Self:
        """Learn the factor by which expected amounts add up to those seen."""
        expected = float((weight * exp(score)).sum())
        total = float((weight * amount).sum())
        return cls(total / expected if expected > 0 and total > 0 else 1.0)

    def __call__(self, score: Floats) -> Floats:
        """Return amounts."""
        return self.factor * exp(score)


@dataclass(frozen=True)
class Shift(Calibration):
    """Amount ``score + by``, so that the total is right."""

    by: float = 0.0

    @classmethod
    def learn(cls, score: Floats, amount: Floats, weight: Floats) -> Self:
        """Learn by how much expected amounts fall short in the mean."""
        return cls(float((weight * (amount - score)).sum() / weight.sum()))

    def __call__(self, score: Floats) -> Floats:
        """Return amounts."""
        return score + self.by


@dataclass(frozen=True)
class Temperature(Calibration):
    """Probabilities of classes, ``softmax(score / heat)``: above 1 less sure, below 1 surer.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks.
    """

    heat: float = 1.0

    @classmethod
    def learn(cls, score: Floats, place: Ints, weight: Floats) -> Self:
        """Learn the heat with the least log loss, between 1/8 and 8.

        Parameters
        ----------
        score
            Shape (people, classes).
        place
            The class of each person.
        """
        from scipy.optimize import minimize_scalar

        found = minimize_scalar(
            lambda heat: class_loss(softmax(score / math.exp(heat)), place, weight),
            bounds=(-math.log(8), math.log(8)), method="bounded", options={"xatol": 1e-4},
        )  # fmt: skip
        return cls(float(math.exp(found.x)))

    def __call__(self, score: Floats) -> Floats:
        """Return probabilities: shape (people, classes)."""
        return softmax(score / self.heat)


_KINDS: dict[str, type[Calibration]] = {kind.__name__: kind for kind in (Logistic, Isotonic, Scale, Shift, Temperature)}


def from_json(body: Any) -> Calibration:
    """Return the calibration that ``to_json`` wrote.

    Raises
    ------
    IntegrityError
        It is none.
    """
    kind = _KINDS.get(str(body.get("kind"))) if isinstance(body, Mapping) else None
    if kind is None or set(body) != {"kind", *(field.name for field in fields(kind))}:  # type: ignore[arg-type]
        raise _refusal()
    values = {name: value for name, value in body.items() if name != "kind"}
    lists = kind is Isotonic
    for value in values.values():
        parts = value if lists and isinstance(value, list) and value else [None] if lists else [value]
        if not all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e300 for one in parts):
            raise _refusal()
    if kind is Isotonic:
        at, value = (np.asarray(values[name], dtype=np.float64) for name in ("at", "value"))
        if at.shape != value.shape or (np.diff(at) <= 0).any() or (np.diff(value) < 0).any():
            raise _refusal()
        if value[0] < 0 or value[-1] > 1:
            raise _refusal()
        return Isotonic(tuple(at.tolist()), tuple(value.tolist()))
    bound = values.get("factor", values.get("heat", values.get("slope")))
    if bound is not None and (bound < 0 or (bound == 0 and kind is not Logistic)):
        raise _refusal()
    return kind(**{name: float(value) for name, value in values.items()})


def choose_binary(score: Floats, happened: Floats, weight: Floats, fold: Ints) -> tuple[Calibration, dict[str, float]]:
    """Choose how log odds, told out of fold, become probabilities.

    Each way is learnt on all folds but one and judged by its log loss on that one; what is best in the mean of all
    people is learnt anew on all. At a tie the simpler one wins.

    Returns
    -------
    tuple
        The calibration, and the mean log loss of ``none``, ``logistic`` and ``isotonic``.
    """
    ways: dict[str, Callable[[Floats, Floats, Floats], Calibration]] = {
        "none": lambda *_: Logistic(), "logistic": Logistic.learn, "isotonic": Isotonic.learn,
    }  # fmt: skip
    losses = {}
    for name, learn in ways.items():
        told = np.empty(len(score))
        for part in np.unique(fold):
            here = fold == part
            told[here] = learn(score[~here], happened[~here], weight[~here])(score[here])
        losses[name] = log_loss(told, happened, weight)
    best = min(ways, key=lambda name: round(losses[name], 9))
    return ways[best](score, happened, weight), losses


def log_loss(probability: Floats, happened: Floats, weight: Floats) -> float:
    """Return the mean negative log likelihood of what happened, in nats."""
    p = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    return float(-(weight * (happened * np.log(p) + (1 - happened) * np.log1p(-p))).sum() / weight.sum())


def class_loss(probability: Floats, place: Ints, weight: Floats) -> float:
    """Return the mean negative log likelihood of each person's class, in nats."""
    p = np.clip(probability[np.arange(len(place)), place], _SMALLEST, 1.0)
    return float(-(weight * np.log(p)).sum() / weight.sum())


def sigmoid(score: Floats) -> Floats:
    """Return the probability at log odds."""
    small = np.exp(-np.abs(score))
    return np.asarray(np.where(score >= 0, 1 / (1 + small), small / (1 + small)), dtype=np.float64)


def softmax(score: Floats) -> Floats:
    """Return probabilities that add up to 1 along the last axis."""
    raised = np.exp(score - score.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


def exp(score: Floats) -> Floats:
    """Return what a log is of; logs beyond ±600 count as these."""
    return np.asarray(np.exp(np.clip(score, -600.0, 600.0)), dtype=np.float64)


def _logistic_loss(score: Floats, aim: Floats, weight: Floats) -> float:
    return float((weight * (np.logaddexp(0, score) - aim * score)).sum())


def _refusal() -> IntegrityError:
    return IntegrityError("This is no stored learner: its calibration is none.", hint="fit it anew.")
