"""A job type that is hard to please."""

from marshmallow import Schema, fields, validate

from service.jobs.jobtype import AttachmentRule, job_type
from workers.context import JobContext


class Column(Schema):
    """A part of the args."""

    name = fields.String(required=True, validate=validate.Length(1, 10))
    kind = fields.String(load_default="text", validate=validate.OneOf(["text", "number"]))


class Params(Schema):
    """Args of many shapes."""

    service_id = fields.UUID(required=True)
    count = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, 9))
    columns = fields.List(fields.Nested(Column), load_default=list)
    names = fields.Dict(keys=fields.String(validate=validate.Length(max=5)), values=fields.String())


@job_type("picky", params=Params, attachment=AttachmentRule(required=True), category="Odd", can_rerun=False)
async def picky(job: JobContext) -> str:
    """Do nothing."""
    return str(job.args["count"])
