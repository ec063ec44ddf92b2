"""What a fit learnt: parameters by name with their standard errors, moved by covariates, kept as JSON."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from coterie.errors import IntegrityError, NotFittedError
from coterie.predict.lifetime.histories import Floats, Tuples

Parameters = Sequence[Any]
"""A model's own parameters in the order of ``names``: floats, or arrays (m,) where covariates move them."""


class Learnt(ABC):
    """A model that learnt parameters by maximum likelihood.

    Attributes
    ----------
    parameters_
        Name → value: the parameters, then the coefficients of covariates.
    standard_errors_
        Name → standard error; huge where the likelihood does not tell (see ``warning_``).
    covariance_
        Of the parameters, by the delta method from the exact Hessian in logarithms: shape (p, p).
    log_likelihood_
        Its maximum.
    names_
        Names of the parameters, in the order of ``covariance_``.
    people_, longest_
        How many people it was learnt from, and their longest T.
    iterations_, evaluations_
        Newton steps, and likelihoods computed.
    warning_
        Which parameters the data hardly tell, in words; empty when all is well.
    covariate_names_, centre_, scale_
        The covariates; they are standardised with this mean and standard deviation.
    """

    names: ClassVar[tuple[str, ...]]
    moved: ClassVar[Mapping[str, float]] = {}
    """Parameters that covariates z move, and the sign: parameter · exp(sign · γ'z)."""

    names_: tuple[str, ...]
    theta_: Floats
    theta_covariance_: Floats
    log_likelihood_: float
    warning_: str
    people_: int
    longest_: float
    iterations_: int
    evaluations_: int
    covariate_names_: tuple[str, ...]
    centre_: Floats
    scale_: Floats

    @property
    def parameters_(self) -> dict[str, float]:
        """Name → value."""
        self._fitted()
        return dict(zip(self.names_, map(float, self._natural(self.theta_)), strict=True))

    @property
    def covariance_(self) -> Floats:
        """The parameters' covariance: shape (p, p)."""
        self._fitted()
        slope = np.where(np.arange(len(self.theta_)) < len(self.names), self._natural(self.theta_), 1.0)
        return np.asarray(self.theta_covariance_ * np.outer(slope, slope))

    @property
    def standard_errors_(self) -> dict[str, float]:
        """Name → standard error."""
        return dict(zip(self.names_, np.sqrt(np.diag(self.covariance_)).tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "version": 1,
            "settings": self._settings(),
            "names": list(self.names_),
            "theta": self.theta_.tolist(),
            "covariance": self.theta_covariance_.tolist(),
            "log_likelihood": None if np.isnan(self.log_likelihood_) else self.log_likelihood_,
            "warning": self.warning_,
            "people": self.people_,
            "longest": self.longest_,
            "iterations": self.iterations_,
            "evaluations": self.evaluations_,
            "covariates": list(self.covariate_names_),
            "centre": self.centre_.tolist(),
            "scale": self.scale_.tolist(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted model that ``to_json`` wrote; it predicts as the original does.

        Raises
        ------
        IntegrityError
            This is no such model, or not whole.
        """
        if body.get("kind") != cls.__name__ or body.get("version") != 1:
            raise IntegrityError(f"This is no {cls.__name__} that this version of coterie wrote.", hint="fit it anew.")
        try:
            model = cls(**body["settings"])
            model.names_ = tuple(map(str, body["names"]))
            model.theta_ = np.array(body["theta"], dtype=np.float64)
            model.theta_covariance_ = np.array(body["covariance"], dtype=np.float64)
            model.log_likelihood_ = float(np.nan if body["log_likelihood"] is None else body["log_likelihood"])
            model.warning_ = str(body["warning"])
            model.people_, model.longest_ = int(body["people"]), float(body["longest"])
            model.iterations_ = int(body["iterations"])
            model.evaluations_ = int(body["evaluations"])
            model.covariate_names_ = tuple(map(str, body["covariates"]))
            model.centre_, model.scale_ = (np.array(body[name], dtype=np.float64) for name in ("centre", "scale"))
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"This {cls.__name__} is not whole.", hint="fit it anew.") from error
        size, traits = len(model.names_), len(model.covariate_names_)
        if (
            size != len(cls.names) + traits * len(cls.moved)
            or model.theta_.shape != (size,)
            or not (np.isfinite(model.theta_).all() and np.isfinite(model.theta_covariance_).all())
            or model.theta_covariance_.shape != (size, size)
            or model.centre_.shape != (traits,)
            or model.scale_.shape != (traits,)
        ):
            raise IntegrityError(f"The parameters of this {cls.__name__} do not fit together.", hint="fit it anew.")
        return model

    def _settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {}

    def _fitted(self) -> None:
        if not hasattr(self, "theta_"):
            raise NotFittedError.of(self)

    def _natural(self, theta: Floats) -> Floats:
        own = len(self.names)
        return np.concatenate([np.exp(theta[:own]), theta[own:]])

    def _personal(self, theta: Floats, t: Tuples) -> Parameters:
        """Return the model's own parameters, moved by covariates: floats without any, else arrays (m,)."""
        own, traits = len(self.names), t.covariates.shape[1]
        if not traits:
            return tuple(map(float, np.exp(theta[:own])))
        shifts = dict.fromkeys(self.names, np.zeros(len(t.T)))
        for place, (name, sign) in enumerate(self.moved.items()):
            first = own + place * traits
            shifts[name] = sign * t.covariates @ theta[first : first + traits]
        return [np.exp(value + shifts[name]) for name, value in zip(self.names, theta[:own], strict=True)]

    def _standardised(self, t: Tuples) -> Tuples:
        return Tuples(t.frequency, t.recency, t.T, (t.covariates - self.centre_) / self.scale_, t.count, t.inverse)
