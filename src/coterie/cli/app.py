"""The application: every command, the demo, and how it ends. Each command is one verb of the workspace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from coterie.cli import (
    answering,
    checking,
    collecting,
    defining,
    following,
    identities,
    keeping,
    mappings,
    people,
    predicting,
    recording,
    segmenting,
)
from coterie.cli.frame import AsJson, app
from coterie.cli.screen import Screen
from coterie.errors import CoterieError, UsageError

COMMANDS = (
    *(collecting, recording, mappings, checking, identities),
    *(defining, segmenting, following, predicting, answering, people, keeping),
)
"""The modules that register commands, in the order in which data flows."""


def _version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from coterie import __version__

        sys.stdout.write(f"coterie {__version__}\n")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Customer segments that hold up: a real shop in, segments, evidence and reports out."""


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's shop and report go.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Run coterie's main job on a year of a real retailer (dunnhumby's Complete Journey)."""
    from coterie.cli.demo import walk

    walk(folder, Screen(as_json=as_json))


def _place(name: str) -> int:
    """Return where the help lists a command: as its module stands in ``COMMANDS``, the demo last."""
    return next((place for place, module in enumerate(COMMANDS) if hasattr(module, name.replace("-", "_"))), 99)


app.registered_commands.sort(key=lambda command: _place(str(command.name or getattr(command.callback, "__name__", ""))))


def run() -> None:
    """Run the command line and leave with its exit code."""
    screen = Screen(as_json="--json" in sys.argv[1:])
    code: object = 0
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == 130:  # an interrupt, of which Typer keeps only the exit code
            raise KeyboardInterrupt
    except CoterieError as error:
        screen.error(error)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        screen.say("Interrupted; what was done so far is kept.")
        code = 130
    except TyperException as error:
        screen.error(UsageError(error.format_message(), hint="coterie COMMAND --help shows what is allowed."))
        code = 2
    except BrokenPipeError:
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
