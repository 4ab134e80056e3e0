"""Conscia's calls for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from service.access.middleware import is_open
from service.definitions.schemas import CODE
from service.dialects.conscia import routes
from service.dialects.conscia.shapes import (
    ConsciaCreationIn,
    ConsciaDefinitionsOut,
    ConsciaExecutedOut,
    ConsciaExecution,
    ConsciaJobOut,
    ConsciaJobsOut,
    ConsciaTypeOut,
    ConsciaTypesOut,
    ConsciaUpdateIn,
    ConsciaWholeOut,
)
from service.errors import CapExceeded, Conflict, StorageFull, UnknownJobType
from service.jobs.types import CODE_PATH
from service.web.about import ABOUT
from service.web.described import NO_CONTENT, Handler, Operation, answer, body
from service.web.openapi import Document
from service.web.shapes import ecma

JOB_ID = "20261122-0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"
PARAMS = {"url": "https://api.example.org/orders", "method": "GET", "headers": {"Accept": "application/json"}}
OPTIONS = {
    "skipNotification": True,
    "sendCompletionEmail": True,
    "sendFailureEmail": True,
    "emailList": ["office@example.org"],
}
DEFINITION = {
    "jobDefinitionCode": "web-test",
    "jobType": "callWebserviceEndpoint",
    "name": "Call my favourite web service",
    "schedule": {"cron": "*/5 * * * *"},
    "params": PARAMS,
    "options": OPTIONS,
}
TYPE = {
    "jobTypeCode": "sleep",
    "name": "Sleep",
    "description": "Sleeps in steps.",
    "params": [{"name": "seconds", "type": "number", "required": False, "description": "How long it takes."}],
}
JOB = {
    "jobId": JOB_ID,
    "jobType": "callWebserviceEndpoint",
    "jobDefinitionCode": "web-test",
    "status": "COMPLETED",
    "params": PARAMS,
    "result": [{"id": 1}],
    "error": None,
    "percentCompleted": 100,
    "createdAt": "2026-11-22T10:41:19.123Z",
    "startedAt": "2026-11-22T10:41:19.151Z",
    "completedAt": "2026-11-22T10:41:20.004Z",
}


_NAMED = "`X-Customer-Code` is required: without it, or with an empty one, this is a 400."
_TYPE_PATH: dict[str, Any] = {"code": CODE_PATH}
_PATH: dict[str, Any] = {"code": {"type": "string", "pattern": ecma(CODE.pattern)}}
_JOB_PATH: dict[str, Any] = {"id": {"type": "string", "example": JOB_ID}}
_WHOLE = {"jobDefinition": DEFINITION}
_EXECUTED = {200: answer(ConsciaExecutedOut, {"jobId": JOB_ID}, "The new job.")}
_WRITES = (UnknownJobType, StorageFull, CapExceeded)
_T, _D, _J = "Job types", "Definitions", "Jobs"

OPERATIONS: Mapping[Handler, Operation] = {
    routes.list_types: Operation(
        "conscia_list_types",
        "List job types",
        _T,
        {200: answer(ConsciaTypesOut, {"jobTypes": [TYPE]}, "All types.")},
        more=_NAMED,
    ),
    routes.read_type: Operation(
        "conscia_read_type",
        "Get a job type",
        _T,
        {200: answer(ConsciaTypeOut, TYPE, "The type.")},
        path=_TYPE_PATH,
        more=_NAMED,
    ),
    routes.execute_type: Operation(
        "conscia_execute_type",
        "Create a job of a type",
        _T,
        _EXECUTED,
        body=body(ConsciaExecution, {"params": PARAMS}, required=False),
        errors=(CapExceeded,),
        path=_TYPE_PATH,
        more=_NAMED,
    ),
    routes.create_definition: Operation(
        "conscia_create_definition",
        "Create a job definition",
        _D,
        {201: answer(ConsciaWholeOut, _WHOLE, "The new definition.")},
        body=body(ConsciaCreationIn, _WHOLE),
        errors=(*_WRITES, Conflict),
        more=_NAMED,
    ),
    routes.list_definitions: Operation(
        "conscia_list_definitions",
        "List job definitions",
        _D,
        {200: answer(ConsciaDefinitionsOut, {"jobDefinitions": [DEFINITION]}, "All that are seen.")},
        more=_NAMED,
    ),
    routes.read_definition: Operation(
        "conscia_read_definition",
        "Get a job definition",
        _D,
        {200: answer(ConsciaWholeOut, _WHOLE, "The definition.")},
        path=_PATH,
        more=_NAMED,
    ),
    routes.patch_definition: Operation(
        "conscia_update_definition",
        "Update a job definition",
        _D,
        {200: answer(ConsciaWholeOut, _WHOLE, "The definition as it is now.")},
        body=body(ConsciaUpdateIn, {"jobDefinition": {"name": "My new name"}}),
        errors=_WRITES,
        path=_PATH,
        more=_NAMED,
    ),
    routes.delete_definition: Operation(
        "conscia_delete_definition",
        "Delete a job definition",
        _D,
        {204: NO_CONTENT},
        path=_PATH,
        more=_NAMED,
    ),
    routes.execute_definition: Operation(
        "conscia_execute_definition",
        "Create a job of a definition",
        _D,
        _EXECUTED,
        body=body(ConsciaExecution, {"params": {"searchParams": {"limit": 10}}}, required=False),
        errors=(CapExceeded,),
        path=_PATH,
        more=_NAMED,
    ),
    routes.list_jobs: Operation(
        "conscia_list_jobs",
        "List jobs",
        _J,
        {200: answer(ConsciaJobsOut, {"jobs": [JOB]}, "Jobs, newest first.")},
        query=routes.JobsIn,
        more=_NAMED,
    ),
    routes.read_job: Operation(
        "conscia_read_job",
        "Get a job",
        _J,
        {200: answer(ConsciaJobOut, JOB, "The job.")},
        path=_JOB_PATH,
        more=_NAMED,
    ),
}
WORDS = {
    "job_id": "`{yyyyMMdd}-{uuid}`; calls take the plain UUID too.",
    "ConsciaJob.params": "What it was given; values that are secret are `***`.",
    "result": "JSON where the output is JSON, else the text; a list of files where it is files.",
    "error": "Why it failed, or that it was cancelled.",
    "cron": "Five fields are Unix cron; six or seven are Quartz, from seconds to years, with 1 for Sunday.",
    "skip_notification": "The tenant's webhook endpoints are told nothing of its jobs.",
    "send_completion_email": "Mail when a job finishes.",
    "send_failure_email": "Mail when a job fails.",
    "email_list": "Who gets these mails, besides who ran the job, or made the definition that ran by schedule.",
    "offset": "So many of the newest jobs are left out.",
}
ABOUT_CONSCIA = {
    **ABOUT,
    "info": {**ABOUT["info"], "title": "Lavori for clients of Conscia", "description": _NAMED},
    "tags": [one for one in ABOUT["tags"] if one["name"] in (_T, _D, _J)],
}
DOCUMENT = Document(routes.routes, OPERATIONS, WORDS, is_open=is_open, about=ABOUT_CONSCIA)
