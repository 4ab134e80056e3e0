"""`lavori submit`: a job, and the file that it works on."""

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.client.args import args_of, object_of, pairs
from service.cli.client.command import Asked, command
from service.cli.client.ending import Code, Ended
from service.cli.client.options import (
    Arg,
    Args,
    Force,
    Key,
    Label,
    Quiet,
    Timeout,
    To,
    TypeCode,
    Watch,
)
from service.cli.client.output import show_row
from service.cli.client.shapes import JOB, at

PANEL = "The job"


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(submit)


def submit(
    asked: Asked,
    type_: TypeCode,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="What it works on; - for stdin.")] = None,
    *,
    arg: Arg = None,
    args: Args = None,
    label: Label = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other member of a creation; NAME:=JSON too."),
    ] = None,
    description: Annotated[str | None, typer.Option("--description", help="For people.")] = None,
    priority: Annotated[str | None, typer.Option("--priority", help="low … critical.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only workers with this tag take it.")] = None,
    run_at: Annotated[str | None, typer.Option("--run-at", metavar="TIME", help="Not before this.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The name of the file, if another.")] = None,
    mime_type: Annotated[str | None, typer.Option("--mime-type", help="Its media type.")] = None,
    idempotency_key: Key = None,
    watch: Watch = False,
    timeout: Timeout = None,
    to: To = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Submit a job."""
    body: dict[str, Any] = {"type": type_, "args": all_args(arg, args, lambda: _params(asked, type_))}
    body |= args_of(set_ or (), None)
    more = {"description": description, "priority": priority, "worker_tag": tag, "run_at": run_at}
    body |= {member: value for member, value in more.items() if value is not None}
    if label:
        body["labels"] = pairs(label, "--label")
    key = idempotency_key or str(uuid.uuid4())
    asked.when_interrupted = (
        f"Interrupted before it was known whether the job is made. With --idempotency-key {key} the same "
        "command makes it, or finds it."
    )
    job = _posted(asked, body, key, file, name, mime_type, quiet=quiet)
    asked.when_interrupted = ""
    if watch:
        await_end(asked, job, timeout=timeout, to=to, force=force, quiet=quiet)
    else:
        show_row(job, JOB, asked.output)


def _posted(
    asked: Asked,
    body: dict[str, Any],
    key: str,
    file: str | None,
    name: str | None,
    mime_type: str | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """The job that was made."""
    headers = {"Idempotency-Key": key}
    if file is None:
        made: dict[str, Any] = asked.api.json(
            "POST", "/api/jobs", sent=body, headers=headers, repeatable=True
        )
        return made
    from service.cli.client.form import FormOfFile  # noqa: PLC0415, commands load what they need
    from service.cli.client.progress import bytes_shown  # noqa: PLC0415

    form = FormOfFile(json.dumps(body).encode(), file, name, mime_type)
    with bytes_shown(file, form.size, quiet=quiet) as on_bytes:
        posted: dict[str, Any] = asked.api.json(
            "POST",
            "/api/jobs",
            body=lambda: form.open(on_bytes),
            headers={**headers, **form.headers},
            repeatable=form.is_repeatable,
        )
    return posted


def await_end(asked: Asked, job: dict[str, Any], **how: Any) -> None:
    """Watch a job that was made, and deliver what comes of it."""
    from service.cli.client.follow import deliver, follow  # noqa: PLC0415

    timeout = how.pop("timeout")
    deliver(asked, follow(asked, job["id"], timeout=timeout, quiet=how["quiet"]), **how)


def all_args(arg: list[str] | None, args: str | None, schema: Callable[[], Any]) -> dict[str, Any]:
    """What `--args` and `--arg` say together; `schema` is asked for only where a word must be read by it."""
    given = {} if args is None else object_of(_text_of(args), "--args")
    if not arg:
        return given
    words = [word for word in arg if not word.partition("=")[0].endswith(":")]
    return {**given, **args_of(arg, schema() if words else None)}


def _params(asked: Asked, type_: str) -> Any:
    """The schema of a type's params; nothing if there is no such type: the creation will tell that better."""
    try:
        return at(asked.api.json("GET", f"/api/job-types/{type_}"), "params")
    except Ended as ended:
        if ended.code is Code.NOT_FOUND:
            return None
        raise


def _text_of(word: str) -> str:
    """The word itself, or what is in the file that it names."""
    if not word.startswith("@"):
        return word
    if word == "@-":
        return sys.stdin.read()
    try:
        return Path(word[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"{word[1:]} cannot be read.", Code.ERROR) from error
