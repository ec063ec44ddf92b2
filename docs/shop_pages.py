"""Makes the reference pages on a shop's folder and its settings from the tables and settings themselves."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pyarrow as pa

import coterie
from coterie.config import Config
from coterie.schema import IdentifierKind, Table
from coterie.workspace.keeping import LAKE, LEDGER

EVENTS = Path(__file__).parent / "reference" / "events.md"
NOTE = "<!-- Written by docs/generate.py from the code: change it there, then run `make docs`. -->"

FOLDER = """# A shop's folder

{note}

A shop is a folder. `coterie backup` copies it while others read ([Back up a shop](../how-to/back-up-a-shop.md));
while no process has it open, any copy of the folder is one.

| path | what it is | answers for it |
|---|---|---|
| `shop.toml` | the [settings](configuration.md), text | {settings} |
| `features.toml` | the shop's [own features](../how-to/add-your-own-features.md), text, where it has some | {settings} |
| `ledger.sqlite` | small tables with transactions (SQLite) | {ledger} |
| `vault.sqlite` | the direct identifiers, sealed with AES-GCM, looked up by keyed hash (SQLite) | {vault} |
| `lake/<table>/` | a [Delta](https://delta.io/) table each: Parquet files, and `_delta_log/`, which says which of them count | {lake} |
| `archive/<ab>/<sha256>` | models, as JSON, named by the SHA-256 of their content | {archive} |
| `state/` | what is kept ready to answer `coterie profile`, in one file (LMDB); a cache: not in backups, made anew when it is missing or damaged | {state} |
| `scratch/` | rows on their way in and results too large for memory, while a process works; removed by the next one if it was killed | {scratch} |

While a process has the shop open, SQLite keeps `-wal` and `-shm` files beside its own. The key of the vault lies
elsewhere: see [Configuration](configuration.md). *Answers for it* is the holder that exports and erases what is there
([How coterie guards people](../explanation/privacy.md)).

Anything that reads Parquet or Delta can read the lake, past coterie and past its gate. Write to it only through
coterie. A table in more than fifty files is merged into few, sorted by subject and time, after the next writing
command, or by `coterie compact`.
"""  # noqa: E501

GROUP = {
    "lake": "## Tables of the lake\n\nFacts, and what was computed from them.\n",
    "ledger": "## Tables of the ledger\n\nWhat was declared, said, done and learnt.\n",
}

VAULT = """## The vault

Read only through `Vault`: of each identifier its kind, keyed hash (to look it up), sealed value and subject key; of
each one that was forgotten the keyed hash alone, so that later imports keep it out. {count} kinds of identifiers are
known, see [Events and facts](events.md#identifiers).
"""

CONFIGURATION = """# Configuration

{note}

## shop.toml

What a shop has decided once. `coterie init` or `coterie.open(…, create=True)` writes it.

| setting | type | default | meaning |
|---|---|---|---|
{settings}

`currency` and `timezone` are for good: facts have been computed with them. `minimum_group` may be changed by hand. An
unknown setting is an error.

```toml
name = "Webshop"
shop_id = "5f0c9a1b2d3e4f60"
currency = "EUR"
timezone = "Europe/Berlin"
minimum_group = 50
```

## Environment

| variable | what it does |
|---|---|
| `COTERIE_SHOP` | The shop's folder for every command, instead of `--shop`. |
| `COTERIE_KEY` | The key of the vault: 32 bytes in base64. Goes before the key file; a shop made with it writes no file. |
| `OMP_NUM_THREADS` | How many threads learners use for many people; all processors where it is not set. |
| `JAVA_HOME` | The folder of the Java that Spark runs on; without it, the `java` on the path. |
| `XDG_CONFIG_HOME` | Where key files lie: `$XDG_CONFIG_HOME/coterie/keys/<shop_id>.key`; `~/.config` by default. Only its owner may read such a file, or it is refused. |
| `TMPDIR` | Where a shop in memory puts what does not fit; a shop in a folder uses its own `scratch`. |

Nothing else is read from the environment, and there is no global configuration file.
"""  # noqa: E501


def cell(text: str) -> str:
    """Return text as one cell of a Markdown table."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def owners() -> dict[str, str]:
    """Return the room that declares each table, by the table's name."""
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(coterie.__path__, "coterie."):
        text = inspect.getsource(importlib.import_module(module.name)) if not module.ispkg else ""
        found |= dict.fromkeys(re.findall(r'= Table\(\s*(?:name=)?"(\w+)"', text), module.name.split(".")[1])
    return found


def tables(group: tuple[Table, ...]) -> list[str]:
    """Return tables as a Markdown table; the columns of those that have a page of their own stand there."""
    rooms = owners()
    explained = re.findall(r"^## (\w+)$", EVENTS.read_text("utf-8"), flags=re.M)
    lines = ["| table | from | about people, by | what it holds | columns |", "|---|---|---|---|---|"]
    for table in group:
        about = ", ".join(f"`{name}`" for name in table.properties.get("subjects", (table.subject,)) if name) or "–"
        columns = ", ".join(f"`{field.name}` {kind(field.type)}" for field in table.schema)
        if table.name in explained:
            columns = f"[explained here](events.md#{table.name})"
        lines.append(f"| `{table.name}` | `{rooms[table.name]}` | {about} | {cell(table.meaning)} | {columns} |")
    return [*lines, ""]


def kind(given: pa.DataType) -> str:
    """Return a type in a word."""
    if pa.types.is_timestamp(given):
        return "time"
    if pa.types.is_list(given):
        return f"list of {kind(given.value_type)}s"
    words = {"int64": "integer", "string": "text", "double": "number", "binary": "bytes", "bool": "truth value"}
    return words.get(str(given), str(given))


def folder_page() -> str:
    """Return the reference of the shop's folder."""
    with coterie.open(None) as shop:
        answering = {holder.name: holder.name for holder in shop.holders()}
        answering["ledger"] = "ledger; edges, for the tables of who is who; cursors, for the values of that table"
        answering["lake"] = "lake; mentions, for rows in quarantine that name somebody without being theirs"
        answering["archive"] += ": " + next(holder.why for holder in shop.holders() if holder.name == "archive")
    told = {name: cell(words) for name, words in answering.items()}
    lines = [FOLDER.format(note=NOTE, **told), GROUP["lake"], *tables(LAKE)]
    lines += [GROUP["ledger"], *tables(LEDGER)]
    lines.append(VAULT.format(count=len(IdentifierKind)))
    return "\n".join(lines).rstrip() + "\n"


def configuration_page() -> str:
    """Return the reference of the settings."""
    meanings = dict(re.findall(r"^(\w+)\n {4}(.+(?:\n {4}.+)*)", inspect.cleandoc(Config.__doc__ or ""), flags=re.M))
    rows = []
    for field in fields(Config):
        given = {"name": "the folder's name", "shop_id": "random"}.get(field.name, "")
        default = given if field.default is MISSING else f"`{field.default!r}`".replace("'", '"')
        typed = {"str": "text", "int": "integer"}[str(field.type)]
        rows.append(f"| `{field.name}` | {typed} | {default} | {cell(meanings[field.name])} |")
    return CONFIGURATION.format(note=NOTE, settings="\n".join(rows)).rstrip() + "\n"
