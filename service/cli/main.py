"""The list of commands: those for users are in client/, those for operators load what they need when they run."""

from enum import StrEnum
from typing import Annotated

import typer

from service.cli.client import catalogue, downloads, jobs, keys, moves, raw, submit, workers

USERS = (submit, jobs, moves, downloads, catalogue, workers, keys, raw)
OPERATORS = "For operators"


class Shell(StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


app = typer.Typer(
    name="lavori",
    help="Jobs that keep their promises: submit, watch and manage them, and run the service that does them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for one in USERS:
    one.add(app)


@app.callback()
def options(
    _version: bool = typer.Option(False, "--version", help="Show the version and exit."),  # noqa: FBT001, FBT003
) -> None:
    """`--version` alone never comes here: see service/__main__.py."""


@app.command(rich_help_panel=OPERATORS)
def dev() -> None:
    """Run the whole system on this machine: PostgreSQL, Valkey, workers and API, until Ctrl-C."""
    from service.cli.dev import run  # noqa: PLC0415, commands load what they need

    run()


@app.command(rich_help_panel=OPERATORS)
def serve() -> None:
    """Run one API process."""
    from service.cli.serve import run  # noqa: PLC0415

    run()


@app.command(rich_help_panel=OPERATORS)
def worker() -> None:
    """Run one worker process."""
    from service.cli.worker import run  # noqa: PLC0415

    run()


@app.command(rich_help_panel=OPERATORS)
def migrate() -> None:
    """Bring the database of DATABASE_URL to this version's schema."""
    from service.cli.migrate import run  # noqa: PLC0415

    run()


@app.command(rich_help_panel=OPERATORS)
def check_config() -> None:
    """Check the settings in the environment, and say all that is wrong."""
    from service.cli.check_config import run  # noqa: PLC0415

    run()


@app.command(rich_help_panel=OPERATORS)
def doctor() -> None:
    """Look whether all is there that the service needs, and say what to do where it is not."""
    from service.cli.doctor import run  # noqa: PLC0415

    run()


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Write what lets a shell complete commands: source <(lavori completion bash)."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - the way typer itself goes

    print(get_completion_script(prog_name="lavori", complete_var="_LAVORI_COMPLETE", shell=shell.value))
