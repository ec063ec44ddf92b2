"""A PNG file read back with nothing but zlib: 8 bits a channel, not interlaced, which is what renderers write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt


def pixels(file: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels: uint8 of shape (height, width, channels)."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height, channels = 8, b"", 0, 0, 0
    while at < len(file):
        length, kind = struct.unpack(">I4s", file[at : at + 8])
        body = file[at + 8 : at + 8 + length]
        assert struct.unpack(">I", file[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, interlaced) == (8, 0)
            channels = {0: 1, 2: 3, 4: 2, 6: 4}[colours]
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    found = np.zeros((height, width, channels), np.int64)
    above = np.zeros((width, channels), np.int64)
    for row in range(height):
        coded = rows[row, 1:].reshape(width, channels).astype(np.int64)
        above = found[row] = _unfiltered(int(rows[row, 0]), coded, above)
    return found.astype(np.uint8)


def _unfiltered(kind: int, coded: npt.NDArray[np.int64], above: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Undo one row's filter (PNG specification, section 9)."""
    if kind == 0:
        return coded
    if kind == 1:
        return np.cumsum(coded, axis=0) % 256
    if kind == 2:
        return (coded + above) % 256
    left, corner, plain = np.zeros(coded.shape[1], np.int64), np.zeros(coded.shape[1], np.int64), np.empty_like(coded)
    for x in range(len(coded)):
        up = above[x]
        if kind == 3:
            guess = (left + up) // 2
        else:
            off = [np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)]
            nearest = np.argmin(off, axis=0)  # ties go to left, then up, as the specification says
            guess = np.choose(nearest, [left, up, corner])
        left = plain[x] = (coded[x] + guess) % 256
        corner = up
    return plain
