"""The command `lavori`, and `python -m service`."""

import sys


def main() -> None:
    """Run the command of sys.argv; the version is told without loading anything."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415, only here is it worth its milliseconds

        sys.stdout.write(f"lavori {version('lavori')}\n")
        return
    from service.cli.main import app  # noqa: PLC0415, see above

    app()


if __name__ == "__main__":
    main()
