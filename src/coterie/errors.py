"""Every failure that coterie raises on purpose.

::

    CoterieError                     exit 1   something failed; the text says what, to which thing, what to do
    ├── UsageError                   exit 2   the call itself is wrong
    │   ├── ParameterError                    a parameter is outside what is allowed
    │   ├── ConfigError                       shop.toml or an environment variable
    │   ├── MappingError                      a source mapping
    │   ├── NotFittedError                    an estimator is used before fit
    │   └── MissingExtraError                 an optional dependency is not installed
    ├── DataError                    exit 3   the data broke its contract
    │   ├── UnreadableSourceError             a file cannot be opened or parsed
    │   ├── MissingColumnError                a column that was asked for is not there
    │   ├── CurrencyError                     unlike currencies would be added up
    │   ├── EmptyShopError                    there is nothing to work on
    │   ├── TooFewPeopleError                 there are fewer people than the method needs
    │   ├── NoVariationError                  all people look the same
    │   └── ConvergenceError                  a fit finds no maximum, for a reason that lies in the data
    ├── GateRefusedError             exit 4   governance says no
    └── StoreError                   exit 1   the shop's folder
        ├── ShopNotFoundError
        ├── ShopLockedError                   another process is writing
        ├── KeyMismatchError                  the vault was made with another key
        └── IntegrityError                    a stored thing is not what was stored

An error has a ``code`` (stable, for programs), a ``message`` (for people) and, where there is something to do, a
``hint``. The one JSON shape everywhere is ``{"code": ..., "message": ..., "hint": ...}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class CoterieError(Exception):
    """Base of all errors that coterie raises on purpose; catch this one to catch them all.

    Parameters
    ----------
    message
        What happened, to which thing, and what was allowed.
    hint
        What to do about it, as one sentence.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message

    def to_json(self) -> dict[str, str]:
        """Return the error in the one JSON shape that every face of coterie uses."""
        body = {"code": self.code, "message": self.message}
        return {**body, "hint": self.hint} if self.hint else body


class UsageError(CoterieError):
    """The call itself is wrong: nothing was read or written."""

    code = "usage"
    exit_code = 2


class ParameterError(UsageError, ValueError):
    """A parameter is outside what is allowed."""

    code = "parameter"

    @classmethod
    def of(cls, owner: str, name: str, got: object, allowed: str, *, hint: str | None = None) -> ParameterError:
        """Say which parameter of which thing got what, and what is allowed."""
        return cls(f"{owner}: {name} must be {allowed}, got {got!r}.", hint=hint)


class ConfigError(UsageError):
    """A setting of the shop cannot be read or is not allowed."""

    code = "config"


class MappingError(UsageError):
    """A source mapping says something that coterie cannot follow."""

    code = "mapping"


class NotFittedError(UsageError):
    """An estimator is asked for something that it learns in ``fit``."""

    code = "not_fitted"

    @classmethod
    def of(cls, estimator: object) -> NotFittedError:
        """Say which estimator has not been fitted."""
        name = type(estimator).__name__
        return cls(f"This {name} is not fitted yet.", hint=f"call {name}.fit(data) first.")


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    @classmethod
    def of(cls, what: str, extra: str) -> MissingExtraError:
        """Say what is missing and the line that installs it."""
        return cls(f"{what} is not installed.", hint=f"pip install 'coterie[{extra}]'")


class DataError(CoterieError):
    """The data broke its contract. What was readable is kept; nothing is lost."""

    code = "data"
    exit_code = 3


class UnreadableSourceError(DataError):
    """A file cannot be opened or parsed."""

    code = "unreadable_source"

    @classmethod
    def of(cls, path: object, why: str, *, hint: str | None = None) -> UnreadableSourceError:
        """Say which file could not be read and why."""
        return cls(f"Cannot read {path}: {why}.", hint=hint)


class MissingColumnError(DataError, KeyError):
    """A column that was asked for is not in the data."""

    code = "missing_column"

    def __init__(
        self, message: str, *, missing: tuple[str, ...] = (), present: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing
        self.present = present

    __str__ = CoterieError.__str__  # KeyError would print the repr

    @classmethod
    def of(cls, where: object, missing: Iterable[str], present: Iterable[str]) -> MissingColumnError:
        """Say which columns are missing from where, what is there, and the nearest names."""
        lost, there = tuple(missing), tuple(present)
        near = [f"{name!r} → {hit[0]!r}" for name in lost if (hit := get_close_matches(name, there, n=1))]
        shown = ", ".join(there[:30]) + (", …" if len(there) > 30 else "")
        plural = "s" if len(lost) > 1 else ""
        return cls(
            f"{where} has no column{plural} {', '.join(repr(name) for name in lost)}. Its columns: {shown or 'none'}.",
            missing=lost,
            present=there,
            hint=f"did you mean {'; '.join(near)}?" if near else "name the column as it is in the data.",
        )


class CurrencyError(DataError):
    """Amounts of unlike currencies would have to be added up."""

    code = "mixed_currency"


class EmptyShopError(DataError):
    """There is nothing to work on."""

    code = "empty_shop"


class TooFewPeopleError(DataError, ValueError):
    """There are fewer people than the method needs."""

    code = "too_few_people"

    @classmethod
    def of(cls, what: str, needed: int, got: int, *, hint: str | None = None) -> TooFewPeopleError:
        """Say what needs how many people and how many there are."""
        return cls(f"{what} needs at least {needed:,} people, there {'is' if got == 1 else 'are'} {got:,}.", hint=hint)


class NoVariationError(DataError, ValueError):
    """All people look the same, so there is nothing to tell apart."""

    code = "no_variation"


class ConvergenceError(DataError):
    """A fit finds no maximum, for a reason that lies in the data, such as that nobody came back."""

    code = "convergence"

    @classmethod
    def of(cls, model: object, why: str, *, hint: str | None = None) -> ConvergenceError:
        """Say which model could not be fitted, and what in the data is the reason."""
        name = model if isinstance(model, str) else type(model).__name__
        return cls(f"{name} could not be fitted: {why}.", hint=hint)


class GateRefusedError(CoterieError):
    """Governance says no: the purpose, the consent, or the size of the group."""

    code = "refused"
    exit_code = 4


class StoreError(CoterieError):
    """Something is wrong with the shop's folder or one of its stores."""

    code = "store"


class ShopNotFoundError(StoreError):
    """There is no shop where one was looked for."""

    code = "shop_not_found"


class ShopLockedError(StoreError):
    """Another process is writing to the shop."""

    code = "shop_locked"


class KeyMismatchError(StoreError):
    """The vault was made with another key."""

    code = "key_mismatch"


class IntegrityError(StoreError):
    """A stored thing is not what was stored: its hash or its chain does not match."""

    code = "integrity"
