"""The type shout: no entry point offers it, so it is there only where JOB_TYPES names this module."""

from marshmallow import Schema, fields

from service.jobs.jobtype import job_type
from workers.context import JobContext


class Params(Schema):
    """What `args` holds."""

    text = fields.String(required=True)


@job_type("shout", params=Params)
async def shout(job: JobContext) -> str:
    """Say it louder."""
    text: str = job.args["text"]
    return text.upper()
