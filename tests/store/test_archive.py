"""The folder of the archive: changed files, crashes, other files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.errors import IntegrityError, StoreError
from coterie.store.archive import FolderArchive


def test_changed_content_is_refused_and_mended_by_put(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    digest = archive.put(b"model")
    path = archive.path(digest)
    assert path is not None
    for changed in (b"modem", b"mode", b""):
        path.write_bytes(changed)
        with pytest.raises(IntegrityError, match="was changed"):
            archive.get(digest)
    archive.put(b"model")
    assert archive.get(digest) == b"model"


def test_what_is_no_content_is_not_named(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    digest = archive.put(b"model")
    (tmp_path / digest[:2] / ".new-abc").write_bytes(b"half")
    (tmp_path / "README").write_bytes(b"hello")
    assert archive.names() == [digest]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Cannot write to the archive"):
        FolderArchive(tmp_path / "file").put(b"model")


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_a_killed_writer_leaves_whole_files(tmp_path: Path, run: Callable, seconds: float) -> None:
    writer = run(
        """
    from coterie.store.archive import FolderArchive
    archive = FolderArchive("archive")
    for n in range(100_000):
        print(archive.put(n.to_bytes(4, "big") * 50_000), flush=True)
    """
    )
    first = writer.stdout.readline()
    time.sleep(seconds)
    writer.kill()
    promised = [line for line in (first + writer.communicate()[0]).splitlines() if len(line) == 64]
    archive = FolderArchive(tmp_path / "archive")
    assert set(promised) <= set(archive.names())
    for digest in archive.names():
        assert hashlib.sha256(archive.get(digest)).hexdigest() == digest
