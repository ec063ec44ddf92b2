"""The vault: direct identifiers and the random subject keys that stand for them everywhere else.

An identifier is found by a keyed hash of its kind and value (HMAC-SHA-256) and kept sealed (AES-256-GCM, bound to its
kind and subject). Both keys are derived from the shop's key (HKDF), so a vault without that key tells nobody who the
customers are, and is not even of use to test a guess.

Of an identifier that was erased the keyed hash alone stays, in ``suppressed``: it is needed to keep the person out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from coterie.errors import IntegrityError, KeyMismatchError
from coterie.schema import TIME, utc_now
from coterie.store.database import Database
from coterie.store.keys import VARIABLE
from coterie.store.seals import Seals, binding, message_of, messages_of
from coterie.store.subject_keys import Keys, drawing, unused

REVEALED = pa.schema([("subject", pa.int64()), ("kind", pa.string()), ("value", pa.string())])
SUPPRESSED = pa.schema([("digest", pa.binary()), ("at", TIME)])

_BATCH = 250_000  # identifiers that are Python objects at one time
_FREE_FORM = b"sealed"  # what is bound to values of ``seal``
_NOBODY = 0  # drawn for no subject

_TABLES = {"identifiers", "lookup", "suppressed", "made_with"}


class SqliteVault:
    """A vault in one SQLite file.

    Parameters
    ----------
    path
        The file; made when it is not there.
    key
        The shop's 32 bytes (``keys.key_of``).
    generator
        Draws the subject keys, for repeatable demos and tests; by default the system's source of secrets does.

    Raises
    ------
    KeyMismatchError
        The vault was made with another key.
    """

    def __init__(
        self, path: str | os.PathLike[str], key: bytes, *, generator: np.random.Generator | None = None
    ) -> None:
        self._seals = Seals(key)
        self._draw = drawing(generator)
        self._database = Database(path)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def subjects(self, identifiers: pa.Table) -> pa.Array:
        """Return the subject key of each identifier, making new random ones where there is none yet.

        ``identifiers`` has the columns ``kind`` and ``value`` (already normalised, no nulls); the answer is int64 of
        the same length, null where the identifier is suppressed. Repeating the call gives the same keys. The new ones
        are kept together or not at all.
        """
        places, distinct = messages_of(identifiers)
        found = np.empty(len(distinct), np.int64)
        if len(distinct):
            with self._database.transaction():
                for start in range(0, len(distinct), _BATCH):
                    messages = distinct.slice(start, _BATCH).to_pylist()
                    found[start : start + _BATCH] = self._get_or_create(messages)
        return pa.array(found, mask=found == _NOBODY).take(places)

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""
        sql = "SELECT subject FROM lookup WHERE digest = ?"
        found = self._database.rows(sql, [self._seals.digest(message_of(kind, value))])
        return int(found[0][0]) if found else None

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects, in the order of the keys."""
        wanted = {int(subject) for subject in subjects}
        with self._database.reading():
            self._list("subject", wanted)
            rows = self._database.rows("SELECT subject, kind, sealed FROM listed JOIN identifiers USING (subject)")
        return _revealed(
            (s, kind, self._seals.open(sealed, binding(kind.encode(), s)).decode()) for s, kind, sealed in rows
        )

    def kinds(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind`` of the given subjects that are kept, in the order of the keys; reveals no value."""
        with self._database.reading():
            self._list("subject", {int(subject) for subject in subjects})
            rows = self._database.rows("SELECT subject, kind FROM listed JOIN identifiers USING (subject)")
        return _told(rows)

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""
        return self._seals.close_all(values, [_FREE_FORM] * len(values))

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""
        return [self._seals.open(value, _FREE_FORM) for value in values]

    def erase(self, subjects: Iterable[int], *, now: datetime | None = None) -> int:
        """Forget the identifiers of subjects, down to the bytes, and suppress them. Returns how many were erased."""
        wanted = [(int(subject),) for subject in subjects]
        if not wanted:
            return 0
        with self._database.transaction():
            named = "SELECT digest FROM identifiers WHERE subject = ?"
            moment = self._step(now)
            marks = [(moment, subject) for (subject,) in wanted]
            sql = "INSERT OR IGNORE INTO suppressed SELECT digest, ? FROM identifiers WHERE subject = ?"
            self._database.execute_many(sql, marks)
            self._database.execute_many(f"DELETE FROM lookup WHERE digest = ({named})", wanted)
            count = self._database.execute_many("DELETE FROM identifiers WHERE subject = ?", wanted)
            if count > 0:
                self._database.forget()
        return max(count, 0)

    def strangers(self, subjects: Iterable[int]) -> list[int]:
        """Return those of the subject keys that stand for no identifier that is kept, once each, ascending."""
        with self._database.reading():
            self._list("subject", {int(subject) for subject in subjects})
            sql = "SELECT subject FROM listed WHERE subject NOT IN (SELECT subject FROM identifiers) ORDER BY subject"
            return [subject for (subject,) in self._database.rows(sql)]

    def suppressed(self, identifiers: pa.Table) -> pa.Array:
        """Return for each identifier whether its person asked to be forgotten, as booleans; makes nothing."""
        places, distinct = messages_of(identifiers)
        found = np.zeros(len(distinct), bool)
        if self._suppressing():
            with self._database.reading():
                for start in range(0, len(distinct), _BATCH):
                    digests = list(map(self._seals.digest, distinct.slice(start, _BATCH).to_pylist()))
                    self._list("digest", digests)
                    kept_out = self._kept_out()
                    found[start : start + _BATCH] = [digest in kept_out for digest in digests]
        return pa.array(found).take(places)

    def suppressions(self) -> pa.Table:
        """Return ``digest, at``: the keyed hash of every suppressed identifier, and since when (naive UTC)."""
        rows = self._database.rows("SELECT digest, at FROM suppressed ORDER BY digest")
        return _suppressions(rows)

    def suppress(self, digests: Iterable[bytes], *, now: datetime | None = None) -> list[int]:
        """Suppress identifiers by their keyed hashes, and return the subjects that are still kept under these."""
        with self._database.transaction():
            moment = self._step(now)
            marks = [(bytes(digest), moment) for digest in digests]
            self._database.execute_many("INSERT OR IGNORE INTO suppressed VALUES (?, ?)", marks)
            self._list("digest", {digest for digest, _ in marks})
            rows = self._database.rows("SELECT subject FROM listed JOIN lookup USING (digest) ORDER BY subject")
        return [subject for (subject,) in rows]

    def together(self, kind: str, value: str) -> list[bytes]:
        """Return the keyed hashes that were suppressed in the same step as an identifier; none when it is not."""
        same = "SELECT at FROM suppressed WHERE digest = ?"
        sql = f"SELECT digest FROM suppressed WHERE at = ({same}) ORDER BY digest"
        return [digest for (digest,) in self._database.rows(sql, [self._seals.digest(message_of(kind, value))])]

    def readmit(self, kind: str, value: str) -> int:
        """Take an identifier off the suppressed ones, with all of the same step; the bytes go. Returns how many."""
        with self._database.transaction():
            digests = [(digest,) for digest in self.together(kind, value)]
            if digests:
                self._database.execute_many("DELETE FROM suppressed WHERE digest = ?", digests)
                self._database.forget()
        return len(digests)

    def count(self) -> int:
        """Return how many identifiers are kept."""
        return int(self._database.rows("SELECT count(*) FROM identifiers")[0][0])

    def content_hash(self) -> str:
        """Return one SHA-256 of which subject stands for which identifier, and of what is suppressed."""
        told = hashlib.sha256()
        for sql in (
            "SELECT subject, digest FROM identifiers ORDER BY subject",
            "SELECT at, digest FROM suppressed ORDER BY digest",
        ):
            for rows in self._database.batches(sql, (), _BATCH):
                told.update(_told_of(rows))
            told.update(b"\n")
        return told.hexdigest()

    def close(self) -> None:
        """Release the vault."""
        self._database.close()

    def _prepare(self) -> None:
        there = {name for (name,) in self._database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if there >= _TABLES and (made := self._database.rows("SELECT value FROM made_with")):
            self._check(*made[0])  # a reader of a vault that is complete waits for no writer
            return
        with self._database.transaction():
            # Two tables and no index: each is written in its own order, which is several times as fast as at random.
            for table in (
                "identifiers (subject INTEGER PRIMARY KEY, digest BLOB, kind TEXT, sealed BLOB)",
                "lookup (digest BLOB PRIMARY KEY, subject INTEGER) WITHOUT ROWID",
                "suppressed (digest BLOB PRIMARY KEY, at INTEGER) WITHOUT ROWID",
                "made_with (value BLOB)",
            ):
                self._database.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            if not self._database.rows("SELECT value FROM made_with"):
                self._database.execute("INSERT INTO made_with VALUES (?)", [self._seals.check])
            ((check,),) = self._database.rows("SELECT value FROM made_with")
        self._check(check)

    def _check(self, check: bytes) -> None:
        if not hmac.compare_digest(check, self._seals.check):
            raise KeyMismatchError(
                f"The vault {self._database.path} was made with another key.",
                hint=f"set {VARIABLE} to the key of this shop, or copy its key file from where the shop was made.",
            )

    def _get_or_create(self, messages: list[bytes]) -> Keys:
        """Return the keys of distinct identifiers, nobody's where suppressed; the transaction is open."""
        digests = list(map(self._seals.digest, messages))
        keys = np.full(len(digests), _NOBODY, np.int64)
        kept_out = set()
        if self._suppressing() or self._database.rows("SELECT 1 FROM lookup LIMIT 1"):
            self._list("digest", digests)
            known = dict(self._database.rows("SELECT digest, subject FROM listed JOIN lookup USING (digest)"))
            keys = np.fromiter((known.get(digest, _NOBODY) for digest in digests), np.int64, len(digests))
            kept_out = self._kept_out()
        out = np.fromiter((digest in kept_out for digest in digests), bool, len(digests))
        keys[out] = _NOBODY
        fresh = np.flatnonzero((keys == _NOBODY) & ~out)
        if len(fresh):
            made = [messages[place] for place in fresh]
            marks = [digests[place] for place in fresh]
            drawn = unused(len(fresh), self._draw, lambda _: ())
            try:
                with self._database.transaction():
                    self._insert(drawn, made, marks)
            except IntegrityError:  # a key was drawn before: certain with one seed twice, else once in a great while
                drawn = unused(len(fresh), self._draw, self._taken)
                self._insert(drawn, made, marks)
            keys[fresh] = drawn
        return keys

    def _insert(self, keys: Keys, messages: list[bytes], digests: list[bytes]) -> None:
        subjects = keys.tolist()
        halves = [message.partition(b"\0") for message in messages]
        sealed = self._seals.close_all(
            [value for _, _, value in halves],
            [binding(kind, subject) for (kind, _, _), subject in zip(halves, subjects, strict=True)],
        )
        by_subject = np.argsort(keys).tolist()
        rows = ((subjects[i], digests[i], halves[i][0].decode(), sealed[i]) for i in by_subject)
        self._database.execute_many("INSERT INTO identifiers VALUES (?, ?, ?, ?)", rows)
        by_digest = sorted(range(len(digests)), key=digests.__getitem__)
        self._database.execute_many("INSERT INTO lookup VALUES (?, ?)", ((digests[i], subjects[i]) for i in by_digest))

    def _step(self, now: datetime | None) -> int:
        """Return a moment that no identifier was suppressed at, in microseconds since 1970."""
        ((last,),) = self._database.rows("SELECT max(at) FROM suppressed")
        return _moment(now, last)

    def _suppressing(self) -> bool:
        """Say whether anything is suppressed at all."""
        return bool(self._database.rows("SELECT 1 FROM suppressed LIMIT 1"))

    def _kept_out(self) -> set[bytes]:
        """Return the digests in ``listed`` that are suppressed."""
        return {digest for (digest,) in self._database.rows("SELECT digest FROM listed JOIN suppressed USING (digest)")}

    def _taken(self, drawn: Keys) -> Iterable[int]:
        self._list("subject", drawn.tolist())
        rows = self._database.rows("SELECT subject FROM listed JOIN identifiers USING (subject)")
        return [subject for (subject,) in rows]

    def _list(self, column: str, values: Iterable[int] | Iterable[bytes]) -> None:
        """Fill the table ``listed``, which lies in memory and is this connection's alone, in the order of a look-up."""
        self._database.execute("DROP TABLE IF EXISTS temp.listed")
        self._database.execute(f"CREATE TEMP TABLE listed ({column} {'INTEGER' if column == 'subject' else 'BLOB'})")
        self._database.execute_many("INSERT INTO listed VALUES (?)", [(value,) for value in sorted(values)])


class MemoryVault:
    """A vault in memory, for tests and small work; parameters as for ``SqliteVault``."""

    def __init__(self, key: bytes, *, generator: np.random.Generator | None = None) -> None:
        self._seals = Seals(key)
        self._draw = drawing(generator)
        self._subjects: dict[bytes, int] = {}
        self._identifiers: dict[int, bytes] = {}
        self._suppressed: dict[bytes, int] = {}

    def subjects(self, identifiers: pa.Table) -> pa.Array:
        """Return the subject key of each identifier, making new random ones; null where it is suppressed."""
        places, distinct = messages_of(identifiers)
        messages = distinct.to_pylist()
        out = {message for message in messages if self._seals.digest(message) in self._suppressed}
        fresh = [message for message in messages if message not in self._subjects and message not in out]
        keys = unused(len(fresh), self._draw, lambda drawn: self._identifiers.keys() & drawn.tolist())
        self._subjects.update(zip(fresh, keys.tolist(), strict=True))
        self._identifiers.update(zip(keys.tolist(), fresh, strict=True))
        found = [None if message in out else self._subjects[message] for message in messages]
        return pa.array(found, pa.int64()).take(places)

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""
        return self._subjects.get(message_of(kind, value))

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects, in the order of the keys."""
        known = sorted({int(subject) for subject in subjects} & self._identifiers.keys())
        halves = [(subject, self._identifiers[subject].decode().partition("\0")) for subject in known]
        return _revealed((subject, kind, value) for subject, (kind, _, value) in halves)

    def kinds(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind`` of the given subjects that are kept, in the order of the keys; reveals no value."""
        known = sorted({int(subject) for subject in subjects} & self._identifiers.keys())
        return _told([(subject, self._identifiers[subject].partition(b"\0")[0].decode()) for subject in known])

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""
        return self._seals.close_all(values, [_FREE_FORM] * len(values))

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""
        return [self._seals.open(value, _FREE_FORM) for value in values]

    def erase(self, subjects: Iterable[int], *, now: datetime | None = None) -> int:
        """Forget the identifiers of subjects, and suppress them. Returns how many identifiers were erased."""
        gone = {int(subject) for subject in subjects} & self._identifiers.keys()
        moment = _moment(now, max(self._suppressed.values(), default=None))
        for subject in gone:
            message = self._identifiers.pop(subject)
            del self._subjects[message]
            self._suppressed.setdefault(self._seals.digest(message), moment)
        return len(gone)

    def strangers(self, subjects: Iterable[int]) -> list[int]:
        """Return those of the subject keys that stand for no identifier that is kept, once each, ascending."""
        return sorted({int(subject) for subject in subjects} - self._identifiers.keys())

    def suppressed(self, identifiers: pa.Table) -> pa.Array:
        """Return for each identifier whether its person asked to be forgotten, as booleans; makes nothing."""
        places, distinct = messages_of(identifiers)
        found = [self._seals.digest(message) in self._suppressed for message in distinct.to_pylist()]
        return pa.array(found, pa.bool_()).take(places)

    def suppressions(self) -> pa.Table:
        """Return ``digest, at``: the keyed hash of every suppressed identifier, and since when (naive UTC)."""
        return _suppressions(sorted(self._suppressed.items()))

    def suppress(self, digests: Iterable[bytes], *, now: datetime | None = None) -> list[int]:
        """Suppress identifiers by their keyed hashes, and return the subjects that are still kept under these."""
        moment = _moment(now, max(self._suppressed.values(), default=None))
        marks = {bytes(digest): moment for digest in digests}
        self._suppressed = marks | self._suppressed
        return sorted(subject for message, subject in self._subjects.items() if self._seals.digest(message) in marks)

    def together(self, kind: str, value: str) -> list[bytes]:
        """Return the keyed hashes that were suppressed in the same step as an identifier; none when it is not."""
        step = self._suppressed.get(self._seals.digest(message_of(kind, value)))
        return sorted(digest for digest, at in self._suppressed.items() if at == step)

    def readmit(self, kind: str, value: str) -> int:
        """Take an identifier off the suppressed ones, with all of the same step; returns how many."""
        same = self.together(kind, value)
        for digest in same:
            del self._suppressed[digest]
        return len(same)

    def count(self) -> int:
        """Return how many identifiers are kept."""
        return len(self._identifiers)

    def content_hash(self) -> str:
        """Return one SHA-256 of which subject stands for which identifier, and of what is suppressed."""
        told = hashlib.sha256(_told_of([(s, self._seals.digest(m)) for s, m in sorted(self._identifiers.items())]))
        told.update(b"\n" + _told_of([(at, digest) for digest, at in sorted(self._suppressed.items())]) + b"\n")
        return told.hexdigest()

    def close(self) -> None:
        """Release the vault."""


def _told_of(rows: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(number.to_bytes(8, "big", signed=True) + digest for number, digest in rows)


def _told(rows: Sequence[tuple[int, str]]) -> pa.Table:
    subjects, kinds = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({"subject": pa.array(subjects, pa.int64()), "kind": pa.array(kinds, pa.string())})


def _revealed(rows: Iterable[tuple[int, str, str]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([list(column) for column in columns] or [[], [], []], schema=REVEALED)


def _moment(now: datetime | None, last: int | None) -> int:
    """Return a moment, by default the present, after the last one, as microseconds since 1970."""
    moment = int(pa.scalar(now or utc_now(), TIME).value)
    return moment if last is None else max(moment, last + 1)


def _suppressions(rows: Sequence[tuple[bytes, int]]) -> pa.Table:
    moments = pa.array([at for _, at in rows], pa.int64()).cast(TIME)
    return pa.table([pa.array([digest for digest, _ in rows], pa.binary()), moments], schema=SUPPRESSED)
