"""The command `lavori`, and `python -m service`."""

import os
import sys

from service.version import VERSION


def main() -> None:
    """Run the command of sys.argv; the version is told without loading anything."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"lavori {VERSION}\n")
        return
    from service.cli.main import app  # noqa: PLC0415, see above

    if "_LAVORI_COMPLETE" in os.environ:  # a shell asks, by what `lavori completion` gave it
        from typer._completion_classes import completion_init  # noqa: PLC0415 - typer's own way to it

        completion_init()
    app()


if __name__ == "__main__":
    main()
