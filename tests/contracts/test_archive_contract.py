"""What every archive does, whatever keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from coterie.errors import IntegrityError, ParameterError
from coterie.store.archive import FolderArchive, MemoryArchive
from coterie.store.ports import Archive


@pytest.fixture(params=["folder", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return FolderArchive(tmp_path / "archive") if request.param == "folder" else MemoryArchive()


@pytest.mark.parametrize("content", [b"", b"model", bytes(range(256)) * 1000])
def test_content_comes_back_under_its_hash(archive: Archive, content: bytes) -> None:
    digest = archive.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert archive.get(digest) == content
    path = archive.path(digest)
    assert path is None or path.read_bytes() == content


def test_the_same_content_is_kept_once(archive: Archive) -> None:
    assert archive.names() == []
    first, again, other = archive.put(b"one"), archive.put(b"one"), archive.put(b"two")
    assert first == again
    assert archive.names() == sorted([first, other])


def test_what_is_removed_is_gone_and_may_be_removed_again(archive: Archive) -> None:
    digest = archive.put(b"one")
    archive.delete(digest)
    archive.delete(digest)
    assert archive.names() == []
    with pytest.raises(IntegrityError, match=digest):
        archive.get(digest)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_name_that_is_no_hash_is_refused(archive: Archive, name: str) -> None:
    for use in (archive.get, archive.path, archive.delete):
        with pytest.raises(ParameterError):
            use(name)
