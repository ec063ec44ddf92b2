"""The contract of segmenters as named checks, for ours and for those that others write."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.segments.contract import input_laws, laws
from coterie.segments.contract.trial import Trial, made_up_people
from coterie.segments.people import Segmentation, read

Law = Callable[[Trial], None]
LAWS: tuple[Law, ...] = tuple(
    law
    for module in (laws, input_laws)
    for name, law in vars(module).items()
    if name.startswith("check_") and law.__module__ == module.__name__
)
"""All checks, in the order in which they run."""
_KEYS_FROM = 7_310_000_000_019  # keys of persons that no figure of a model is equal to by chance


@dataclass(frozen=True)
class Check:
    """One check of one segmenter; call it to run it.

    Parameters
    ----------
    name
        Its name.
    expects
        What it expects of a segmenter, in a sentence.
    law
        What is run.
    trial
        What it is run on.
    """

    name: str
    expects: str
    law: Law
    trial: Trial

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        AssertionError
            The segmenter fails it; the message has the name of the check, what happened, and what was expected.
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


def check_segmenter(estimator: Segmentation, frame: Any = None, y: npt.ArrayLike | None = None) -> None:
    """Run every check of the contract of segmenters; the first that fails raises.

    Parameters
    ----------
    estimator
        The segmenter, not fitted; it is cloned, never changed.
    frame
        The people to try it on: at least 40, any dataframe, with the columns that it needs. None takes 240 made-up
        people with the columns ``recency_days, gap_mean_days, orders, spend, basket_value, discount_share`` and ``age``
        (text).
    y
        What ``fit`` takes beside the people, one a person; None takes a made-up future spend with the made-up people.

    Raises
    ------
    AssertionError
        A check fails; the message has its name and what was expected.

    Examples
    --------
    >>> from coterie.segments.clustering import KMeansSegments
    >>> check_segmenter(KMeansSegments(3))
    """
    for check in checks(estimator, frame, y):
        check()


def checks(estimator: Segmentation, frame: Any = None, y: npt.ArrayLike | None = None) -> Iterator[Check]:
    """Yield the checks one by one, for ``pytest.mark.parametrize("check", checks(...), ids=str)``.

    Parameters are those of ``check_segmenter``.
    """
    if frame is None:
        people, outcome = made_up_people()
    else:
        people, outcome = read(frame).to_arrow(), None
    given = outcome if y is None else np.asarray(y)
    keys = pa.array(_KEYS_FROM + 7919 * np.arange(len(people)), pa.int64())
    if "person" in people.column_names:
        people = people.drop(["person"])
    trial = Trial(estimator, people.append_column("person", keys), given)
    for law in LAWS:
        expects = " ".join((inspect.getdoc(law) or "").split())
        yield Check(law.__name__, expects, law, trial)
