"""Alteryx's calls for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from service.access.middleware import is_open
from service.definitions.schemas import CODE
from service.dialects.alteryx import login, routes, wire
from service.dialects.alteryx.asked import JobsIn, ReadIn, WorkflowJobsIn
from service.dialects.alteryx.shapes import AlteryxJobOut, AlteryxListedOut, AlteryxMessageOut, AlteryxRunIn
from service.errors import CapExceeded, Malformed
from service.web.about import ABOUT
from service.web.described import (
    FILE_ANSWERS,
    FILE_TAKES,
    Body,
    Handler,
    Operation,
    answer,
    body,
)
from service.web.openapi import Document, ErrorForm
from service.web.shapes import ecma

ID = "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"
MESSAGE = {"status": 1, "text": "42,000 rows read", "toolId": 3}
LISTED = {
    "id": ID,
    "createDate": "2026-11-22T10:41:19.123Z",
    "status": "Completed",
    "priority": "Default",
    "workerTag": "",
    "runWithE2": False,
}
JOB = {
    "id": ID,
    "appId": "nightly",
    "createDateTime": "2026-11-22T10:41:19.123Z",
    "status": "Completed",
    "disposition": "Success",
    "outputs": [
        {
            "id": "0199f3c2-9a2b-7d11-8e21-4f5a6b7c8d9e",
            "availableFormats": ["csv", "xlsx"],
            "fileName": "dues.csv",
        }
    ],
    "messages": [MESSAGE],
    "priority": "Default",
    "workerTag": "",
    "runWithE2": False,
}
TOKEN = {"access_token": "la_AZnzwnse…", "token_type": "bearer", "expires_in": 3600}
_TEXT: dict[str, Any] = {"type": "string"}
_MESSAGE: dict[str, Any] = {"type": "object", "required": ["message"], "properties": {"message": _TEXT}}
_GRANT: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_id": {**_TEXT, "description": "The id of an API key; or by Basic."},
        "client_secret": {**_TEXT, "description": "The whole key; or by Basic."},
    },
}
_GRANTED: dict[str, Any] = {
    "type": "object",
    "required": list(TOKEN),
    "properties": {
        "access_token": _TEXT,
        "token_type": {"const": "bearer"},
        "expires_in": {"type": "integer"},
    },
}
_NOT_GRANTED: dict[str, Any] = {
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {"error": _TEXT, "error_description": _TEXT},
}
_FORM = "application/x-www-form-urlencoded"
_LIST = {"type": "array", "items": AlteryxListedOut}
_LISTED = {200: answer(_LIST, [LISTED], "A part of the list.")}
_WORKFLOW: dict[str, Any] = {"workflow": {"type": "string", "pattern": ecma(CODE.pattern)}}
_J, _W, _L = "Jobs", "Workflows", "Login"

OPERATIONS: Mapping[Handler, Operation] = {
    login.token: Operation(
        "alteryx_token",
        "Get an access token",
        _L,
        {
            200: answer(_GRANTED, TOKEN, "The token; it ends with its key.", "Cache-Control"),
            400: answer(
                _NOT_GRANTED,
                {
                    "error": "unsupported_grant_type",
                    "error_description": "grant_type must be client_credentials",
                },
                "What was asked is wrong.",
            ),
            401: answer(
                _NOT_GRANTED,
                {"error": "invalid_client", "error_description": "there is no key with this id and secret"},
                "The client is unknown.",
            ),
        },
        body=Body({_FORM: _GRANT}, None),
    ),
    routes.read_job: Operation(
        "alteryx_read_job", "Get a job", _J, {200: answer(AlteryxJobOut, JOB, "The job.")}, query=ReadIn
    ),
    routes.list_messages: Operation(
        "alteryx_list_messages",
        "Get a job's messages",
        _J,
        {200: answer({"type": "array", "items": AlteryxMessageOut}, [MESSAGE], "The oldest first.")},
    ),
    routes.delete_job: Operation(
        "alteryx_delete_job",
        "Cancel a job",
        _J,
        {
            200: answer(
                _MESSAGE, {"message": wire.DELETED}, "A queued job is gone; a running one stops soon."
            ),
            400: answer(_MESSAGE, {"message": wire.NOT_UNDER_WAY}, "It has ended, or is not the caller's."),
        },
    ),
    routes.list_jobs: Operation("alteryx_list_jobs", "List jobs", _J, _LISTED, query=JobsIn),
    routes.list_workflow_jobs: Operation(
        "alteryx_list_workflow_jobs",
        "List the jobs of a workflow",
        _W,
        _LISTED,
        query=WorkflowJobsIn,
        path=_WORKFLOW,
    ),
    routes.run_workflow: Operation(
        "alteryx_run_workflow",
        "Run a workflow",
        _W,
        {200: answer(AlteryxJobOut, JOB, "The new job.")},
        body=body(
            AlteryxRunIn,
            {"workerTag": "", "questions": [{"name": "seconds", "value": "2"}], "priority": "High"},
            required=False,
        ),
        errors=(CapExceeded,),
        path=_WORKFLOW,
    ),
    routes.read_output: Operation(
        "alteryx_read_output",
        "Download an output",
        _J,
        FILE_ANSWERS,
        more_query=(
            {
                "name": "format",
                "in": "query",
                "schema": _TEXT,
                "description": "One of its available formats; its own without, or with `Raw`.",
            },
        ),
        takes=FILE_TAKES,
        errors=(Malformed,),
        path={"id": {"type": "string", "format": "uuid"}, "output_id": {"type": "string", "format": "uuid"}},
    ),
}
WORDS = {
    "includeMessages": "`false` leaves the messages out.",
    "sortField": "`createDate`, `status`, `priority` or `id`.",
    "direction": "`asc` or `desc`; without a field, the newest come first.",
    "offset": "How many to skip.",
    "limit": "How many at most.",
    "status": "`Queued`, `Running`, `Completed` or `Cancelled`.",
    "resultCode": "`None`, `Success` or `Error`.",
    "statuses": "`Queued`, `Running`, `Completed` or `Cancelled`; any of several.",
    "priorities": "`Default`, `Low`, `Medium`, `High` or `Critical`; any of several.",
    "users": "Whose jobs.",
    "allUsers": "`true`: everybody's, whatever `users` says; `false` without `users`: one's own.",
    "workflowNames": "Codes or names of workflows.",
    "completedBefore": "Ended by then.",
    "completedAfter": "Ended since.",
    "workerTag": "Only a worker with this tag takes the job; empty for none.",
    "credentialId": "Is ignored.",
    "questions": "The job's args; a text is turned into what the arg is.",
}
ABOUT_ALTERYX = {
    **ABOUT,
    "info": {
        **ABOUT["info"],
        "title": "Lavori for clients of Alteryx",
        "description": "Jobs, and workflows that make them.",
    },
    "tags": [{"name": _L}, {"name": _J}, {"name": _W}],
}
DOCUMENT = Document(
    routes.routes,
    OPERATIONS,
    WORDS,
    is_open=is_open,
    about=ABOUT_ALTERYX,
    errors=ErrorForm(_MESSAGE, wire.refusal),
)
