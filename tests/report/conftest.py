"""Reports of a real shop, whole and in parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.report.segments import SegmentReport
from coterie.segments.words.description import SegmentDescription
from oracles.full_journey import everything, whole
from oracles.journey import journey, segment


@pytest.fixture
def report() -> Callable[..., SegmentReport]:
    """Makes a report; keyword arguments change its parts."""
    return journey


@pytest.fixture
def full() -> Callable[..., SegmentReport]:
    """Makes a report with every section; keyword arguments change its parts."""
    return everything


@pytest.fixture
def complete() -> Callable[..., SegmentDescription]:
    """Makes one of the six segments with all that can be told of it; keyword arguments change its parts."""
    return whole


@pytest.fixture
def described() -> Callable[..., SegmentDescription]:
    """Makes one of the six segments; keyword arguments change its parts."""
    return segment
