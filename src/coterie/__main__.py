"""``python -m coterie`` and the ``coterie`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from coterie.cli import run

    run()


if __name__ == "__main__":
    main()
