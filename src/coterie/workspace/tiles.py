"""A shop's tiles: what is kept ready of every person, up to which data, and how it is brought up to date.

They are a cache of the lake. Their mark says which versions of the tables they hold, from which sources; while they are
being changed it says that, and whoever finds it like that makes them anew. What was appended to the lake since the mark
is taken in; whom an import that is taken back, or a changed product, touches is made anew from the facts; after
anything else everybody is. So a value is never wrong, at most it takes longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from coterie.collect.facts import EVENTS, ORDER_LINES, PRODUCTS
from coterie.collect.inbox import INBOX
from coterie.errors import ConfigError, IntegrityError, StoreError
from coterie.features.combination import Declared
from coterie.features.online import Plane
from coterie.progress import SILENT, Progress
from coterie.schema import KEY, TIME, Table
from coterie.store.ports import State
from coterie.store.state import LmdbState, MemoryState
from coterie.workspace.keeping import STATE, Keeping
from coterie.workspace.supply import FACTS, TABLES, Rows, Source, Supply

_KNOWN = b"\xfe"  # begins the keys that say since when subjects are known; those of tiles begin otherwise
_EPOCH = datetime(1970, 1, 1)
_FEW = 20_000  # subjects that are made anew one by one; of more, everything is
_AT_A_TIME = 500
_SOON = 5_000  # rows that are taken in at once by the verb that brought them


class Tiles:
    """What is kept ready of every person of a shop.

    Parameters
    ----------
    shop
        The shop.
    declared
        Returns the definitions that are kept; asked when they are needed, for the shop's own may hold a mistake.
    """

    name = STATE
    holds = (STATE,)

    def __init__(self, shop: Keeping, declared: Callable[[], Sequence[Declared]]) -> None:
        self.shop = shop
        self.supply = Supply(shop)
        self._declared = declared
        self._read: tuple[bytes | None, dict[str, Any]] = (None, {})  # a mark, and what it says
        self._lost: list[int] | None = None  # whom the imports touch that are being taken back
        self._equal: tuple[bytes | None, dict[str, int]] | None = None  # versions that tell nothing new beside a mark
        self._lacking: tuple[Any, dict[str, str]] | None = None  # of which data, and what they lack
        self._damaged = False

    @cached_property
    def features(self) -> tuple[Declared, ...]:
        """The definitions that are kept."""
        return tuple(self._declared())

    @cached_property
    def _kept(self) -> dict[str, Declared]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def state(self) -> State:
        """Where they lie."""
        return MemoryState() if self.shop.folder is None else LmdbState(self.shop.folder / STATE)

    @cached_property
    def plane(self) -> Plane:
        """What makes values of them."""
        config = self.shop.config
        return Plane(self.state, self.features, timezone=config.timezone, currency=config.currency)

    def keeps(self, features: Iterable[Declared]) -> bool:
        """Say whether all of these features are kept."""
        if self._mistaken():
            return False
        for feature in features:
            kept = self._kept.get(feature.name)
            if kept is not feature and (kept is None or kept.fingerprint != feature.fingerprint):
                return False
        return True

    def complete(self, sources: Sequence[str] | None = None) -> bool:
        """Say whether they hold all that the shop knows now.

        Parameters
        ----------
        sources
            The sources that may be used for personalisation, where they were asked for before.
        """
        return self._behind(sources) == {}

    def waiting(self, sources: Sequence[str] | None = None) -> int:
        """Return about how many facts have to be taken in until they hold all that the shop knows; 0 when they do.

        A changed product may change what is known of anybody who bought it: then all facts are meant.
        """
        behind = self._behind(sources)
        if behind is None or PRODUCTS in behind:
            return max(1, sum(self.shop.inbox.count(table) for table in FACTS))
        return max(1, sum(self._counts(behind).values())) if behind else 0

    def lacking(self, sources: Sequence[str]) -> dict[str, str]:
        """Return which of the features that are kept there are no facts for in these sources, as the lake is now."""
        asked = (self.supply.versions(), self.shop.ledger.read(INBOX).num_rows, tuple(sources))
        if self._lacking is None or self._lacking[0] != asked:
            self._lacking = asked, self.supply.lacking_now(self.features, sources)
        return self._lacking[1]

    def reading(self) -> bytes | None:
        """Return the mark: the same before and after reading where nothing was changed meanwhile; None while it is."""
        return None if self._said.get("changing", True) else self._mark()

    def values(self, subjects: Sequence[int], as_of: datetime) -> dict[str, int | float | str | None]:
        """Return the value of every feature of the person that subjects make (see :meth:`Plane.values`).

        Raises
        ------
        ParameterError
            When there are facts of the person from after the moment.
        StoreError
            When the tiles cannot be read; they are made anew at the next question.
        """
        try:
            return dict(self.plane.values(subjects, as_of))
        except StoreError:
            self._damaged = True
            raise

    def known(self, subjects: Sequence[int]) -> pa.Table:
        """Return ``subject, known_at``: from when on the shop knows of each, those of whom there is a fact."""
        found = zip(subjects, self.state.get([_key(subject) for subject in subjects]), strict=True)
        rows = [(subject, _EPOCH + timedelta(microseconds=int(at))) for subject, at in found if at is not None]
        columns = [pa.array([subject for subject, _ in rows], KEY), pa.array([at for _, at in rows], TIME)]
        return pa.table(columns, names=["subject", "known_at"])

    @property
    def missing(self) -> dict[str, str]:
        """Features that the shop has no facts for, with what would bring them."""
        found: dict[str, str] = self._said.get("missing", {})
        return found

    def catch_up(self, progress: Progress = SILENT) -> dict[str, int]:
        """Bring them up to date, and return how many rows were taken in, by table. The caller holds the lease."""
        behind = self._behind()
        if behind is None:
            return self._made_anew(progress)
        made, counts = self.plane.made, self._counts(behind)
        if behind and not self._take_in(behind, progress):
            return self._made_anew(progress)
        self.supply.show(self.supply.everything())
        missing = self.supply.lacking(self.features)
        if self.plane.made != made:  # somebody has removed them meanwhile: what was taken in is not all there is
            return self._made_anew(progress)
        self._settle(missing)
        return counts

    def follow(self, *, erased: bool = False) -> bool:
        """Bring them up to date where that takes little; say whether they are. The caller holds the lease.

        Parameters
        ----------
        erased
            They were complete, and since then nothing was done but to erase persons, here as well.
        """
        if not self._exists() or self._mistaken():
            return False
        lost, self._lost = self._lost, None
        made, whole = self.plane.made, "versions" in self._said  # else somebody has removed them meanwhile
        if lost is not None and whole:
            self._anew(lost)
        if erased or lost is not None:
            self.supply.show(self.supply.everything())
            missing = self.missing if erased else self.supply.lacking(self.features)
        elif behind := self._behind():
            if PRODUCTS in behind or sum(self._counts(behind).values()) > _SOON or not self._take_in(behind, SILENT):
                return False
            missing = self._still_missing(behind)
        else:
            return behind is not None
        if whole and self.plane.made == made:
            self._settle(missing)
            return True
        return False

    def losing(self, imports: Sequence[int]) -> None:
        """Note whom imports touch that are about to be taken back, unless these are many or not only persons."""
        if not self._exists() or self._mistaken() or not self.complete():
            return
        self.supply.show(self.supply.everything())
        found = self.supply.brought(imports, _FEW)
        if found is not None:
            self._change()
            self._lost = found

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return from when on the subjects are known; what they did is in the lake, from which tiles are made."""
        with suppress(IntegrityError):
            if self._exists():
                return {"tiles": self.known(sorted({int(subject) for subject in subjects}))}
        return {}

    def erase(self, subjects: Iterable[int]) -> int:
        """Erase what is kept of the subjects, down to the bytes; return of how many there was something."""
        wanted = sorted({int(subject) for subject in subjects})
        if not wanted or not self._exists():
            return 0
        try:
            count: int = self.known(wanted).num_rows
            self._change()
            self.supply.show(self.supply.everything())
            self.plane.erase(wanted, self.supply.words(wanted))
            self.state.put({_key(subject): None for subject in wanted})
            self.state.compact()
        except (StoreError, ConfigError):  # damaged, or made by other definitions than those of now
            self.state.clear()
            return 0
        return count

    def close(self) -> None:
        """Release the file."""
        if "state" in self.__dict__:
            self.state.close()

    def _exists(self) -> bool:
        """Say whether anything was ever kept."""
        return "state" in self.__dict__ if self.shop.folder is None else (self.shop.folder / STATE).is_dir()

    def _mistaken(self) -> bool:
        """Say whether the shop's own definitions cannot be read."""
        try:
            return not self.features
        except ConfigError:
            return True

    def _mark(self) -> bytes | None:
        with suppress(IntegrityError):
            if self._exists():
                return self.state.mark()
        return None

    @property
    def _said(self) -> dict[str, Any]:
        """What the mark says."""
        mark = self._mark()
        if mark != self._read[0]:
            with suppress(ValueError):
                self._read = (mark, json.loads(mark or b"{}"))
        return self._read[1] if mark == self._read[0] else {}

    def _behind(self, sources: Sequence[str] | None = None) -> dict[Table, Source] | None:
        """Return what was appended to each table since the mark; None where that does not tell what has changed."""
        mark, said = self._mark(), self._said
        if self._damaged or said.get("changing", True) or self.plane.stale:
            return None
        if said["sources"] != (self.supply.sources() if sources is None else sources):
            return None
        # First the inbox: what leaves it meanwhile makes a new version of the lake.
        waiting = bool(self.shop.ledger.read(INBOX).num_rows)
        versions = self.supply.versions()
        if not waiting and (versions == said["versions"] or (mark, versions) == self._equal):
            return {}
        found: dict[Table, Source] = {EVENTS: EVENTS.empty()} if waiting else {}
        for table in TABLES:
            if versions[table.name] == said["versions"][table.name]:
                continue
            added = self.shop.lake.appended(table, said["versions"][table.name])
            if added is None:
                return None
            if len(added):
                found[table] = added
        if not found:
            self._equal = (mark, versions)
        return found

    def _counts(self, behind: Mapping[Table, Source]) -> dict[str, int]:
        """Return how many rows were appended to each table."""
        self.supply.show(behind)
        return {table.name: self.supply.count(table) for table in behind}

    def _change(self) -> None:
        """Say that they are being changed: should this process die, they are made anew."""
        self.state.put({}, json.dumps({**self._said, "changing": True}).encode())

    def _settle(self, missing: Mapping[str, str], sources: Sequence[str] | None = None) -> None:
        """Say that they hold what the lake holds of these sources, or of those that they held before."""
        versions, sources = self.supply.versions(), self._said["sources"] if sources is None else sources
        said = {"versions": versions, "sources": sources, "missing": dict(missing), "changing": False}
        self.state.put({}, json.dumps(said).encode())
        self._damaged = False

    def _made_anew(self, progress: Progress) -> dict[str, int]:
        """Make them from all facts of the lake."""
        sources = self.supply.sources()  # a source may lose its basis while this goes on: then it is done again
        self.supply.show(self.supply.everything())
        counts = {table.name: self.supply.count(table) for table in FACTS}
        ordered = {table.name: self.supply.batches(table) for table in FACTS}
        self.plane.rebuild(ordered, products=self.supply.products(), progress=progress)
        made = self.plane.made
        self._know(FACTS)
        missing = self.supply.lacking(self.features)
        if self.plane.made != made:
            raise StoreError(f"{STATE}/ was removed while it was made.", hint="ask again.")
        self._settle(missing, sources)
        return counts

    def _take_in(self, behind: Mapping[Table, Source], progress: Progress) -> bool:
        """Take in what was appended; False where too many persons would have to be made anew one by one."""
        self._change()
        again: set[int] = set()
        if PRODUCTS in behind:
            self.supply.show(self.supply.everything())
            changed = self.plane.shelve(self.supply.versions_of(behind[PRODUCTS]))
            again = self.supply.touched(changed, _FEW)
        facts = {table: behind[table] for table in FACTS if table in behind}
        self.supply.show(facts)
        total, done = sum(self.supply.count(table) for table in facts), 0
        for table in facts:
            for rows in self.supply.batches(table, order="subject, order_id" if table is ORDER_LINES else "subject"):
                if len(again) > _FEW:
                    return False
                again |= {*self.plane.update(table.name, rows.to_pylist())}
                done += len(rows)
                progress.step("tiles", done, total)
        self._know(tuple(facts))
        self._anew(sorted(again))
        return True

    def _anew(self, subjects: Sequence[int]) -> None:
        """Make subjects anew from their facts."""
        if not subjects:
            return
        self.supply.show(self.supply.everything())
        for begin in range(0, len(subjects), _AT_A_TIME):
            some = subjects[begin : begin + _AT_A_TIME]
            theirs: dict[int, dict[str, Rows]] = {one: {table.name: [] for table in FACTS} for one in some}
            for table in FACTS:
                for rows in self.supply.batches(table, f"subject IN ({', '.join(map(str, some))})"):
                    for row in rows.to_pylist():
                        theirs[row["subject"]][table.name].append(row)
            known: dict[bytes, bytes | None] = {}
            for one, facts in theirs.items():
                self.plane.replay(one, facts)
                moments = [row["available_at"] for rows in facts.values() for row in rows]
                known[_key(one)] = b"%d" % ((min(moments) - _EPOCH) // timedelta(microseconds=1)) if moments else None
            self.state.put(known)

    def _know(self, tables: Sequence[Table]) -> None:
        """Keep from when on each subject of the rows that are shown is known."""
        for found in self.supply.known(tables):
            kept = self.state.get([_key(subject) for subject in found])
            earlier = zip(found.items(), kept, strict=True)
            self.state.put(
                {_key(one): b"%d" % (at if before is None else min(at, int(before))) for (one, at), before in earlier}
            )

    def _still_missing(self, behind: Mapping[Table, Source]) -> dict[str, str]:
        """Return which of the features that were missing are not brought by what was appended either."""
        missing = self.missing
        shown = {table: behind.get(table, table.empty()) for table in FACTS}
        self.supply.show({**shown, PRODUCTS: self.shop.lake.source(PRODUCTS)})
        still = self.supply.lacking([feature for feature in self.features if feature.name in missing])
        return {name: words for name, words in missing.items() if name in still}


def _key(subject: int) -> bytes:
    return _KNOWN + subject.to_bytes(8, "big", signed=True)
