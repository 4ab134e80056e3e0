"""The routes of job types, for the OpenAPI document."""

from typing import Any

from marshmallow import fields, validate

from service.jobs import types
from service.jobs.states import Priority
from service.web.described import UNCHANGED, Operation, Shown, answer
from service.web.params import DIALECT

TAG = "Job types"


class AttachmentRuleOut(Shown):
    """What a type takes as its attachment."""

    required = fields.Boolean()
    mime_types = fields.List(fields.String())


class DefaultsOut(Shown):
    """What a job has that does not say otherwise."""

    priority = fields.String(validate=validate.OneOf(list(Priority)))
    timeout_seconds = fields.Integer(validate=validate.Range(1))
    max_attempts = fields.Integer(validate=validate.Range(1))


class JobTypeOut(Shown):
    """One job type that is installed."""

    code = fields.String(metadata={"json_schema": types.CODE_PATH})
    name = fields.String()
    description = fields.String()
    category = fields.String(allow_none=True)
    sub_category = fields.String(allow_none=True)
    params = fields.Dict()
    attachment = fields.Nested(AttachmentRuleOut, allow_none=True)
    available_formats = fields.List(fields.String())
    defaults = fields.Nested(DefaultsOut)
    can_rerun = fields.Boolean()
    example = fields.Dict()
    workers = fields.Integer(validate=validate.Range(0))


class JobTypesOut(Shown):
    """A page of job types, by code."""

    sometimes = frozenset({"next", "count"})

    job_types = fields.List(fields.Nested(JobTypeOut))
    next = fields.String()
    count = fields.Integer(validate=validate.Range(0))


JOB_TYPE: dict[str, Any] = {
    "code": "greet",
    "name": "Greet",
    "description": "Say hello to somebody.",
    "category": "Trying out",
    "sub_category": None,
    "params": {
        "$schema": DIALECT,
        "title": "Greet",
        "description": "Say hello to somebody.",
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 100, "title": "Name", "description": "Who is greeted."}
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    "attachment": None,
    "available_formats": [],
    "defaults": {"priority": "default", "timeout_seconds": 3600, "max_attempts": 1},
    "can_rerun": True,
    "example": {"name": "Anna"},
    "workers": 2,
}

OPERATIONS = {
    types.list_types: Operation(
        "list_job_types",
        "List job types",
        TAG,
        {200: answer(JobTypesOut, {"job_types": [JOB_TYPE], "count": 1}, "A page of job types.", "Link")},
        query=types.TypesIn,
        more="What is installed here: the types that ship, and those of other packages. Whoever logs in may read them.",
    ),
    types.read_type: Operation(
        "read_job_type",
        "Read a job type",
        TAG,
        {200: answer(JobTypeOut, JOB_TYPE, "The job type.", "ETag"), 304: UNCHANGED},
        takes=("If-None-Match",),
        path={"code": types.CODE_PATH},
        more="Its ETag changes with the number of workers too.",
    ),
}

WORDS = {
    "JobType.code": "What `type` of a job names.",
    "JobType.name": "What people read.",
    "JobType.description": "What it does.",
    "JobType.category": "The category of its jobs, unless they name another.",
    "JobType.sub_category": "Their sub-category.",
    "params": "What `args` of its jobs is: a JSON Schema 2020-12 that stands alone.",
    "JobType.attachment": "What it takes as an attachment; null where it needs none.",
    "AttachmentRule.required": "Whether a job without one is refused.",
    "mime_types": "The media types that it understands; empty where any will do.",
    "JobType.available_formats": "The formats in which its outputs can be had.",
    "defaults": "What its jobs have that do not say otherwise.",
    "Defaults.priority": "Their priority.",
    "Defaults.timeout_seconds": "How long a try may take.",
    "Defaults.max_attempts": "How many tries there are.",
    "JobType.can_rerun": "Whether its jobs can be run again, unless they say otherwise.",
    "example": "An example of `args`.",
    "JobType.workers": "How many workers that are alive take its jobs now.",
    "job_types": "By code.",
}
