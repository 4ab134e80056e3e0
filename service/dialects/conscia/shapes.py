"""What Conscia's calls take and show, for the OpenAPI document."""

from marshmallow import Schema, fields, validate

from service.dialects.conscia import wire
from service.web.described import Shown


class ConsciaParamOut(Shown):
    """What a job of the type may be given."""

    name = fields.String()
    type = fields.String(
        validate=validate.OneOf(["string", "number", "integer", "boolean", "object", "array", "any"])
    )
    required = fields.Boolean()
    description = fields.String()


class ConsciaTypeOut(Shown):
    """A job type."""

    job_type_code = fields.String(data_key="jobTypeCode")
    name = fields.String()
    description = fields.String()
    params = fields.List(fields.Nested(ConsciaParamOut))


class ConsciaTypesOut(Shown):
    """All of them, by code."""

    job_types = fields.List(fields.Nested(ConsciaTypeOut), data_key="jobTypes")


class ConsciaSchedule(Schema):
    """When a definition runs by itself."""

    cron = fields.String(required=True)


class ConsciaOptions(Schema):
    """Who is told of the ends of a definition's jobs."""

    skip_notification = fields.Boolean(data_key="skipNotification")
    send_completion_email = fields.Boolean(data_key="sendCompletionEmail")
    send_failure_email = fields.Boolean(data_key="sendFailureEmail")
    email_list = fields.List(fields.Email(), data_key="emailList")


class ConsciaDefinitionOut(Shown):
    """A definition."""

    job_definition_code = fields.String(data_key="jobDefinitionCode")
    job_type = fields.String(data_key="jobType")
    name = fields.String()
    schedule = fields.Nested(ConsciaSchedule, allow_none=True)
    params = fields.Dict()
    options = fields.Nested(ConsciaOptions)


class ConsciaDefinitionIn(Schema):
    """A definition to be made."""

    job_definition_code = fields.String(required=True, data_key="jobDefinitionCode")
    job_type = fields.String(required=True, data_key="jobType")
    name = fields.String(allow_none=True)
    schedule = fields.Nested(ConsciaSchedule, allow_none=True)
    params = fields.Dict()
    options = fields.Nested(ConsciaOptions)


class ConsciaDefinitionPatch(ConsciaDefinitionIn):
    """What of a definition changes."""

    job_definition_code = fields.String(data_key="jobDefinitionCode")
    job_type = fields.String(data_key="jobType")
    params = fields.Dict(allow_none=True)
    options = fields.Nested(ConsciaOptions, allow_none=True)


class ConsciaWholeOut(Shown):
    """A definition as it is now."""

    job_definition = fields.Nested(ConsciaDefinitionOut, data_key="jobDefinition")


class ConsciaCreationIn(Schema):
    """A definition to be made, in its envelope."""

    job_definition = fields.Nested(ConsciaDefinitionIn, required=True, data_key="jobDefinition")


class ConsciaUpdateIn(Schema):
    """A merge patch in its envelope."""

    job_definition = fields.Nested(ConsciaDefinitionPatch, required=True, data_key="jobDefinition")


class ConsciaDefinitionsOut(Shown):
    """Definitions, by code."""

    job_definitions = fields.List(fields.Nested(ConsciaDefinitionOut), data_key="jobDefinitions")


class ConsciaExecution(Schema):
    """What a job is given."""

    params = fields.Dict(allow_none=True)


class ConsciaExecutedOut(Shown):
    """The new job's id."""

    job_id = fields.String(data_key="jobId")


class ConsciaErrorOut(Shown):
    """Why a job failed."""

    code = fields.String()
    message = fields.String()


class ConsciaJobOut(Shown):
    """A job."""

    job_id = fields.String(data_key="jobId")
    job_type = fields.String(data_key="jobType")
    job_definition_code = fields.String(data_key="jobDefinitionCode", allow_none=True)
    status = fields.String(validate=validate.OneOf(wire.STATUSES))
    params = fields.Dict()
    result = fields.Raw(allow_none=True)
    error = fields.Nested(ConsciaErrorOut, allow_none=True)
    percent_completed = fields.Integer(data_key="percentCompleted", validate=validate.Range(0, 100))
    created_at = fields.AwareDateTime(data_key="createdAt")
    started_at = fields.AwareDateTime(data_key="startedAt", allow_none=True)
    completed_at = fields.AwareDateTime(data_key="completedAt", allow_none=True)


class ConsciaJobsOut(Shown):
    """Jobs, newest first."""

    jobs = fields.List(fields.Nested(ConsciaJobOut))
