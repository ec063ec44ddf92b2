"""`import coterie` is light: what is heavy is loaded where it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "cryptography",
    "deltalake",
    "duckdb",
    "jinja2",
    "lightgbm",
    "msgspec",
    "narwhals",
    "numpy",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "sqlglot",
    "typer",
}


def loaded(statement: str) -> set[str]:
    """The top-level modules that are loaded once a fresh interpreter has run the statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement", ["import coterie", "import coterie, coterie.errors, coterie.config, coterie.progress"]
)
def test_importing_coterie_loads_nothing_heavy(statement: str) -> None:
    assert loaded(statement) & HEAVY == set()


def test_listing_the_public_names_loads_nothing_heavy() -> None:
    assert loaded("import coterie; dir(coterie); coterie.__all__; coterie.__version__") & HEAVY == set()


def test_the_version_is_told_without_the_engines() -> None:
    statement = (
        "import sys; sys.argv = ['coterie', '--version']\n"
        "from coterie.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code"
    )
    assert loaded(statement) & {"deltalake", "duckdb", "pyarrow", "scipy", "sklearn", "pandas"} == set()
