"""A proposed mapping: what each file probably is, with the evidence beside every line, as TOML for people to check."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """One line of a proposed mapping.

    Parameters
    ----------
    table
        ``""`` for the read itself, or ``fields``, ``identify``, ``traits``, ``properties``.
    key, value
        As written in TOML.
    why
        The evidence, in words, without values.
    """

    table: str
    key: str
    value: str
    why: str


@dataclass(frozen=True)
class ReadProposal:
    """What the rows of one file, or of several alike, probably are.

    Parameters
    ----------
    file
        Path or glob.
    target
        What a row becomes; None when nothing fits.
    why
        Why that target.
    lines
        The lines of the read.
    questions
        What the data cannot tell and somebody must decide.
    unused
        Columns that no line uses.
    """

    file: str
    target: str | None
    why: str
    lines: tuple[Line, ...]
    questions: tuple[str, ...]
    unused: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A proposed mapping.

    Parameters
    ----------
    source
        Proposed name of the source.
    reads
        What each file probably is.
    known
        File → the ready mapping that knows it by its columns; better than what is proposed here.
    """

    source: str
    reads: tuple[ReadProposal, ...]
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def questions(self) -> tuple[str, ...]:
        """What somebody must decide, over all files."""
        return tuple(f"{read.file}: {question}" for read in self.reads for question in read.questions)

    def toml(self) -> str:
        """Return the mapping as TOML, with its evidence in comments."""
        head = [
            "# A proposal, made by looking at names and values. Check every line, then say on which lawful basis the",
            "# data may be used: without one nothing is imported.",
            *(
                _comment(f"{file} looks like {name}: coterie ingest {name} knows it.")
                for file, name in self.known.items()
            ),
            "",
            f"source = {quoted_text(self.source)}",
            '# currency = "EUR"            # of amounts whose row names none; the shop\'s by default',
            '# timezone = "Europe/Berlin"  # of times without an offset; UTC by default',
            "",
            "# [lawful_basis]",
            '# segmentation = "legitimate interest: we group customers by what they bought, to send fitter offers"',
        ]
        return "\n".join([*head, *(line for read in self.reads for line in _block(read))]) + "\n"


def _block(read: ReadProposal) -> Iterable[str]:
    """Yield the TOML of one read."""
    yield ""
    if read.target is None:
        yield _comment(f"{read.file}: left out: {read.why}.")
        if read.unused:
            yield _comment(f"  its columns: {', '.join(read.unused)}")
        return
    yield _comment(f"{read.file}: {read.why}.")
    yield from (_comment(f"TO DECIDE: {question}") for question in read.questions)
    if read.unused:
        yield _comment(f"Not used: {', '.join(read.unused)}.")
    yield "[[read]]"
    yield f"file = {quoted_text(read.file)}"
    yield f"to = {quoted_text(read.target)}"
    for table in ("", "identify", "fields", "traits", "properties"):
        lines = [line for line in read.lines if line.table == table]
        if table and lines:
            yield f"\n[read.{table}]"
        yield from (f"{spelled(line.key)} = {line.value}  {_comment(line.why)}" for line in lines)


def _comment(words: str) -> str:
    r"""Return words as one comment: names of columns and files are others' words and must not end the line.

    >>> _comment("Not used: note\n[lawful_basis]")
    '# Not used: note\\n[lawful_basis]'
    """
    return "# " + "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)


def spelled(name: str) -> str:
    """Return a name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted_text(name)


def quoted_text(value: str) -> str:
    """Return a text as a value of TOML, which has no half characters."""
    whole = str(value).encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
