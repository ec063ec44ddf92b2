"""Models of purchases: what every model of the "buy till you die" family can be asked, and how one is fitted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from coterie.errors import ConvergenceError, ParameterError
from coterie.predict.lifetime.counts import count_quantile, delta
from coterie.predict.lifetime.histories import Floats, Histories, Tuples
from coterie.predict.lifetime.newton import Likelihood, Optimum, maximise
from coterie.predict.lifetime.parameters import Learnt, Parameters
from coterie.predict.lifetime.variety import check_variety, shown, standard, vagueness
from coterie.predict.threads import one_thread


@dataclass(frozen=True, slots=True)
class Simulated:
    """Customers made by a model.

    Parameters
    ----------
    histories
        What they did from their first purchase, at time 0, to T.
    orders
        Their purchases in the horizon after T: float64 of shape (people,).
    alive
        Whether they are still customers at T: shape (people,).
    """

    histories: Histories
    orders: Floats
    alive: npt.NDArray[np.bool_]


class PurchaseModel(Learnt):
    """A model of when customers, who drop out unseen, buy; learnt from frequency, recency and T alone.

    Times have no unit of their own: a horizon is in the unit of T (days where ``Histories.of_orders`` made it).
    Everything that is asked of people takes Histories or a dataframe that ``Histories.of`` reads, and is answered in
    the order of its rows. :class:`Learnt` describes the attributes.
    """

    # what a model brings: p are the parameters, t the tuples they belong to, horizon a number or an array (m,)

    @abstractmethod
    def _start(self, t: Tuples) -> Sequence[float]:
        """Return rough values of the parameters, from moments."""

    @abstractmethod
    def _likelihood(self, t: Tuples) -> Likelihood:
        """Return the log-likelihood of theta: logarithms of the parameters, then coefficients (see ``moved``)."""

    def _prepared(self, histories: Histories) -> tuple[Sequence[float], Likelihood]:
        """Return rough values of the parameters, and the log-likelihood of all people."""
        tuples = self._standardised(histories.unique())
        return self._start(tuples), self._likelihood(tuples)

    @abstractmethod
    def _log_likelihoods(self, p: Parameters, t: Tuples) -> Floats:
        """Return the log-likelihood of one person with each history: shape (m,)."""

    @abstractmethod
    def _alive(self, p: Parameters, t: Tuples) -> Floats:
        """Return the probability of still being a customer: shape (m,)."""

    @abstractmethod
    def _orders(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        """Return expected orders in the horizon: shape (m,)."""

    @abstractmethod
    def _active(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        """Return the probability of an order in the horizon: shape (m,)."""

    @abstractmethod
    def _variance(self, p: Parameters, t: Tuples, horizon: Any) -> Floats:
        """Return the variance of the number of orders in the horizon: shape (m,)."""

    @abstractmethod
    def _simulated(self, p: Parameters, T: Floats, horizon: float, rng: np.random.Generator) -> Simulated:
        """Return customers of these parameters (p are arrays of the shape of T)."""

    # what everybody asks

    def fit(self, frame: Any, y: object = None, *, covariates: Sequence[str] | None = None) -> Self:
        """Learn the parameters by maximum likelihood.

        Parameters
        ----------
        frame
            Histories, or a dataframe with the columns ``frequency``, ``recency`` and ``T``, one row a person.
        covariates
            Columns of traits that do not change, numbers; None takes those that Histories carry.

        Raises
        ------
        ConvergenceError
            The likelihood has no maximum; the text says what in the data is the reason.
        DataError, MissingColumnError, EmptyShopError
            As ``Histories.of``.
        """
        histories = Histories.of(frame, covariates=tuple(covariates or ()))
        names = histories.covariate_names
        if names and not self.moved:
            raise ParameterError.of(type(self).__name__, "covariates", list(names), "none: it takes no covariates")
        check_variety(self, histories, len(self.names))
        with one_thread():  # sums over several threads differ in the last digits
            self.covariate_names_ = names
            self.centre_, self.scale_ = standard(histories, self)
            rough, likelihood = self._prepared(histories)
            full = (*self.names, *(f"{name}:{trait}" for name in self.moved for trait in names))
            start = np.concatenate([np.log(rough), np.zeros(len(full) - len(self.names))])
            try:
                found = self._maximum(likelihood, start, full)
            except ConvergenceError as error:
                raise ConvergenceError.of(self, f"{shown(histories)}. {error.message[:-1]}", hint=error.hint) from error
        self.names_ = full
        self.theta_, self.theta_covariance_ = found.theta, found.covariance
        self.log_likelihood_ = found.log_likelihood + float(self._constants(histories).sum())
        self.warning_ = found.note or vagueness(full, np.sqrt(np.diag(found.covariance)))
        self.people_, self.longest_ = len(histories), float(histories.T.max())
        self.iterations_, self.evaluations_ = found.iterations, found.evaluations
        return self

    def _maximum(self, likelihood: Likelihood, start: Floats, names: Sequence[str]) -> Optimum:
        """Return the maximum of the likelihood."""
        return maximise(likelihood, start, names)

    def _constants(self, histories: Histories) -> Floats:
        """Return the part of each log-likelihood in which no parameter takes part: shape (people,)."""
        return np.zeros(len(histories))

    def log_likelihoods(self, frame: Any) -> Floats:
        """Return each person's log-likelihood: shape (people,)."""
        histories = Histories.of(frame, covariates=self._covariates())
        return self._answered(histories, self._log_likelihoods) + self._constants(histories)

    def alive(self, frame: Any) -> Floats:
        """Return each person's probability of still being a customer.

        Never rank by it: in BG/NBD it is 1 for everybody who bought once, and ranked people of real shops backwards.
        Rank by :meth:`active` or :meth:`expected_orders`.
        """
        return self._answered(frame, self._alive)

    def expected_orders(self, frame: Any, horizon: float | npt.ArrayLike) -> Floats:
        """Return the orders to expect of each person in the horizon: shape (people,).

        Parameters
        ----------
        frame
            Histories or a dataframe of them.
        horizon
            Time from the moment on, in the unit of T: one for all, or one a person.
        """
        return self._answered(frame, self._orders, horizon)

    def active(self, frame: Any, horizon: float | npt.ArrayLike) -> Floats:
        """Return the probability that a person orders at least once in the horizon: shape (people,); rank by this."""
        return self._answered(frame, self._active, horizon)

    def spread(self, frame: Any, horizon: float | npt.ArrayLike) -> Floats:
        """Return the variance of each person's number of orders in the horizon, the parameters being what they are."""
        return self._answered(frame, self._variance, horizon)

    def expected_of_new(self, age: npt.ArrayLike) -> Floats:
        """Return the repeat orders to expect of a new customer (of average covariates) up to an age: the shape of age.

        The sum over customers follows the cumulative purchases of a cohort.
        """
        self._fitted()
        ages = np.asarray(age, dtype=np.float64)
        _check_horizon(ages)
        nothing = np.zeros(ages.size)
        tuples = Tuples(
            nothing, nothing, nothing, np.zeros((ages.size, len(self.centre_))), nothing + 1, np.arange(ages.size)
        )
        return self._orders(self._personal(self.theta_, tuples), tuples, ages.ravel()).reshape(ages.shape)

    def orders_interval(
        self, frame: Any, horizon: float, *, level: float = 0.9, kind: str = "mean"
    ) -> tuple[Floats, Floats]:
        """Return the ends of an interval for each person's orders in the horizon, each of shape (people,).

        Parameters
        ----------
        frame, horizon
            As :meth:`expected_orders`.
        level
            The interval's coverage, in (0, 1).
        kind
            ``"mean"``: where the expectation lies, given what the data tell of the parameters (delta method on its
            logarithm). ``"count"``: where the person's own number lies: a distribution with the model's probability of
            no order, mean and variance (the parameters' share added), negative binomial above one.

        Raises
        ------
        ParameterError
            A level or kind that is not.
        """
        if not 0 < level < 1:
            raise ParameterError.of(type(self).__name__, "level", level, "between 0 and 1")
        if kind not in ("mean", "count"):
            raise ParameterError.of(type(self).__name__, "kind", kind, '"mean" or "count"')
        self._fitted()
        with one_thread():
            tuples, times = self._read(frame, horizon)
            mean = self._orders(self._personal(self.theta_, tuples), tuples, times)
            error = delta(
                lambda theta: self._orders(self._personal(theta, tuples), tuples, times),
                self.theta_,
                self.theta_covariance_,
            )
            if kind == "mean":
                from scipy.special import ndtri

                factor = np.exp(np.minimum(ndtri((1 + level) / 2) * error / np.maximum(mean, 1e-300), 100.0))
                low, high = mean / factor, mean * factor
            else:
                p = self._personal(self.theta_, tuples)
                variance = self._variance(p, tuples, times) + np.square(error)
                active = self._active(p, tuples, times)
                tail = (1 - level) / 2
                low, high = (count_quantile(at, active, mean, variance) for at in (tail, 1 - tail))
        return low[tuples.inverse], high[tuples.inverse]

    def sample(
        self,
        T: npt.ArrayLike,
        rng: np.random.Generator,
        *,
        horizon: float = 0.0,
        covariates: npt.ArrayLike | None = None,
    ) -> Simulated:
        """Make customers as the model believes they are.

        Parameters
        ----------
        T
            How long ago each bought first: shape (people,).
        rng
            Where chance comes from.
        horizon
            Time after T in which purchases are counted as well.
        covariates
            Shape (people, covariates); None takes the average for all.
        """
        self._fitted()
        times = np.array(T, dtype=np.float64, ndmin=1)
        _check_horizon(times)
        _check_horizon(np.asarray(horizon))
        traits = np.broadcast_to(self.centre_, (len(times), len(self.centre_)))
        traits = traits if covariates is None else np.asarray(covariates, dtype=np.float64)
        nothing = np.zeros(len(times))
        tuples = Tuples(nothing, nothing, times, traits, nothing + 1, np.arange(len(times)))
        p = self._personal(self.theta_, self._standardised(tuples))
        return self._simulated([np.broadcast_to(value, times.shape) for value in p], times, horizon, rng)

    def _repr_html_(self) -> str | None:
        from coterie.predict import notebooks  # late: drawing is not needed to compute

        return notebooks.of_model(self)

    def _covariates(self) -> tuple[str, ...]:
        self._fitted()
        return self.covariate_names_

    def _read(self, frame: Any, horizon: float | npt.ArrayLike) -> tuple[Tuples, Any]:
        """Return the tuples of people and the horizon of each."""
        histories = Histories.of(frame, covariates=self._covariates())
        times = np.asarray(horizon, dtype=np.float64)
        _check_horizon(times)
        if times.ndim == 0:
            return self._standardised(histories.unique()), float(times)
        if times.shape != (len(histories),):
            raise ParameterError.of(
                type(self).__name__,
                "horizon",
                f"an array of shape {times.shape}",
                f"a number or of ({len(histories)},)",
            )
        h = histories
        everybody = np.arange(len(h))
        tuples = Tuples(h.frequency, h.recency, h.T, h.covariates, np.ones(len(h)), everybody)
        return self._standardised(tuples), times

    def _answered(
        self, frame: Any, question: Callable[..., Floats], horizon: float | npt.ArrayLike | None = None
    ) -> Floats:
        tuples, times = self._read(frame, 0.0 if horizon is None else horizon)
        p = self._personal(self.theta_, tuples)
        found = question(p, tuples) if horizon is None else question(p, tuples, times)
        return found[tuples.inverse]


def _check_horizon(times: Floats) -> None:
    if not (np.isfinite(times).all() and (times >= 0).all()):
        raise ParameterError.of("A model of purchases", "a time", "less than 0 or no number", "at least 0")
