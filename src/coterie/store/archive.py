"""The archive: models and exports, kept under the SHA-256 of their content, in a folder or in memory."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from coterie.errors import IntegrityError, ParameterError, StoreError
from coterie.store import disk

_DIGEST = re.compile(r"[0-9a-f]{64}")


class FolderArchive:
    """Files in a folder, spread over subfolders by the first two digits of their names.

    A file is written aside, put on the disk and then named, so a name never leads to half a file.

    Parameters
    ----------
    folder
        Made at the first write.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()

    def put(self, content: bytes) -> str:
        """Keep content and return its SHA-256 in hexadecimal; the same content is kept once."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._place(digest)
        try:
            if path.is_file() and path.read_bytes() == content:
                return digest
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            for folder in (path.parent, self.folder):
                _sync(folder)
        except OSError as error:
            hint = disk.remedy(error)
            raise StoreError(f"Cannot write to the archive in {self.folder}: {error}.", hint=hint) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return content, checked against its name first; raises IntegrityError when it is missing or was changed."""
        path = self._place(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise IntegrityError(f"The archive in {self.folder} does not hold {digest}.", hint=disk.RESTORE) from None
        except OSError as error:
            raise StoreError(f"Cannot read {path}: {error}.") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise IntegrityError(
                f"{path} was changed: its content does not have the SHA-256 that it is named by.", hint=disk.RESTORE
            )
        return content

    def path(self, digest: str) -> Path | None:
        """Return where the content lies as a file, whether it is there or not."""
        return self._place(digest)

    def names(self) -> list[str]:
        """Name everything that is kept."""
        return sorted(path.name for path in self.folder.glob("??/*") if _DIGEST.fullmatch(path.name))

    def delete(self, digest: str) -> None:
        """Remove content; removing what is not there does nothing."""
        path = self._place(digest)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot remove {path}: {error}.") from error

    def _place(self, digest: str) -> Path:
        _require_digest(digest)
        return self.folder / digest[:2] / digest


class MemoryArchive:
    """Content in memory, for tests and small work."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Keep content and return its SHA-256 in hexadecimal; the same content is kept once."""
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = bytes(content)
        return digest

    def get(self, digest: str) -> bytes:
        """Return content; raises IntegrityError when it is missing."""
        _require_digest(digest)
        if digest not in self._contents:
            raise IntegrityError(f"The archive in memory does not hold {digest}.")
        return self._contents[digest]

    def path(self, digest: str) -> Path | None:
        """Return None: there are no files."""
        _require_digest(digest)
        return None

    def names(self) -> list[str]:
        """Name everything that is kept."""
        return sorted(self._contents)

    def delete(self, digest: str) -> None:
        """Remove content; removing what is not there does nothing."""
        _require_digest(digest)
        self._contents.pop(digest, None)


def _require_digest(digest: str) -> None:
    """Refuse what is no digest: as a path it could lead anywhere."""
    if not _DIGEST.fullmatch(digest):
        raise ParameterError.of("archive", "digest", digest, "a SHA-256 in 64 lower-case hexadecimal digits")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
