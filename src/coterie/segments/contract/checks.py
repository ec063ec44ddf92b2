"""The contract of segmenters as named checks, for ours and for those that others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.evaluation.contract import Check, checks_of, keyed
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


def checks(estimator: Segmentation, frame: Any = None, y: npt.ArrayLike | None = None) -> Iterator[Check[Trial]]:
    """Yield the checks one by one, for ``pytest.mark.parametrize("check", checks(...), ids=str)``.

    Parameters are those of ``check_segmenter``.
    """
    if frame is None:
        people, outcome = made_up_people()
    else:
        people, outcome = read(frame).to_arrow(), None
    given = outcome if y is None else np.asarray(y)
    yield from checks_of(LAWS, Trial(estimator, keyed(people), given))
