"""`python -m mlconnector` and the console script."""

from __future__ import annotations

from mlconnector.cli import program


def main() -> None:
    """Runs the command line and exits."""
    program.main()


if __name__ == "__main__":
    main()
