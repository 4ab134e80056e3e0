"""Data One's calls for the OpenAPI document."""

from collections.abc import Mapping

from marshmallow import Schema, fields, validate

from service.access.middleware import is_open
from service.dialects.dataone import routes, wire
from service.dialects.dataone.listing import JobsIn
from service.errors import CapExceeded
from service.web.about import ABOUT
from service.web.described import Handler, Operation, Shown, answer, body
from service.web.openapi import Document

JOB = {
    "id": "48213",
    "status": "RUNNING",
    "statusMessage": "Importing",
    "createdAt": "2026-11-22T10:41:19.123Z",
    "updatedAt": "2026-11-22T10:41:20.004Z",
    "submittedBy": "anna@example.org",
    "queue": "default",
    "actor": "host-1234-5a1b2c3d",
    "contract": "sleep",
    "contractType": wire.TYPE,
    "contractAction": wire.RUN,
    "contractActionTrigger": wire.ON_DEMAND,
    "contractActionWorkflowInstance": {
        "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
        "workflowTemplateId": str(wire.template("sleep", None).id),
        "workflowTemplateName": "Sleep",
        "workflowTemplateRevision": "1",
        "workflowTemplateDescription": "Sleeps in steps.",
    },
    "dfic": {
        "dfiid": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
        "lcid": "order-4711",
        "userAttrs": {"team": "blue"},
    },
    "extIPID": "order-4711",
}


class DataOneSubmission(Schema):
    """A job to be submitted."""

    contract_name = fields.String(required=True, data_key="contractName")
    action_name = fields.String(
        allow_none=True, load_default=wire.RUN, data_key="actionName", validate=validate.Length(max=200)
    )
    action_variables = fields.Dict(allow_none=True, load_default=dict, data_key="actionVariables")
    key = fields.String(allow_none=True, data_key="extIPID", validate=validate.Length(max=wire.LONGEST_KEY))


class DataOneInstanceOut(Shown):
    """The job's type."""

    id = fields.UUID()
    template_id = fields.String(data_key="workflowTemplateId", validate=validate.Regexp("[0-9]+"))
    template_name = fields.String(data_key="workflowTemplateName")
    template_revision = fields.String(data_key="workflowTemplateRevision", validate=validate.Regexp("[0-9]+"))
    template_description = fields.String(data_key="workflowTemplateDescription")


class DataOneDficOut(Shown):
    """What the job belongs to."""

    dfiid = fields.UUID()
    lcid = fields.String()
    user_attrs = fields.Dict(keys=fields.String(), values=fields.String(), data_key="userAttrs")


class DataOneJobOut(Shown):
    """A job."""

    id = fields.String(validate=validate.Regexp("[0-9]+"))
    status = fields.String(validate=validate.OneOf(list(wire.STATUSES)))
    status_message = fields.String(data_key="statusMessage")
    created_at = fields.AwareDateTime(data_key="createdAt")
    updated_at = fields.AwareDateTime(data_key="updatedAt")
    submitted_by = fields.String(data_key="submittedBy")
    queue = fields.String()
    actor = fields.String()
    contract = fields.String()
    contract_type = fields.String(
        data_key="contractType", validate=validate.OneOf([wire.DEFINITION, wire.TYPE])
    )
    contract_action = fields.String(data_key="contractAction")
    contract_action_trigger = fields.String(
        data_key="contractActionTrigger", validate=validate.OneOf([wire.ON_DEMAND, wire.SCHEDULE])
    )
    instance = fields.Nested(DataOneInstanceOut, data_key="contractActionWorkflowInstance")
    dfic = fields.Nested(DataOneDficOut)
    key = fields.String(data_key="extIPID")


class DataOneJobsOut(Shown):
    """A page of jobs."""

    sometimes = frozenset({"next"})

    jobs = fields.List(fields.Nested(DataOneJobOut))
    next = fields.String(metadata={"format": "uri-reference"})


_SUBMISSION = {
    "contractName": "sleep",
    "actionName": "run",
    "actionVariables": {"seconds": 2},
    "extIPID": "order-4711",
}
OPERATIONS: Mapping[Handler, Operation] = {
    routes.submit: Operation(
        "dataone_submit",
        "Submit a job",
        "Jobs",
        {
            201: answer(DataOneJobOut, JOB, "The new job."),
            409: answer(DataOneJobOut, JOB, "The job that an earlier request with this extIPID has made."),
        },
        body=body(DataOneSubmission, _SUBMISSION),
        errors=(CapExceeded,),
        more="It needs the permission `workflow`.",
    ),
    routes.list_jobs: Operation(
        "dataone_list_jobs",
        "List jobs",
        "Jobs",
        {200: answer(DataOneJobsOut, {"jobs": [JOB]}, "A page of jobs.")},
        query=JobsIn,
    ),
}
WORDS = {
    "contract_name": "The code of a definition, or else of a job type; an unknown one is a 404.",
    "action_name": "Is kept and shown.",
    "action_variables": "The args of the job.",
    "DataOneSubmission.key": "The same one again, with the same contract and action, makes no second job.",
}
ABOUT_DATAONE = {
    **ABOUT,
    "info": {
        **ABOUT["info"],
        "title": "Lavori for clients of Data One",
        "description": "The job manager of Data One, below `/ghibli-rest/v2`.",
    },
    "tags": [one for one in ABOUT["tags"] if one["name"] == "Jobs"],
}
DOCUMENT = Document(routes.routes, OPERATIONS, WORDS, is_open=is_open, about=ABOUT_DATAONE)
