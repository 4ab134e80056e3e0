"""A job that does nothing but report three times; `drain` runs it."""

from marshmallow import INCLUDE, Schema

from service.jobs.jobtype import job_type
from workers.context import JobContext


class Params(Schema):
    """Any args."""

    class Meta:
        """Every field is welcome."""

        unknown = INCLUDE


@job_type("three_reports", params=Params)
async def three_reports(job: JobContext) -> None:
    """Report three times."""
    for percent in (25, 50, 75):
        job.progress(percent, f"at {percent}")
