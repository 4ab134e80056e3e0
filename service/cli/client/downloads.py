"""`lavori download`: the files of a job."""

from typing import Annotated, Any

import typer

from service.cli.client.command import Asked, command
from service.cli.client.ending import Code, Ended
from service.cli.client.options import Force, Quiet, Ref, To
from service.cli.client.output import Format, show_many
from service.cli.client.shapes import OUTPUT


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(download)


def download(
    asked: Asked,
    job: Ref,
    outputs: Annotated[
        list[str] | None, typer.Argument(metavar="OUTPUT", help="Names or ids of outputs; all by default.")
    ] = None,
    *,
    to: To = None,
    format_: Annotated[str | None, typer.Option("--format", help="Another of its available formats.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only list what there is.")] = False,
    attachment: Annotated[bool, typer.Option("--attachment", help="What it was made from instead.")] = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Download the output files of a job, or its attachment."""
    from service.cli.client import follow  # noqa: PLC0415, commands load what they need
    from service.cli.client.refs import job_path  # noqa: PLC0415

    path = job_path(asked.api, job)
    if attachment:
        _attachment(asked, path, to=to, force=force, quiet=quiet)
        return
    there: list[dict[str, Any]] = asked.api.json("GET", f"{path}/outputs")["outputs"]
    if list_ or asked.output is not Format.TABLE:
        show_many(_chosen(there, outputs), OUTPUT, asked.output)
    if list_:
        return
    chosen = _chosen(there, outputs)
    if not chosen:
        raise Ended("The job has no output files.", Code.NOT_FOUND)
    if to == "-" and len(chosen) > 1:
        raise Ended("Name one output to be written to stdout.", Code.USAGE)
    for output in chosen:
        follow.save(asked.api, path, output, to=to, wanted=format_, force=force, quiet=quiet)


def _chosen(there: list[dict[str, Any]], wanted: list[str] | None) -> list[dict[str, Any]]:
    """Those that were named. Raises Ended for a name that is none."""
    if not wanted:
        return there
    missing = [name for name in wanted if not any(name in (one["id"], one["name"]) for one in there)]
    if missing:
        raise Ended(f"The job has no output {missing[0]!r}.", Code.NOT_FOUND)
    return [one for one in there if one["id"] in wanted or one["name"] in wanted]


def _attachment(asked: Asked, path: str, *, to: str | None, force: bool, quiet: bool) -> None:
    from service.cli.client import follow  # noqa: PLC0415

    file = asked.api.json("GET", path)["attachment"]
    if file is None:
        raise Ended("The job has no attachment.", Code.NOT_FOUND)
    follow.save_file(asked.api, f"{path}/attachment", file, to=to, force=force, quiet=quiet)
