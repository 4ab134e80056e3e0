"""The job type echo, for trying things out."""

from typing import Any

from marshmallow import INCLUDE, Schema

from service.jobs.jobtype import job_type
from workers.context import JobContext


class Params(Schema):
    """Anything."""

    class Meta:
        """Every field is welcome."""

        unknown = INCLUDE


@job_type("echo", params=Params, name="Echo", category="Trying out", example={"hello": "world"})
async def echo(job: JobContext) -> dict[str, Any]:
    """Give back the args as the output."""
    return job.args
