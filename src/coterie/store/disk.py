"""What a disk refuses, and what a person can do about it."""

from __future__ import annotations

import errno
import re

RESTORE = "restore the shop from a backup: coterie restore."

_FULL = re.compile(
    r"no space left|disk is full|disk i/o error|file too large|quota exceeded|not enough space|os error (27|28|122)\b",
    re.I,
)
_CLOSED = re.compile(
    r"permission denied|read-only|readonly|not permitted|unable to open database|os error (1|13|30)\b", re.I
)
_FULL_NUMBERS = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_CLOSED_NUMBERS = {errno.EACCES, errno.EPERM, errno.EROFS}


def remedy(error: BaseException | str) -> str | None:
    """Return what to do when the disk refused to write, as a hint; None where the disk is not to blame.

    >>> remedy("IO Error: No space left on device (os error 28)")
    'make space on the disk and repeat the command: what was stored before is whole.'
    """
    number = getattr(error, "errno", None)
    if number in _FULL_NUMBERS or _FULL.search(str(error)):
        return "make space on the disk and repeat the command: what was stored before is whole."
    if number in _CLOSED_NUMBERS or _CLOSED.search(str(error)):
        return "give this user the right to write in the shop's folder, and repeat the command."
    return None
