"""Options and arguments that several commands have."""

from typing import Annotated

import typer

from service.cli.client.complete import definition_codes, job_types

Ref = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job, or its number.")]
Refs = Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of jobs, or their numbers.")]
TypeCode = Annotated[
    str, typer.Argument(metavar="TYPE", help="See `lavori types`.", autocompletion=job_types)
]
DefinitionCode = Annotated[
    str, typer.Argument(metavar="CODE", help="The code of a definition.", autocompletion=definition_codes)
]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", "-a", metavar="NAME=VALUE", help="An arg of the job; NAME:=JSON for any JSON."),
]
Args = Annotated[
    str | None,
    typer.Option("--args", metavar="JSON", help="All args as a JSON object; @FILE reads it, @- from stdin."),
]
Label = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="NAME=VALUE", help="A label; again for more.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Wait for its end, and show how it goes.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait for so long at most, then leave with 8."),
]
To = Annotated[str | None, typer.Option("--to", metavar="PATH", help="Where files are saved; - for stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
All = Annotated[bool, typer.Option("--all", help="All of them, however many.")]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="The same key again gives the same job again."),
]
