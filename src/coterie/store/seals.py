"""What is done with the key of a shop: identifiers are hashed, and values are sealed."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from coterie.errors import IntegrityError, MissingColumnError, ParameterError
from coterie.store.keys import LENGTH

_NONCE = 12
_TAG = 16


class Seals:
    """The keys derived from a shop's key, and what is done with them.

    Parameters
    ----------
    key
        The shop's 32 bytes; of another length, ParameterError.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != LENGTH:
            raise ParameterError(f"vault: key must be {LENGTH} bytes, got {len(key)}.")
        self._look_up = _derived(key, b"coterie vault 1: look up")
        self._cipher = AESGCM(_derived(key, b"coterie vault 1: seal"))
        self.check = _derived(key, b"coterie vault 1: check")

    def digest(self, message: bytes) -> bytes:
        """Return the keyed hash by which an identifier is found (HMAC-SHA-256)."""
        return hmac.digest(self._look_up, message, "sha256")

    def close_all(self, values: Sequence[bytes], bindings: Sequence[bytes]) -> list[bytes]:
        """Encrypt values, each bound to what it belongs to (AES-256-GCM, a random nonce in front)."""
        nonces = os.urandom(_NONCE * len(values))
        encrypt = self._cipher.encrypt
        return [
            (nonce := nonces[i * _NONCE : (i + 1) * _NONCE]) + encrypt(nonce, value, binding)
            for i, (value, binding) in enumerate(zip(values, bindings, strict=True))
        ]

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Decrypt a value; raises IntegrityError when it, its key or its binding is another one."""
        try:
            if len(sealed) < _NONCE + _TAG:
                raise InvalidTag
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], binding)
        except InvalidTag:
            raise IntegrityError("A sealed value was changed, or sealed with another key.") from None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), LENGTH, purpose).derive(key)  # the key is uniform, so nothing needs extracting


def message_of(kind: str, value: str) -> bytes:
    """Return what of an identifier is hashed: kinds hold no NUL, so no two identifiers give the same bytes."""
    return f"{kind}\0{value}".encode()


def binding(kind: bytes, subject: int) -> bytes:
    """Return what a sealed identifier is bound to: its kind and its subject."""
    return kind + b"\0" + subject.to_bytes(8, "big")


def messages_of(identifiers: pa.Table) -> tuple[pa.Array, pa.Array]:
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
