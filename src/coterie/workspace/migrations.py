"""Migrations: a shop of an older layout becomes one of today's, forwards only, when it is opened.

Every step can be repeated: a migration that was killed is begun again from the layout that ``shop.toml`` still states,
which is written last. Columns that a table lacks are added by themselves; a step says only what more is to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from coterie.config import LAYOUT, Config
from coterie.profiles.edges import EDGES
from coterie.store.ports import Lake, Ledger, Vault
from coterie.workspace.keeping import LAKE, LEDGER

_NOBODY = "unknown"  # the kind of an identifier that was erased


@dataclass(frozen=True)
class Stores:
    """The stores of a shop whose tables have today's columns already."""

    ledger: Ledger
    vault: Vault
    lake: Lake


def _kinds_of_edges(stores: Stores) -> None:
    """Say of each edge which kinds of identifiers it joins; the vault knows them."""
    edges = stores.ledger.read(EDGES)
    lacking = edges.filter(pc.or_(edges["kind_a"].is_null(), edges["kind_b"].is_null()))
    if not lacking.num_rows:
        return
    ends = [lacking[name].combine_chunks() for name in ("subject_a", "subject_b")]
    known = stores.vault.kinds(pc.unique(pa.concat_arrays(ends)).to_pylist())
    for name, subjects in zip(("kind_a", "kind_b"), ends, strict=True):
        kinds = known["kind"].take(pc.index_in(subjects, known["subject"].combine_chunks()))
        lacking = lacking.set_column(lacking.column_names.index(name), name, pc.fill_null(kinds, _NOBODY))
    stores.ledger.put(EDGES, lacking)


STEPS: Mapping[int, tuple[Callable[[Stores], None], ...]] = {1: (_kinds_of_edges,)}
"""What is done beside adding columns, by the layout that it leads away from."""


def migrate(folder: Path, config: Config, ledger: Ledger, vault: Vault, lake: Lake) -> Config:
    """Bring a shop to today's layout and return its settings.

    The caller may be any process that opens the shop; it holds the shop's one writer lease meanwhile.

    Raises
    ------
    ShopLockedError
        Another process is writing, or migrating.
    StoreError
        A table has columns that no layout gave it.
    """
    with ledger.lease("writer"):
        config = Config.load(folder)  # another process may have been first
        if config.layout == LAYOUT:
            return config
        ledger.extend(*LEDGER)
        lake.extend(*LAKE)
        stores = Stores(ledger, vault, lake)
        for layout in range(config.layout, LAYOUT):
            for step in STEPS.get(layout, ()):
                step(stores)
        config = replace(config, layout=LAYOUT)
        config.save(folder)
        return config
