"""Stored contenders: what a fit learnt as plain JSON, without people, and the same contender back from it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from coterie.errors import IntegrityError, NotFittedError, ParameterError
from coterie.predict.contest.contender import Contender, Floats

VERSION = 1
"""The layout of a contender as JSON."""


class Parts:
    """The parts of a stored contender by name, each checked when it is taken.

    Parameters
    ----------
    body
        JSON values by name.

    Raises
    ------
    ValueError
        What is taken is not there, or not as it should be; names it.
    """

    def __init__(self, body: Any) -> None:
        if not isinstance(body, Mapping):
            raise ValueError("it is no JSON object")
        self._body, self._taken = body, set[str]()

    def any(self, name: str) -> Any:
        """Return a part as it is."""
        if name not in self._body:
            raise ValueError(f"{name} is missing")
        self._taken.add(name)
        return self._body[name]

    def text(self, name: str) -> str:
        """Return a text."""
        return str(self._checked(name, isinstance(found := self.any(name), str), found))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = self.any(name)
        self._checked(name, isinstance(found, list) and all(isinstance(one, str) for one in found), found)
        return tuple(found)

    def number(self, name: str, *, above: float = -math.inf) -> float:
        """Return a finite number."""
        found = self.any(name)
        return float(self._checked(name, _finite(found) and found > above, found))

    def numbers(self, name: str, count: int | None = None) -> Floats:
        """Return finite numbers: shape (count,)."""
        found = self.any(name)
        right = isinstance(found, list) and all(map(_finite, found)) and count in (None, len(found))
        return np.array(self._checked(name, right, found), dtype=np.float64)

    def parts(self, name: str) -> Parts:
        """Return parts that have names of their own."""
        found = self.any(name)
        return Parts(self._checked(name, isinstance(found, Mapping), found))

    def given(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return which of the names are not null."""
        return tuple(name for name in names if self.any(name) is not None)

    def finish(self) -> None:
        """Refuse what nobody took."""
        if strange := sorted(set(map(str, self._body)) - self._taken):
            raise ValueError(f"{', '.join(strange)} does not belong to it")

    def _checked(self, name: str, right: bool, found: Any) -> Any:
        if not right:
            raise ValueError(f"{name} is not as it should be")
        return found


class Storable(Contender):
    """A contender whose fit can be kept: read back, it forecasts for any people what it would have, bit for bit."""

    _last: ClassVar[str]
    """The attribute that fit sets last."""

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back.

        Raises
        ------
        NotFittedError
            It was not fitted.
        ParameterError
            It is made of a contender that cannot be kept.
        """
        self._check_fitted()
        return {
            "kind": type(self).__name__,
            "version": VERSION,
            "name": self.name,
            "degraded": self.degraded_,
            **self._learnt(),
        }

    @classmethod
    def from_json(cls, body: Any) -> Self:
        """Return the fitted contender that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is no such contender, was changed, or was written by another version.
        """
        try:
            parts = Parts(body)
            if (kind := parts.any("kind")) != cls.__name__:
                raise ValueError(f"it is of kind {kind!r}")
            if (version := parts.any("version")) != VERSION:
                raise ValueError(f"it is of version {version!r}, and this coterie reads version {VERSION}")
            name, degraded = parts.text("name"), None if parts.any("degraded") is None else parts.text("degraded")
            made = cls._made(name, parts)
            parts.finish()
        # whatever else may be wrong with the parts of models
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = error if isinstance(error, ValueError) else "a part of it is not as it should be"
            raise IntegrityError(f"This is no stored {cls.__name__}: {why}.", hint="fit it anew.") from error
        made.degraded_ = degraded
        return made

    def _check_fitted(self) -> None:
        """Raise NotFittedError before fit."""
        if not hasattr(self, self._last):
            raise NotFittedError.of(self)

    @abstractmethod
    def _learnt(self) -> dict[str, Any]:
        """Return what was learnt, and the settings."""

    @classmethod
    @abstractmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        """Return the contender of this name that has learnt these parts; all are taken."""


def stored(contender: Contender) -> dict[str, Any]:
    """Return a fitted contender as plain JSON values, without people; ``restored`` reads it back.

    Raises
    ------
    ParameterError
        It is of a kind that cannot be kept: a class of one's own.
    NotFittedError
        It was not fitted.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from coterie.predict.contest.contender import Case
    >>> from coterie.predict.contest.naive import Rate
    >>> may = Case(now=pa.table({"frequency": [3], "recency": [80.0], "T": [90.0]}), horizon_days=30)
    >>> body = stored(Rate().fit(may))
    >>> body
    {'kind': 'Rate', 'version': 1, 'name': 'x/T·H', 'degraded': None, 'horizon': 30.0}
    >>> restored(body).forecast(may.now).orders.tolist()
    [1.0]
    """
    kinds = _kinds()
    if not isinstance(contender, Storable) or kinds.get(type(contender).__name__) is not type(contender):
        raise ParameterError.of(contender.name, "its kind", type(contender).__name__, f"one of {', '.join(kinds)}")
    return contender.to_json()


def restored(body: Any) -> Storable:
    """Return the fitted contender that ``stored`` wrote; it forecasts as the original does.

    Raises
    ------
    IntegrityError
        It is no stored contender, was changed, or was written by another version.
    """
    kind = body.get("kind") if isinstance(body, Mapping) else None
    kinds = _kinds()
    if not isinstance(kind, str) or kind not in kinds:
        got = repr(kind) if isinstance(kind, str) else type(body).__name__
        raise IntegrityError(f"This is no stored contender: it is of kind {got}.", hint="fit it anew.")
    return kinds[kind].from_json(body)


def _kinds() -> dict[str, type[Storable]]:
    """Return all kinds that can be kept, by name."""
    # late: a kind that is made of others restores them by their kinds
    from coterie.predict.contest.ensemble import Ensemble, Sized, Stacked
    from coterie.predict.contest.learnt import Learnt
    from coterie.predict.contest.levelled import Levelled
    from coterie.predict.contest.naive import Everybody, LastPeriod, PastSpend, Rate, Recency
    from coterie.predict.contest.probabilistic import Probabilistic

    kinds: tuple[type[Storable], ...] = (
        *(Ensemble, Levelled, Stacked, Sized, Probabilistic, Learnt),
        *(Rate, Recency, Everybody, LastPeriod, PastSpend),
    )
    return {kind.__name__: kind for kind in kinds}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
