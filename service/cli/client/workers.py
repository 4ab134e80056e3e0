"""`lavori workers …`: who runs jobs, and which of them is to take no more."""

import time
from typing import Annotated

import typer

from service.cli.client.command import Asked, command
from service.cli.client.complete import worker_ids
from service.cli.client.ending import Code, Ended
from service.cli.client.options import Timeout
from service.cli.client.output import show_many
from service.cli.client.shapes import WORKER

WAIT_SECONDS = 0.5
Ids = Annotated[
    list[str],
    typer.Argument(metavar="WORKER", help="Ids of workers: see the list.", autocompletion=worker_ids),
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    workers = typer.Typer(no_args_is_help=True, help="Processes that run jobs, of all tenants.")
    for name, run in (("list", list_workers), ("drain", drain), ("resume", resume)):
        command(workers, name)(run)
    app.add_typer(workers, name="workers")


def list_workers(asked: Asked) -> None:
    """List the workers that are alive."""
    show_many(asked.api.pages("/api/workers", "workers"), WORKER, asked.output)


def drain(
    asked: Asked,
    workers: Ids,
    *,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until they run nothing.")] = False,
    timeout: Timeout = None,
) -> None:
    """Let workers finish what they run and take no more jobs, until they are resumed or end."""
    ordered = [_order(asked, worker, "drain") for worker in workers]
    if wait:
        ordered = _drained(asked, workers, timeout)
    show_many(ordered, WORKER, asked.output)


def resume(asked: Asked, workers: Ids) -> None:
    """Let workers take jobs again; one that is about to end does not."""
    show_many([_order(asked, worker, "resume") for worker in workers], WORKER, asked.output)


def _order(asked: Asked, worker: str, order: str) -> dict[str, object]:
    from service.cli.client.api import part  # noqa: PLC0415, loads HTTP

    told: dict[str, object] = asked.api.json("POST", f"/api/workers/{part(worker)}/{order}", repeatable=True)
    return told


def _drained(asked: Asked, ids: list[str], timeout: float | None) -> list[dict[str, object]]:
    """Wait for them; one that is gone meanwhile runs nothing either. Raises Ended at the timeout."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        shown = [one for one in asked.api.pages("/api/workers", "workers") if one["id"] in ids]
        busy = [one["id"] for one in shown if one["running"] or not one["draining"]]
        if not busy:
            return shown
        if deadline is not None and time.monotonic() >= deadline:
            raise Ended(f"Not drained yet: {', '.join(busy)}.", Code.STILL_RUNNING)
        time.sleep(WAIT_SECONDS)
