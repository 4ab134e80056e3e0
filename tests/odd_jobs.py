"""Job types that behave in the ways that tests need."""

import asyncio
from typing import Any

from marshmallow import INCLUDE, Schema, fields

from service.jobs.jobtype import JobFailed, job_type
from workers.context import JobContext


class Anything(Schema):
    """Any args."""

    class Meta:
        unknown = INCLUDE


class Steps(Schema):
    """How many, and how long each."""

    steps = fields.Integer(load_default=3)
    seconds = fields.Float(load_default=0.0)


class Flaky(Schema):
    """How many attempts fail before one succeeds."""

    failures = fields.Integer(load_default=1)


@job_type("echo", params=Anything)
async def echo(job: JobContext) -> dict[str, Any]:
    """Give the args back."""
    return job.args


@job_type("steps", params=Steps)
async def steps(job: JobContext) -> str:
    """Report progress and a message a step."""
    total = job.args["steps"]
    for step in range(total):
        job.progress(100 * step / total, f"step {step} of {total}")
        job.message(f"step {step}")
        await asyncio.sleep(job.args["seconds"])
    return "done"


@job_type("stubborn", params=Steps)
async def stubborn(job: JobContext) -> str:
    """Heed no cancellation."""
    end = asyncio.get_running_loop().time() + job.args["seconds"]
    while (left := end - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            job.message("no")
    return "did it all the same"


@job_type("flaky", params=Flaky, retry_seconds=0.05, max_attempts=5)
async def flaky(job: JobContext) -> str:
    """Fail at first."""
    if job.attempt <= job.args["failures"]:
        raise JobFailed("not_yet", f"attempt {job.attempt} is not the one", retryable=True)
    return f"attempt {job.attempt}"


@job_type("large", params=Steps)
async def large(job: JobContext) -> str:
    """Give more than fits inline, and a file beside it."""
    async with job.create_output("extra.txt", "text/plain") as writer:
        await writer.write(b"extra")
    return "x" * 100_000
