"""The type greet: an entry point of the package offers it."""

from marshmallow import Schema, fields, validate

from service.jobs.jobtype import job_type
from workers.context import JobContext


class Person(Schema):
    """Who is greeted."""

    name = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"title": "First name", "description": "As on the door.", "example": "Anna"},
    )
    mood = fields.String(load_default="good", validate=validate.OneOf(["good", "bad"]))


class Params(Schema):
    """What `args` holds."""

    people = fields.List(fields.Nested(Person), required=True, validate=validate.Length(1, 10))
    times = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, 3))


@job_type("greet", params=Params, name="Greet", category="Samples", example={"people": [{"name": "Anna"}]})
async def greet(job: JobContext) -> str:
    """Greet people."""
    names = [person["name"] for person in job.args["people"]]
    job.progress(50, "thinking of the right words")
    return " ".join(["Hello", *names] * job.args["times"])
