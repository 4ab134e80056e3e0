"""The queries of Alteryx's calls. What Alteryx does not know is ignored, what it knows must be right: 400."""

from typing import Any

from aiohttp import web
from marshmallow import Schema, ValidationError, fields, post_load, validate
from multidict import MultiDict

from service.dialects.alteryx import wire
from service.jobs.schemas import Moment, words
from service.web.payload import load_query, parameters_of


class ReadIn(Schema):
    """The query of a job."""

    include_messages = fields.Boolean(
        load_default=True,
        data_key="includeMessages",
        truthy={"true", "True", "TRUE", ""},
        falsy={"false", "False", "FALSE"},
    )


class _Part(Schema):
    """Which part of a list, and in which order."""

    sort_field = fields.String(load_default="", data_key="sortField")
    direction = fields.String(
        load_default="",
        validate=validate.Regexp(r"([Aa][Ss][Cc]|[Dd][Ee][Ss][Cc])?\Z", error="must be asc or desc"),
    )
    offset = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1_000))

    @post_load
    def _order(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        """`sort` in the words of the native list; the newest first where nothing is said."""
        named, direction = data["sort_field"].lower(), data["direction"].lower()
        if named and named not in wire.SORTS:
            raise ValidationError(
                "must be one of id, createDate, createDateTime, status, priority", "sortField"
            )
        is_down = direction.startswith("desc") if direction or named else True
        data["sort"] = ("-" if is_down else "") + wire.SORTS.get(named, "created_at")
        return data


class WorkflowJobsIn(_Part):
    """The query of a workflow's jobs."""

    status = words()
    result_code = fields.List(fields.String(), load_default=None, data_key="resultCode")


class JobsIn(_Part):
    """The query of all jobs."""

    statuses = words()
    priorities = words()
    users = words()
    all_users = fields.Boolean(
        load_default=None,
        data_key="allUsers",
        truthy={"true", "True", "TRUE"},
        falsy={"false", "False", "FALSE"},
    )
    workflow_names = fields.List(fields.String(), load_default=None, data_key="workflowNames")
    completed_before = Moment(format="iso", load_default=None, data_key="completedBefore")
    completed_after = Moment(format="iso", load_default=None, data_key="completedAfter")


def asked_of(request: web.Request, schema: Schema) -> dict[str, Any]:
    """The parameters that Alteryx knows. Raises Malformed."""
    known = parameters_of(schema)
    return load_query(
        MultiDict((name, text) for name, text in request.query.items() if name in known), schema
    )
