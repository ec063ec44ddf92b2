"""What an order of each customer is worth: the Gamma-Gamma model of mean spend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, gammaln, ndtri
from sklearn.base import BaseEstimator

from coterie.errors import (
    ConvergenceError,
    DataError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    NoVariationError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.evaluation.intervals import Estimate
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.independence import caution, correlation
from coterie.predict.lifetime.limits import Limit, maximise_or_limit
from coterie.predict.lifetime.spend_likelihood import SpendLikelihood

Floats = npt.NDArray[np.float64]

_OWNER = "The table of purchase histories"
_NEEDED = 10  # people with spend: three parameters from fewer are noise
_MANY = math.log(1e6)  # as good as infinite
_ALIKE = Limit({1: _MANY}, {2: _MANY}, "people do not differ in what an order is worth to them (q, v infinite)")
_STEADY = Limit({0: _MANY}, {2: -_MANY}, "the orders of a person are all worth the same (p infinite, v 0)")
_LIMITS = (_ALIKE, _STEADY)


class _Spend(NamedTuple):
    """Repeat purchases and their mean spend, 0 where there are none, of shape (people,)."""

    x: Floats
    mean: Floats


class GammaGamma(BaseEstimator):  # type: ignore[misc]
    """Mean spend per order, where people differ in what they usually spend and their orders vary around it.

    The amounts of a person's orders are Gamma(p, nu) and nu differs between people by Gamma(q, v): a person's own mean
    is p / nu. What has been seen of a person is drawn towards everybody's mean, the more so the fewer orders there are.
    Orders and spend per order are taken to be independent; ``correlation_`` tells whether they are.

    Learnt from people with a repeat purchase and spend above 0. Nothing above 0 is left out of the fit, as the
    model has no room for it, and counted in ``left_out_``; such a person's repeat purchases then count as worth 0.

    Attributes
    ----------
    parameters_
        ``p`` (shape of orders), ``q`` (shape of people) and ``v`` (scale of people, in the unit of the spend), which
        papers also call gamma.
    log_likelihood_
        Of the mean spends, in the unit of the spend.
    standard_errors_
        Of the parameters, from the exact Hessian.
    covariance_
        Of the parameters: shape (3, 3), in the order of ``names_``.
    names_
        ``("p", "q", "v")``.
    people_, left_out_
        How many people were learnt from, and how many with repeat purchases were left out for want of spend above 0.
    correlation_
        Of repeat purchases and mean spend over people (Pearson's), with an interval of 95 % that assumes no
        distribution and also holds without the person who moves it most. The mean of mean spends does not depend on the
        number of orders where the two are independent, though their spread does.
    caution_
        What to know before orders and spend are multiplied, as a sentence; None where their correlation is not shown.
    warning_
        Which limit of the model was fitted where the likelihood has no maximum, as people, or the orders of one person,
        do not differ; empty when all is well. What is fixed in the limit has a standard error of 0.
    iterations_, evaluations_
        Steps of the fit, and how often the likelihood was computed.

    References
    ----------
    Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis; Fader & Hardie (2013),
    The Gamma-Gamma model of monetary value.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> x, spend = GammaGamma.drawn(np.full(2000, 3.0), p=6.0, q=4.0, v=15.0, rng=np.random.default_rng(1))
    >>> model = GammaGamma().fit(pa.table({"frequency": x, "spend": spend}))
    >>> model.expected_spend(pa.table({"frequency": [0, 1, 20], "spend": [None, 90.0, 90.0]})).round(-1).tolist()
    [30.0, 70.0, 90.0]
    """

    names_ = ("p", "q", "v")

    parameters_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    covariance_: Floats
    people_: int
    left_out_: int
    correlation_: Estimate
    caution_: str | None
    warning_: str
    iterations_: int
    evaluations_: int

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn p, q and v by maximum likelihood.

        Parameters
        ----------
        frame
            Histories, or any eager dataframe with ``frequency`` (repeat purchases) and ``spend`` (their mean amount,
            missing where there are none), one row a person.

        Raises
        ------
        TooFewPeopleError
            Fewer than 10 people have repeat purchases with spend above 0.
        NoVariationError
            All of them spend the same.
        ConvergenceError
            The likelihood has no maximum, neither in the model nor in its limits.
        """
        x, mean = _read(frame)
        bought = x > 0
        used = bought & (mean > 0)
        if used.sum() < _NEEDED:
            raise TooFewPeopleError.of(
                "A model of spend",
                _NEEDED,
                int(used.sum()),
                hint=f"counted are people with a repeat purchase and a mean spend above 0; {int(bought.sum()):,} have "
                "a repeat purchase. With fewer, take the mean spend of everybody.",
            )
        x, mean = x[used], mean[used]
        order = np.lexsort((mean, x))  # sums then do not depend on the order of the people
        x, mean = x[order], mean[order]
        if mean.min() == mean.max():
            raise NoVariationError(
                f"All {len(mean):,} people spend {mean[0]:g} per order: there is nothing to model.",
                hint="take that as everybody's spend.",
            )
        usual = float(np.exp(np.log(mean).mean()))
        likelihood = SpendLikelihood(x, mean / usual)
        try:
            best = maximise_or_limit(likelihood, np.log([4.0, 4.0, 1.0]), self.names_, _LIMITS, own=3)
        except ConvergenceError as error:
            raise ConvergenceError.of(self, error.message.removesuffix("."), hint=error.hint) from error
        p, q, v = np.exp(best.theta)
        values = np.array([p, q, v * usual])
        self.covariance_ = best.covariance * np.outer(values, values)
        self.parameters_ = dict(zip(self.names_, values.tolist(), strict=True))
        self.standard_errors_ = _errors(self.covariance_)
        self.log_likelihood_ = best.log_likelihood - len(x) * math.log(usual)
        self.people_, self.left_out_ = len(x), int(bought.sum()) - len(x)
        self.correlation_ = correlation(x, mean)
        self.caution_ = caution(self.correlation_)
        self.warning_ = best.note
        self.iterations_, self.evaluations_ = best.iterations, best.evaluations
        return self

    @classmethod
    def of_mean(cls, mean: float, *, alike: bool = False) -> Self:
        """Return the model in which everybody's orders have this mean; with ``alike``, are worth it without variation.

        For where there is too little to learn from.

        >>> GammaGamma.of_mean(900).parameters_["v"] / 1e9
        899.9999991
        """
        if not (math.isfinite(mean) and mean > 0):
            raise ParameterError.of("GammaGamma", "mean", mean, "a number above 0")
        model, p, q = cls(), (1e6 if alike else 1.0), 1e9
        model.parameters_, model.covariance_ = {"p": p, "q": q, "v": mean * (q - 1) / p}, np.zeros((3, 3))
        model.standard_errors_, model.correlation_ = _errors(model.covariance_), Estimate(math.nan, math.nan, math.nan)
        model.log_likelihood_, model.people_, model.left_out_, model.caution_ = 0.0, 0, 0, None
        model.warning_ = "Nothing was learnt of spend: each order counts the same mean."
        model.iterations_ = model.evaluations_ = 0
        return model

    def expected_spend(self, frame: Any) -> Floats:
        """Return what each person's next order is expected to be worth, in the unit of the spend: shape (people,).

        For somebody without a repeat purchase, or of unknown spend, it is the mean of everybody, p v / (q - 1). What is
        spent below 0 (more refunded than bought) counts as 0.

        Raises
        ------
        DataError
            The mean of everybody is asked for and does not exist, as q is 1 or less.
        """
        p, _, _ = self._values()
        rest, total = self._posterior(frame)
        return np.asarray(p * total / rest)

    def spread(self, frame: Any) -> Floats:
        """Return the variance of each person's own mean spend, given what has been seen: shape (people,).

        In the square of the spend's unit, at the fitted parameters; infinite where so little has been seen that it does
        not exist (p x + q of 2 or less).
        """
        rest, total = self._posterior(frame)
        expected = self._values()[0] * total / rest
        return np.asarray(np.where(rest > 1, expected**2 / np.where(rest > 1, rest - 1, 1), np.inf))

    def spend_interval(self, frame: Any, level: float = 0.9, kind: Literal["mean", "own"] = "mean") -> Floats:
        """Return the ends of an interval of spend per order: shape (people, 2), in the unit of the spend.

        Parameters
        ----------
        frame
            As in ``fit``.
        level
            Coverage, in (0, 1).
        kind
            ``mean``: of ``expected_spend``, which is uncertain only as the parameters are (delta method, on the
            logarithm). ``own``: of the person's own mean, which is uncertain also because few orders have been seen;
            both parts are joined as the root of their squares, on the logarithm.
        """
        if not 0 < level < 1:
            raise ParameterError.of("spend_interval", "level", level, "between 0 and 1")
        if kind not in ("mean", "own"):
            raise ParameterError.of("spend_interval", "kind", kind, "'mean' or 'own'")
        p, q, _ = self._values()
        rest, total = self._posterior(frame)
        expected = p * total / rest
        gradient = np.stack([(q - 1) / (p * rest), -1 / rest, 1 / total])  # of log(expected)
        half = -ndtri((1 - level) / 2) * np.sqrt(np.einsum("ip,ij,jp->p", gradient, self.covariance_, gradient))
        low = high = half
        if kind == "own":
            shape = rest + 1
            tails = [np.log(rest / gammaincinv(shape, side)) for side in ((1 + level) / 2, (1 - level) / 2)]
            low, high = (np.hypot(half, tail) for tail in tails)
        return np.asarray(np.stack([expected * np.exp(-low), expected * np.exp(high)], axis=1))

    def own_means(self, frame: Any, rng: np.random.Generator) -> Floats:
        """Draw each person's own mean spend from what is known of it, at the fitted parameters: shape (people,)."""
        rest, total = self._posterior(frame)
        return np.asarray(self._values()[0] * total / rng.standard_gamma(rest + 1))

    def log_likelihoods(self, frame: Any) -> Floats:
        """Return the log density of each person's mean spend: shape (people,), NaN where there is none above 0."""
        p, q, v = self._values()
        x, mean = _read(frame)
        used = (x > 0) & (mean > 0)
        x, mean = np.where(used, x, 1.0), np.where(used, mean, 1.0)
        shape = p * x
        found = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v) - np.log(mean)
        found += shape * np.log(mean * x) - (shape + q) * np.log(v + mean * x)
        return np.asarray(np.where(used, found, np.nan))

    @staticmethod
    def drawn(
        frequency: Floats, *, p: float, q: float, v: float, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Draw new people of the model: their repeat purchases, as given, and mean spends (NaN without any)."""
        x = np.asarray(frequency, dtype=np.float64)
        nu = rng.gamma(q, 1 / v, len(x))
        some = np.maximum(x, 1)
        return x, np.where(x > 0, rng.gamma(p * some) / (some * nu), np.nan)

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._values()
        return {
            "kind": type(self).__name__,
            "version": 1,
            "parameters": dict(self.parameters_),
            "covariance": [[_plain(value) for value in row] for row in self.covariance_.tolist()],
            "log_likelihood": self.log_likelihood_,
            "people": self.people_,
            "left_out": self.left_out_,
            "warning": self.warning_,
            "correlation": [_plain(getattr(self.correlation_, end)) for end in ("value", "low", "high")],
            "iterations": self.iterations_,
            "evaluations": self.evaluations_,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted model that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is something else.
        """
        try:
            if body["kind"] != cls.__name__ or body["version"] != 1:
                raise ValueError(f"it is a {body['kind']} of version {body['version']}")
            model = cls()
            model.parameters_ = {name: float(body["parameters"][name]) for name in cls.names_}
            if not all(math.isfinite(value) and value > 0 for value in model.parameters_.values()):
                raise ValueError("its parameters are not above 0")
            model.covariance_ = np.array(body["covariance"], dtype=np.float64)
            if model.covariance_.shape != (3, 3):
                raise ValueError("its covariance is not of three parameters")
            model.standard_errors_ = _errors(model.covariance_)
            model.log_likelihood_ = float(body["log_likelihood"])
            model.people_, model.left_out_ = int(body["people"]), int(body["left_out"])
            value, low, high = (math.nan if end is None else float(end) for end in body["correlation"])
            model.correlation_ = Estimate(value, low, high)
            model.caution_, model.warning_ = caution(model.correlation_), str(body["warning"])
            model.iterations_, model.evaluations_ = int(body["iterations"]), int(body["evaluations"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"This is no stored {cls.__name__}: {error}.", hint="give what to_json wrote."
            ) from error
        return model

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        from coterie.predict import notebooks  # late: drawing is not needed to compute

        html = notebooks.of_spend(self)
        return {"text/plain": repr(self), **({"text/html": html} if html else {})}

    def _values(self) -> tuple[float, float, float]:
        if not hasattr(self, "parameters_"):
            raise NotFittedError.of(self)
        return self.parameters_["p"], self.parameters_["q"], self.parameters_["v"]

    def _posterior(self, frame: Any) -> tuple[Floats, Floats]:
        """Return p x + q - 1 and v + x m of each person: nu is Gamma(p x + q, v + x m)."""
        p, q, v = self._values()
        x, mean = _read(frame)
        x = np.where(np.isfinite(mean), x, 0.0)
        rest = p * x + q - 1
        if (lost := int((rest <= 0).sum())) > 0:
            raise DataError(
                f"In this model (q = {q:.3g}, where it takes more than 1) the mean spend of a new customer does not "
                f"exist, and {lost:,} of {len(x):,} people have no spend of their own.",
                hint="cap the largest amounts before fit: a few huge ones make the tail of the model so heavy.",
            )
        return rest, v + x * np.maximum(np.nan_to_num(mean), 0.0)


def _read(frame: Any) -> _Spend:
    """Return repeat purchases and mean spend; a dataframe need not tell the times that Histories have."""
    if isinstance(frame, Histories):
        return _Spend(frame.frequency, frame.spend)
    try:
        data = opened(frame)
    except TypeError as error:
        raise ParameterError.of(
            _OWNER, "its type", type(frame).__name__, "Histories or a pandas, polars or pyarrow table"
        ) from error
    if lost := [name for name in ("frequency", "spend") if name not in data.columns]:
        raise MissingColumnError.of(_OWNER, lost, data.columns)
    x, mean = encodings.numbers(data, "frequency"), encodings.numbers(data, "spend")
    if (wrong := ~np.isfinite(x) | (x < 0) | (x != np.floor(x))).any():
        raise DataError(
            f"{_OWNER} has a frequency that is no count in {int(wrong.sum()):,} of {len(x):,} rows.",
            hint="frequency counts repeat purchases: 0 for who bought once.",
        )
    return _Spend(x, np.where((x > 0) & np.isfinite(mean), mean, np.nan))


def _errors(covariance: Floats) -> dict[str, float]:
    return dict(zip(GammaGamma.names_, np.sqrt(np.diag(covariance)).tolist(), strict=True))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
