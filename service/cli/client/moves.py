"""`lavori cancel`, `rerun`, `suspend`, `resume` and `delete`: moving jobs."""

from typing import Annotated

import typer

from service.cli.client.command import Asked, command
from service.cli.client.jobs import each
from service.cli.client.options import Force, Quiet, Ref, Refs, Timeout, To, Watch
from service.cli.client.output import show_many, show_row
from service.cli.client.shapes import JOB


def add(app: typer.Typer) -> None:
    """Add the commands."""
    for run in (cancel, rerun, suspend, resume, delete):
        command(app)(run)


def cancel(asked: Asked, jobs: Refs) -> None:
    """Cancel jobs; those that run are asked to stop."""
    _move(asked, jobs, "/cancel")


def suspend(asked: Asked, jobs: Refs) -> None:
    """Hold back jobs that wait."""
    _move(asked, jobs, "/suspend")


def resume(asked: Asked, jobs: Refs) -> None:
    """Let jobs go on that were held back."""
    _move(asked, jobs, "/resume")


def delete(asked: Asked, jobs: Refs) -> None:
    """Delete jobs with their files; one that runs must be cancelled first."""
    with each(asked, jobs, "DELETE", ""):
        pass


def _move(asked: Asked, refs: list[str], move: str) -> None:
    with each(asked, refs, "POST", move) as moved:
        if len(refs) == 1:
            show_row(moved[0], JOB, asked.output)
        else:
            show_many(moved, JOB, asked.output)


def rerun(
    asked: Asked,
    job: Ref,
    *,
    as_new: Annotated[bool, typer.Option("--as-new", help="Make a new job of the same request.")] = False,
    watch: Watch = False,
    timeout: Timeout = None,
    to: To = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Run an ended job again."""
    from service.cli.client.follow import deliver, follow  # noqa: PLC0415, commands load what they need
    from service.cli.client.refs import job_path  # noqa: PLC0415

    again = asked.api.json("POST", f"{job_path(asked.api, job)}/rerun", sent={"as_new": as_new})
    if not watch:
        show_row(again, JOB, asked.output)
        return
    ended = follow(asked, again["id"], timeout=timeout, quiet=quiet)
    deliver(asked, ended, to=to, force=force, quiet=quiet)
