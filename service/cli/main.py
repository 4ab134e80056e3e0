"""The list of commands."""

import typer

app = typer.Typer(
    name="lavori",
    help="A microservice that runs jobs and keeps every promise about them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    _version: bool = typer.Option(False, "--version", help="Show the version and exit."),  # noqa: FBT001, FBT003
) -> None:
    """`--version` alone never comes here: see service/__main__.py."""


@app.command()
def dev() -> None:
    """Run the whole system on this machine: PostgreSQL, Valkey, workers and API, until Ctrl-C."""
    from service.cli.dev import run  # noqa: PLC0415, commands load what they need

    run()


@app.command()
def serve() -> None:
    """Run one API process."""
    from service.cli.serve import run  # noqa: PLC0415

    run()


@app.command()
def worker() -> None:
    """Run one worker process."""
    from service.cli.worker import run  # noqa: PLC0415

    run()


@app.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL to this version's schema."""
    from service.cli.migrate import run  # noqa: PLC0415

    run()


@app.command()
def check_config() -> None:
    """Check the settings in the environment, and say all that is wrong."""
    from service.cli.check_config import run  # noqa: PLC0415

    run()
