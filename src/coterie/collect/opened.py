"""A file's bytes and text: unpacked, and decoded as its byte order mark or the mapping says."""

from __future__ import annotations

import codecs
import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from coterie.collect.spool import room
from coterie.errors import MappingError, UnreadableSourceError

HEAD = 1 << 16  # bytes at the start that tell what a file is
_PACKED = {b"\x1f\x8b": "gzip", b"(\xb5/\xfd": "zstd"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Opened:
    """A file of which it is known how to get at its content.

    Parameters
    ----------
    path
        Where it lies.
    packing
        ``gzip`` or ``zstd``; None when it is not compressed.
    mark
        How many bytes of a byte order mark the content begins with.
    encoding
        Of text: as the mark says, else as the mapping does.
    head
        The first bytes after the mark.
    """

    path: Path
    packing: str | None
    mark: int
    encoding: str
    head: bytes

    @classmethod
    def of(cls, path: Path, encoding: str) -> Opened:
        """Look at the first bytes of a file.

        Raises
        ------
        UnreadableSourceError
            When it cannot be opened, or has no content.
        MappingError
            When there is no such encoding.
        """
        try:
            found = codecs.lookup(encoding).name
        except LookupError as error:
            raise MappingError(
                f"There is no encoding {encoding!r}.", hint="for example utf-8, latin-1, cp1252, utf-16."
            ) from error
        with _told(path):
            if path.is_dir():
                raise UnreadableSourceError.of(path, "it is a folder", hint=f'name its files: "{path.name}/*".')
            with path.open("rb") as file:
                magic = file.read(4)
        packing = next((name for start, name in _PACKED.items() if magic.startswith(start)), None)
        with _bytes(path, packing) as content:
            head = content.read(HEAD)
        if not head:
            raise UnreadableSourceError.of(
                path, "the file is empty", hint="it lacks even a header; copy it again, or leave it out."
            )
        mark, named = next(((bom, name) for bom, name in _MARKS if head.startswith(bom)), (b"", found))
        return cls(path, packing, len(mark), named, head[len(mark) :])

    @property
    def start(self) -> str:
        """The first characters of its text, without leading space."""
        return self.head.decode(self.encoding, "replace").lstrip()

    @contextmanager
    def bytes(self) -> Iterator[BinaryIO]:
        """Give the unpacked content, from after the byte order mark, for as long as the context lasts."""
        with _bytes(self.path, self.packing) as content:
            content.read(self.mark)
            yield content

    def unpacked(self, folder: Path) -> Path:
        """Return where its unpacked content lies: the file itself, or a temporary one in the folder."""
        if self.packing is None:
            return self.path
        target = folder / "unpacked"
        with self.bytes() as content, room(), target.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        return target

    @contextmanager
    def text(self) -> Iterator[TextIO]:
        """Give the content as text, its line ends as they are.

        Raises
        ------
        UnreadableSourceError
            When the text is not in the encoding, with the first byte that is not.
        """
        try:
            with self.bytes() as content:
                yield io.TextIOWrapper(content, encoding=self.encoding, newline="")
        except UnicodeDecodeError as error:
            raise self._undecodable() from error

    def _undecodable(self) -> UnreadableSourceError:
        """Find the first byte that is not in the encoding; decoding in blocks only says where in the block."""
        encoding = self.encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        start, line = self.mark, 1
        with self.bytes() as file:
            while block := file.read(1 << 20):
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    place = start - pending + error.start
                    line += block[: max(error.start - pending, 0)].count(b"\n")
                    byte = error.object[error.start]
                    other = "latin-1" if encoding == "utf-8" else "utf-8"
                    return UnreadableSourceError.of(
                        self.path,
                        f"byte {place:,} in line {line:,} (0x{byte:02x}) is not {encoding}",
                        hint=f'say in the mapping how it is written, for example encoding = "{other}".',
                    )
                start += len(block)
                line += block.count(b"\n")
        return UnreadableSourceError.of(self.path, f"it ends in the middle of a character of {encoding}")


@contextmanager
def _bytes(path: Path, packing: str | None) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        with _told(path):
            # Arrow unpacks as fast as Python's gzip, tells where data is cut off, and knows zstd.
            file = pa.input_stream(str(path), compression=packing) if packing else path.open("rb", buffering=0)
        stack.enter_context(file)
        yield cast(BinaryIO, io.BufferedReader(_Content(file, path, packing), 1 << 20))


class _Content(io.RawIOBase):
    """The unpacked bytes of a file as Python reads them, and what is wrong with them in the words of coterie."""

    def __init__(self, file: Any, path: Path, packing: str | None) -> None:
        self._file = file
        self._how = (path, packing)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _told(*self._how):
            return int(self._file.readinto(buffer))


@contextmanager
def _told(path: Path, packing: str | None = None) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if packing is not None:
            raise UnreadableSourceError.of(
                path, f"its {packing} data is damaged or cut off", hint="copy it again."
            ) from error
        why = error.strerror if isinstance(error, OSError) else None
        raise UnreadableSourceError.of(path, why or "it cannot be read") from error
