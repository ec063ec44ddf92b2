"""The views that the features read, over small histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from coterie.store.warehouse import Warehouse
from oracles.features import History
from oracles.histories import attach


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(threads=1, memory_limit="1GB") as one:
        yield one


Shop = Callable[[History], Warehouse]


@pytest.fixture
def shop(warehouse: Warehouse) -> Shop:
    """A function that shows a history and returns the warehouse."""

    def show(history: History) -> Warehouse:
        attach(warehouse, history)
        return warehouse

    return show
