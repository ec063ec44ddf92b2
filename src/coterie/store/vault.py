"""The vault: direct identifiers and the random subject keys that stand for them everywhere else.

An identifier is found by a keyed hash of its kind and value (HMAC-SHA-256) and kept sealed (AES-256-GCM, bound to its
kind and subject). Both keys are derived from the shop's key (HKDF), so a vault without that key tells nobody who the
customers are, and is not even of use to test a guess.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from coterie.errors import IntegrityError, KeyMismatchError, MissingColumnError, ParameterError
from coterie.store.database import Database
from coterie.store.keys import LENGTH, VARIABLE

REVEALED = pa.schema([("subject", pa.int64()), ("kind", pa.string()), ("value", pa.string())])

_NONCE = 12
_TAG = 16
_BATCH = 250_000  # identifiers that are Python objects at one time
_FREE_FORM = b"sealed"  # what is bound to values of ``seal``

Keys = npt.NDArray[np.int64]


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
        self._seals = _Seals(key)
        self._draw = _drawing(generator)
        self._database = Database(path)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def subjects(self, identifiers: pa.Table) -> pa.Array:
        """Return the subject key of each identifier, making new random ones where there is none yet.

        ``identifiers`` has the columns ``kind`` and ``value`` (already normalised, no nulls); the answer is int64 of
        the same length. Repeating the call gives the same keys. The new ones are kept together or not at all.
        """
        places, distinct = _distinct(identifiers)
        found = np.empty(len(distinct), np.int64)
        if len(distinct):
            with self._database.transaction():
                for start in range(0, len(distinct), _BATCH):
                    messages = distinct.slice(start, _BATCH).to_pylist()
                    found[start : start + _BATCH] = self._get_or_create(messages)
        return pa.array(found).take(places)

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""
        sql = "SELECT subject FROM lookup WHERE digest = ?"
        found = self._database.rows(sql, [self._seals.digest(_message(kind, value))])
        return int(found[0][0]) if found else None

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects, in the order of the keys."""
        wanted = {int(subject) for subject in subjects}
        with self._database.transaction():
            self._list("subject", wanted)
            rows = self._database.rows("SELECT subject, kind, sealed FROM listed JOIN identifiers USING (subject)")
        return _revealed(
            (s, kind, self._seals.open(sealed, _binding(kind.encode(), s)).decode()) for s, kind, sealed in rows
        )

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""
        return self._seals.close_all(values, [_FREE_FORM] * len(values))

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""
        return [self._seals.open(value, _FREE_FORM) for value in values]

    def erase(self, subjects: Iterable[int]) -> int:
        """Forget the identifiers of subjects, down to the bytes. Returns how many identifiers were erased."""
        wanted = [(int(subject),) for subject in subjects]
        if not wanted:
            return 0
        with self._database.transaction():
            named = "SELECT digest FROM identifiers WHERE subject = ?"
            self._database.execute_many(f"DELETE FROM lookup WHERE digest = ({named})", wanted)
            count = self._database.execute_many("DELETE FROM identifiers WHERE subject = ?", wanted)
            if count > 0:
                self._database.forget()
        return max(count, 0)

    def count(self) -> int:
        """Return how many identifiers are kept."""
        return int(self._database.rows("SELECT count(*) FROM identifiers")[0][0])

    def close(self) -> None:
        """Release the vault."""
        self._database.close()

    def _prepare(self) -> None:
        with self._database.transaction():
            # Two tables and no index: each is written in its own order, which is several times as fast as at random.
            for table in (
                "identifiers (subject INTEGER PRIMARY KEY, digest BLOB, kind TEXT, sealed BLOB)",
                "lookup (digest BLOB PRIMARY KEY, subject INTEGER) WITHOUT ROWID",
                "made_with (value BLOB)",
            ):
                self._database.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            if not self._database.rows("SELECT value FROM made_with"):
                self._database.execute("INSERT INTO made_with VALUES (?)", [self._seals.check])
            ((check,),) = self._database.rows("SELECT value FROM made_with")
        if not hmac.compare_digest(check, self._seals.check):
            raise KeyMismatchError(
                f"The vault {self._database.path} was made with another key.",
                hint=f"set {VARIABLE} to the key of this shop, or copy its key file from where the shop was made.",
            )

    def _get_or_create(self, messages: list[bytes]) -> Keys:
        """Return the keys of distinct identifiers; the transaction that makes them is open."""
        digests = list(map(self._seals.digest, messages))
        keys = np.zeros(len(digests), np.int64)
        if self._database.rows("SELECT 1 FROM lookup LIMIT 1"):
            self._list("digest", digests)
            known = dict(self._database.rows("SELECT digest, subject FROM listed JOIN lookup USING (digest)"))
            keys = np.fromiter((known.get(digest, 0) for digest in digests), np.int64, len(digests))
        fresh = np.flatnonzero(keys == 0)
        if len(fresh):
            made = [messages[place] for place in fresh]
            marks = [digests[place] for place in fresh]
            drawn = _unused(len(fresh), self._draw, lambda _: ())
            try:
                with self._database.transaction():
                    self._insert(drawn, made, marks)
            except IntegrityError:  # a key was drawn before: certain with one seed twice, else once in a great while
                drawn = _unused(len(fresh), self._draw, self._taken)
                self._insert(drawn, made, marks)
            keys[fresh] = drawn
        return keys

    def _insert(self, keys: Keys, messages: list[bytes], digests: list[bytes]) -> None:
        subjects = keys.tolist()
        halves = [message.partition(b"\0") for message in messages]
        sealed = self._seals.close_all(
            [value for _, _, value in halves],
            [_binding(kind, subject) for (kind, _, _), subject in zip(halves, subjects, strict=True)],
        )
        by_subject = np.argsort(keys).tolist()
        rows = ((subjects[i], digests[i], halves[i][0].decode(), sealed[i]) for i in by_subject)
        self._database.execute_many("INSERT INTO identifiers VALUES (?, ?, ?, ?)", rows)
        by_digest = sorted(range(len(digests)), key=digests.__getitem__)
        self._database.execute_many("INSERT INTO lookup VALUES (?, ?)", ((digests[i], subjects[i]) for i in by_digest))

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
        self._seals = _Seals(key)
        self._draw = _drawing(generator)
        self._subjects: dict[bytes, int] = {}
        self._identifiers: dict[int, bytes] = {}

    def subjects(self, identifiers: pa.Table) -> pa.Array:
        """Return the subject key of each identifier, making new random ones where there is none yet."""
        places, distinct = _distinct(identifiers)
        messages = distinct.to_pylist()
        fresh = [message for message in messages if message not in self._subjects]
        keys = _unused(len(fresh), self._draw, lambda drawn: self._identifiers.keys() & drawn.tolist())
        self._subjects.update(zip(fresh, keys.tolist(), strict=True))
        self._identifiers.update(zip(keys.tolist(), fresh, strict=True))
        return pa.array([self._subjects[message] for message in messages], pa.int64()).take(places)

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""
        return self._subjects.get(_message(kind, value))

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects, in the order of the keys."""
        known = sorted({int(subject) for subject in subjects} & self._identifiers.keys())
        halves = [(subject, self._identifiers[subject].decode().partition("\0")) for subject in known]
        return _revealed((subject, kind, value) for subject, (kind, _, value) in halves)

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""
        return self._seals.close_all(values, [_FREE_FORM] * len(values))

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""
        return [self._seals.open(value, _FREE_FORM) for value in values]

    def erase(self, subjects: Iterable[int]) -> int:
        """Forget the identifiers of subjects. Returns how many identifiers were erased."""
        gone = {int(subject) for subject in subjects} & self._identifiers.keys()
        for subject in gone:
            del self._subjects[self._identifiers.pop(subject)]
        return len(gone)

    def count(self) -> int:
        """Return how many identifiers are kept."""
        return len(self._identifiers)

    def close(self) -> None:
        """Release the vault."""


class _Seals:
    """The keys derived from the shop's key, and what is done with them."""

    def __init__(self, key: bytes) -> None:
        if len(key) != LENGTH:
            raise ParameterError(f"vault: key must be {LENGTH} bytes, got {len(key)}.")
        self._look_up = _derived(key, b"coterie vault 1: look up")
        self._cipher = AESGCM(_derived(key, b"coterie vault 1: seal"))
        self.check = _derived(key, b"coterie vault 1: check")

    def digest(self, message: bytes) -> bytes:
        return hmac.digest(self._look_up, message, "sha256")

    def close_all(self, values: Sequence[bytes], bindings: Sequence[bytes]) -> list[bytes]:
        nonces = os.urandom(_NONCE * len(values))
        encrypt = self._cipher.encrypt
        return [
            (nonce := nonces[i * _NONCE : (i + 1) * _NONCE]) + encrypt(nonce, value, binding)
            for i, (value, binding) in enumerate(zip(values, bindings, strict=True))
        ]

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        try:
            if len(sealed) < _NONCE + _TAG:
                raise InvalidTag
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], binding)
        except InvalidTag:
            raise IntegrityError("A sealed value was changed, or sealed with another key.") from None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), LENGTH, purpose).derive(key)  # the key is uniform, so nothing needs extracting


def _message(kind: str, value: str) -> bytes:
    """Return what is hashed: kinds hold no NUL, so no two identifiers give the same bytes."""
    return f"{kind}\0{value}".encode()


def _binding(kind: bytes, subject: int) -> bytes:
    return kind + b"\0" + subject.to_bytes(8, "big")


def _distinct(identifiers: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Return for each identifier its place among the distinct ones, and these as the bytes to hash."""
    if missing := [name for name in ("kind", "value") if name not in identifiers.column_names]:
        raise MissingColumnError.of("The table of identifiers", missing, identifiers.column_names)
    kind, value = (identifiers[name].cast(pa.large_string()).combine_chunks() for name in ("kind", "value"))
    if kind.null_count or value.null_count:
        raise ParameterError("vault: identifiers must not be null; leave those rows out.")
    if pc.any(pc.match_substring(pc.unique(kind), "\0")).as_py():
        raise ParameterError("vault: the kind of an identifier must not hold a NUL character.")
    joined = pc.binary_join_element_wise(kind, value, pa.scalar("\0", pa.large_string()))
    encoded = joined.cast(pa.large_binary()).dictionary_encode()
    return encoded.indices, encoded.dictionary


def _drawing(generator: np.random.Generator | None) -> Callable[[int], Keys]:
    """Return what draws so many numbers from 1 to 2**63 - 1."""
    if generator is not None:
        return lambda count: generator.integers(1, 2**63, count, dtype=np.int64)

    def draw(count: int) -> Keys:
        drawn = (np.frombuffer(secrets.token_bytes(8 * count), np.uint64) >> np.uint64(1)).astype(np.int64)
        return drawn[drawn > 0]

    return draw


def _unused(count: int, draw: Callable[[int], Keys], taken: Callable[[Keys], Iterable[int]]) -> Keys:
    """Return so many distinct keys that nobody has; a draw that was had before is drawn again."""
    keys = np.empty(0, np.int64)
    while len(keys) < count:
        drawn = draw(count - len(keys))
        drawn = drawn[~np.isin(drawn, np.array(list(taken(drawn)), np.int64))]
        both = np.concatenate([keys, drawn])
        keys = both[np.sort(np.unique(both, return_index=True)[1])]
    return keys


def _revealed(rows: Iterable[tuple[int, str, str]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([list(column) for column in columns] or [[], [], []], schema=REVEALED)
