"""A contract of models as named checks: each law is run on a model on trial, and says who broke it and how."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from coterie.errors import CoterieError

_KEYS_FROM = 7_310_000_000_019  # keys of persons that no figure of a model is equal to by chance


class OnTrial(Protocol):
    """A model on trial, with what it is tried on."""

    @property
    def estimator(self) -> Any:
        """The model, not fitted."""


T = TypeVar("T", bound=OnTrial)


@dataclass(frozen=True)
class Check(Generic[T]):
    """One check of one model; call it to run it.

    Parameters
    ----------
    name
        Its name.
    expects
        What it expects of a model, in a sentence.
    law
        What is run; it raises AssertionError with what is wrong.
    trial
        What it is run on.
    """

    name: str
    expects: str
    law: Callable[[T], None]
    trial: T

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        AssertionError
            The model fails it; the message has the name of the check, what happened, and what was expected.
        """
        who = type(self.trial.estimator).__name__
        try:
            self.law(self.trial)
        except AssertionError as error:
            what = str(error).rstrip(".")
            raise AssertionError(f"{self.name}: {who} fails: {what}. Expected: {self.expects}") from error
        except Exception as error:
            what = f"{type(error).__name__}: {error}".rstrip(".")
            raise AssertionError(f"{self.name}: {who} raises {what}. Expected: {self.expects}") from error

    def __str__(self) -> str:
        return self.name


def checks_of(laws: Iterable[Callable[[T], None]], trial: T) -> Iterator[Check[T]]:
    """Yield a check for each law, with its name and what its docstring expects.

    >>> def check_name(trial):
    ...     '''A model has a name.'''
    >>> [(str(check), check.expects) for check in checks_of([check_name], None)]
    [('check_name', 'A model has a name.')]
    """
    for law in laws:
        yield Check(law.__name__, " ".join((inspect.getdoc(law) or "").split()), law, trial)


def keyed(people: pa.Table) -> pa.Table:
    """Return people with keys of persons that are large and regular, in place of their own: a leak can be found."""
    if "person" in people.column_names:
        people = people.drop(["person"])
    return people.append_column("person", pa.array(_KEYS_FROM + 7919 * np.arange(len(people)), pa.int64()))


def expect(kept: bool, otherwise: str) -> None:
    """Raise AssertionError with what is wrong unless it is kept; unlike assert, under ``python -O`` as well."""
    if not kept:
        raise AssertionError(otherwise)


def refused(ask: Callable[[], object], error: type[CoterieError], when: str) -> None:
    """Expect an error of that type, with a hint."""
    try:
        ask()
    except error as refusal:
        expect(bool(refusal.hint), f"{when}: its refusal must have a hint: {refusal.message}")
    else:
        expect(False, f"{when} raises no {error.__name__}")
