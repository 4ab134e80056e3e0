"""`lavori list`, `get`, `watch` and `messages`: reading jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from service.cli.client.args import pairs
from service.cli.client.command import Asked, command
from service.cli.client.ending import Code, Ended
from service.cli.client.options import All, Force, Label, Limit, Quiet, Ref, Refs, Timeout, To
from service.cli.client.output import Format, first, show_many, show_one
from service.cli.client.shapes import JOB, MESSAGE

LARGEST_PAGE = 1_000
FEW = 30

Statuses = Annotated[list[str] | None, typer.Option("--status", "-s", help="Jobs in this status.")]
Types = Annotated[list[str] | None, typer.Option("--type", "-t", help="Jobs of this type.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Any other filter of GET /api/jobs."),
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "list")(list_jobs)
    command(app)(get)
    command(app)(watch)
    command(app)(messages)


def list_jobs(
    asked: Asked,
    *,
    status: Statuses = None,
    type_: Types = None,
    label: Label = None,
    search: Annotated[
        str | None, typer.Option("--search", help="Words in description, args or output.")
    ] = None,
    where: Where = None,
    sort: Annotated[str | None, typer.Option("--sort", help="created_at, -terminated_at, …")] = None,
    limit: Limit = FEW,
    all_: All = False,
) -> None:
    """List jobs, the newest first."""
    query: dict[str, Any] = dict(pairs(where or (), "--where"))
    query |= {f"label.{name}": value for name, value in pairs(label or (), "--label").items()}
    more = {"status": ",".join(status or ()), "type": ",".join(type_ or ()), "q": search, "sort": sort}
    query |= {name: value for name, value in more.items() if value}
    most = None if all_ else limit
    jobs = asked.api.pages("/api/jobs", "jobs", {**query, "limit": min(most or LARGEST_PAGE, LARGEST_PAGE)})
    show_many(first(jobs, most), JOB, asked.output)


def get(asked: Asked, jobs: Refs) -> None:
    """Show jobs: one whole, several in lines."""
    with each(asked, jobs, "GET", "") as found:
        if len(jobs) == 1 and asked.output in (Format.TABLE, Format.JSON):
            for job in found:
                show_one(job, JOB, asked.output)
        else:
            show_many(found, JOB, asked.output)


@contextmanager
def each(asked: Asked, refs: list[str], method: str, move: str) -> Iterator[list[dict[str, Any]]]:
    """Ask the same of several jobs, and give those that it was granted of; the refusals end the command afterwards."""
    from service.cli.client.refs import job_path  # noqa: PLC0415, commands load what they need

    found, refused = [], []
    for ref in refs:
        try:
            found.append(asked.api.json(method, job_path(asked.api, ref) + move))
        except Ended as ended:
            refused.append(ended)
            if ended.code in (Code.UNAUTHENTICATED, Code.UNAVAILABLE):
                break
    if found or not refused:
        yield found
    if refused:
        raise Ended("\n".join(ended.sentence for ended in refused), refused[0].code)


def watch(
    asked: Asked,
    job: Ref,
    *,
    timeout: Timeout = None,
    to: To = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Watch a job until it ends, then write its output or save its files."""
    from service.cli.client.follow import deliver, follow  # noqa: PLC0415
    from service.cli.client.refs import job_id_of  # noqa: PLC0415

    ended = follow(asked, job_id_of(asked.api, job), timeout=timeout, quiet=quiet)
    deliver(asked, ended, to=to, force=force, quiet=quiet)


def messages(
    asked: Asked,
    job: Ref,
    *,
    after: Annotated[int, typer.Option("--after", metavar="SEQ", min=0, help="Those after this one.")] = 0,
    level: Annotated[list[str] | None, typer.Option("--level", help="debug, info, warning or error.")] = None,
) -> None:
    """Show what a job has said, oldest first."""
    from service.cli.client.refs import job_path  # noqa: PLC0415

    query: dict[str, Any] = {"after": after, "limit": LARGEST_PAGE}
    if level:
        query["level"] = ",".join(level)
    path = f"{job_path(asked.api, job)}/messages"
    show_many(asked.api.pages(path, "messages", query), MESSAGE, asked.output)
