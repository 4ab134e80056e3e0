"""The list of commands: those for users are in client/, those for operators load what they need when they run."""

import typer

from service.cli.client import downloads, jobs, moves, raw, submit

USERS = (submit, jobs, moves, downloads, raw)
OPERATORS = "For operators"

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
