"""`lavori types`, `definitions …` and `schedule preview`: what can be run, and when."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.client.args import object_of
from service.cli.client.command import Asked, command
from service.cli.client.ending import Code, Ended
from service.cli.client.options import All, Arg, Args, DefinitionCode, Limit, Watch
from service.cli.client.output import first, show_many, show_one, show_row
from service.cli.client.shapes import DEFINITION, FIRE, JOB, JOB_TYPE, PAST_FIRE
from service.cli.client.submit import all_args, await_end

LARGEST_PAGE = 1_000
Body = Annotated[str, typer.Argument(metavar="FILE", help="A JSON object; - for stdin.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app)(types)
    definitions = typer.Typer(no_args_is_help=True, help="Stored definitions of jobs, and their schedules.")
    for name, run in (
        ("list", list_definitions),
        ("get", get),
        ("create", create),
        ("update", update),
        ("delete", delete),
        ("run", run_now),
        ("pause", pause),
        ("resume", resume),
        ("fires", fires),
    ):
        command(definitions, name)(run)
    app.add_typer(definitions, name="definitions")
    schedule = typer.Typer(no_args_is_help=True, help="Cron expressions.")
    command(schedule)(preview)
    app.add_typer(schedule, name="schedule")


def types(
    asked: Asked,
    code: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One of them, whole.")] = None,
) -> None:
    """List job types, or show one with the JSON Schema of its params."""
    if code is None:
        show_many(asked.api.pages("/api/job-types", "job_types"), JOB_TYPE, asked.output)
    else:
        show_one(asked.api.json("GET", f"/api/job-types/{_part(code)}"), JOB_TYPE, asked.output)


def list_definitions(asked: Asked, *, limit: Limit = 30, all_: All = False) -> None:
    """List definitions, by code."""
    most = None if all_ else limit
    query = {"limit": min(most or LARGEST_PAGE, LARGEST_PAGE)}
    rows = asked.api.pages("/api/job-definitions", "job_definitions", query)
    show_many(first(rows, most), DEFINITION, asked.output)


def get(asked: Asked, code: DefinitionCode) -> None:
    """Show a definition."""
    show_one(asked.api.json("GET", _path(code)), DEFINITION, asked.output)


def create(asked: Asked, body: Body) -> None:
    """Make a definition of a JSON object: `code`, `type`, `args`, `schedule` and so on."""
    made = asked.api.json("POST", "/api/job-definitions", sent=_read(body))
    show_row(made, DEFINITION, asked.output)


def update(asked: Asked, code: DefinitionCode, body: Body) -> None:
    """Change a definition: JSON Merge Patch, so what is left out stays, and null puts back."""
    show_row(_patched(asked, code, _read(body)), DEFINITION, asked.output)


def delete(asked: Asked, code: DefinitionCode) -> None:
    """Delete a definition; its jobs stay."""
    asked.api.json("DELETE", _path(code))


def run_now(
    asked: Asked,
    code: DefinitionCode,
    *,
    arg: Arg = None,
    args: Args = None,
    watch: Watch = False,
) -> None:
    """Run a definition now; args go over its own."""
    given = all_args(arg, args, lambda: _schema(asked, code))
    made = asked.api.json("POST", f"{_path(code)}/execute", sent={"args": given})
    if not watch:
        show_row(made, JOB, asked.output)
        return
    await_end(asked, made, timeout=None, to=None, force=False, quiet=False)


def pause(asked: Asked, code: DefinitionCode) -> None:
    """Let the schedule of a definition rest."""
    show_row(_patched(asked, code, {"schedule": {"enabled": False}}), DEFINITION, asked.output)


def resume(asked: Asked, code: DefinitionCode) -> None:
    """Let the schedule of a definition go on."""
    show_row(_patched(asked, code, {"schedule": {"enabled": True}}), DEFINITION, asked.output)


def fires(asked: Asked, code: DefinitionCode, *, limit: Limit = 30) -> None:
    """Show what became of the latest times of a schedule."""
    rows = asked.api.pages(f"{_path(code)}/fires", "fires", {"limit": min(limit, LARGEST_PAGE)})
    show_many(first(rows, limit), PAST_FIRE, asked.output)


def preview(
    asked: Asked,
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Unix with 5 fields, or Quartz with 6 or 7.")],
    *,
    timezone: Annotated[str, typer.Option("--timezone", "-z", help="The clock that it is read by.")] = "UTC",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="How many times.")] = 5,
) -> None:
    """Show when a schedule would fire next, and why then."""
    told = asked.api.json(
        "POST", "/api/schedules/preview", sent={"cron": cron, "timezone": timezone, "count": count}
    )
    show_many(told["fires"], FIRE, asked.output)


def _schema(asked: Asked, code: str) -> Any:
    """The JSON Schema of the params of the definition's type."""
    kind = asked.api.json("GET", _path(code))["type"]
    return asked.api.json("GET", f"/api/job-types/{_part(kind)}")["params"]


def _patched(asked: Asked, code: str, patch: dict[str, Any]) -> Any:
    merge = {"Content-Type": "application/merge-patch+json"}
    return asked.api.json("PATCH", _path(code), sent=patch, headers=merge)


def _path(code: str) -> str:
    return f"/api/job-definitions/{_part(code)}"


def _part(text: str) -> str:
    from service.cli.client.api import part  # noqa: PLC0415, loads HTTP

    return part(text)


def _read(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"{name} cannot be read: {error}.", Code.USAGE) from error
    return object_of(text, name)
