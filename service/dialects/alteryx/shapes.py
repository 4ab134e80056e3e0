"""What Alteryx's calls take and show, for the OpenAPI document."""

from marshmallow import Schema, fields, validate

from service.dialects.alteryx import wire
from service.web.described import Shown

_STATUS = validate.OneOf(list(dict.fromkeys(wire.WORDS.values())))
_PRIORITY = validate.OneOf(list(wire.PRIORITIES.values()))


class AlteryxOutputOut(Shown):
    """A file that the job has made."""

    id = fields.UUID()
    available_formats = fields.List(fields.String(), data_key="availableFormats")
    file_name = fields.String(data_key="fileName")


class AlteryxMessageOut(Shown):
    """A line of the job's log; `status` is 1 for info, 2 warning, 3 error, 4 an output file."""

    status = fields.Integer(validate=validate.OneOf([1, 2, 3, 4]))
    text = fields.String()
    tool_id = fields.Integer(data_key="toolId")


class AlteryxJobOut(Shown):
    """A job."""

    sometimes = frozenset({"messages"})

    id = fields.UUID()
    app_id = fields.String(data_key="appId")
    create_date_time = fields.AwareDateTime(data_key="createDateTime")
    status = fields.String(validate=_STATUS)
    disposition = fields.String(validate=validate.OneOf(["None", "Success", "Error"]))
    outputs = fields.List(fields.Nested(AlteryxOutputOut))
    messages = fields.List(fields.Nested(AlteryxMessageOut))
    priority = fields.String(validate=_PRIORITY)
    worker_tag = fields.String(data_key="workerTag")
    run_with_e2 = fields.Boolean(data_key="runWithE2")


class AlteryxListedOut(Shown):
    """A job in a list."""

    id = fields.UUID()
    create_date = fields.AwareDateTime(data_key="createDate")
    status = fields.String(validate=_STATUS)
    priority = fields.String(validate=_PRIORITY)
    worker_tag = fields.String(data_key="workerTag")
    run_with_e2 = fields.Boolean(data_key="runWithE2")


class AlteryxQuestion(Schema):
    """A value for one of the args."""

    name = fields.String(required=True)
    value = fields.Raw(allow_none=True)


class AlteryxRunIn(Schema):
    """How to run a workflow."""

    worker_tag = fields.String(data_key="workerTag", allow_none=True)
    credential_id = fields.String(data_key="credentialId", allow_none=True)
    questions = fields.List(fields.Nested(AlteryxQuestion), allow_none=True)
    priority = fields.String(validate=_PRIORITY, allow_none=True)
