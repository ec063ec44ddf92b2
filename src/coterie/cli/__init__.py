"""The command line: each command parses its arguments, calls one verb of the workspace and prints what came back.

Data goes to stdout, words and progress to stderr; ``--json`` gives every command's answer as one JSON value. Exit
codes: 0 done, 1 failed, 2 usage, 3 the data broke its contract, 4 refused by the gate, 5 a check found a problem, 130
interrupted.
"""

from coterie.cli.app import run
from coterie.cli.frame import app

__all__ = ["app", "run"]
