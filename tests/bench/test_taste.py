"""Taste was chosen on windows that end before the reported one begins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import complete_journey
import taste


def test_no_window_reaches_into_the_reported_one():
    reported = complete_journey.MOMENTS[complete_journey.REPORTED]
    assert all((reported - moment).days >= complete_journey.HORIZON for moment in taste.MOMENTS)


def test_the_mix_of_those_who_buy_is_told_by_their_groups():
    bought = {"person": [person for person in range(40) for _ in "ab"], "item": ["a", "b"] * 40}
    ahead = taste.Future(pa.table({**bought, "amount": [9, 1, 1, 9] * 20}))
    assert ahead.shares[:2].tolist() == [[0.9, 0.1], [0.1, 0.9]]
    assert ahead.r2(np.arange(50), np.arange(50) % 2) == pytest.approx(1)
    assert ahead.r2(np.arange(50), np.arange(50) // 2 % 2) < 0.05
    assert ahead.of(np.arange(3, 50), np.zeros(47, dtype=int))[:4].tolist() == [-1, -1, -1, 0]
