"""The routes of definitions and schedules, for the OpenAPI document."""

from typing import Any

from service.definitions import routes
from service.definitions.schemas import (
    CODE,
    DefinitionIn,
    DefinitionOut,
    DefinitionPatch,
    DefinitionPut,
    DefinitionsIn,
    DefinitionsOut,
    ExecuteIn,
    FiresIn,
    FiresOut,
    PreviewIn,
    PreviewOut,
)
from service.errors import (
    CapExceeded,
    Conflict,
    IdempotencyKeyReused,
    PreconditionFailed,
    StorageFull,
    UnknownJobType,
)
from service.jobs.examples import JOB
from service.jobs.listing import ListIn
from service.jobs.openapi import CREATED_ANSWERS, LABELS, MERGE_PATCH, OF_A_JOB
from service.jobs.shown import JobsOut
from service.web.described import NO_CONTENT, UNCHANGED, Operation, answer, body, leads
from service.web.shapes import ecma

TAG = "Definitions"

SCHEDULE: dict[str, Any] = {
    "cron": "30 2 * * *",
    "timezone": "Europe/Rome",
    "enabled": True,
    "misfire": "once",
    "overlap": "skip",
    "dst_gap": "shift",
    "dst_fold": "first",
    "jitter_seconds": 0,
    "start_at": None,
    "end_at": None,
}
STORED: dict[str, Any] = {
    "code": "nightly-export",
    "type": "export_dovuti",
    "name": "Dues of the canteen, each night",
    "args": {"service_id": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11", "format": "csv"},
    "labels": {"team": "payments"},
    "shared_with": ["anna@example.org"],
    "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Rome", "overlap": "skip"},
    "options": {"send_failure_email": True, "email_list": ["office@example.org"]},
}
DEFINITION: dict[str, Any] = {
    "code": STORED["code"],
    "type": STORED["type"],
    "name": STORED["name"],
    "description": None,
    "args": STORED["args"],
    "attachment": None,
    "priority": "default",
    "worker_tag": None,
    "publish_link_access_scope": "private",
    "timeout_seconds": 3600,
    "max_attempts": 1,
    "labels": STORED["labels"],
    "shared_with": STORED["shared_with"],
    "schedule": {
        **SCHEDULE,
        "next_run_at": "2026-11-27T01:30:00.000Z",
        "last_run_at": "2026-11-26T01:30:00.000Z",
        "last_job_id": JOB["id"],
    },
    "options": STORED["options"],
    "version": 3,
    "created_by": "anna@example.org",
    "created_at": "2026-11-22T10:41:19.123Z",
    "updated_at": "2026-11-22T10:41:19.123Z",
}
FIRE = {
    "at": "2026-11-26T01:30:00.000Z",
    "local": "2026-11-26T02:30:00+01:00",
    "policy": "normal",
    "outcome": "fired",
    "job_id": JOB["id"],
    "detail": None,
    "decided_at": "2026-11-26T01:30:00.012Z",
}
PREVIEW = {
    "fires": [
        {"at": "2026-10-24T00:30:00.000Z", "local": "2026-10-24T02:30:00+02:00", "policy": "normal"},
        {"at": "2026-10-25T00:30:00.000Z", "local": "2026-10-25T02:30:00+02:00", "policy": "dst_fold_first"},
    ],
    "skipped": [{"local": "2026-10-25T02:30:00+01:00", "policy": "dst_fold_skipped"}],
}
_PATH = {"code": {"type": "string", "pattern": ecma(CODE.pattern)}}
_WHOLE = {200: answer(DefinitionOut, DEFINITION, "The definition as it is now.", "ETag")}
_WRITES = (UnknownJobType, PreconditionFailed, StorageFull, CapExceeded)
_OF_A_DEFINITION = (
    "read_job_definition",
    "modify_job_definition",
    "replace_job_definition",
    "delete_job_definition",
    "execute_job_definition",
    "list_jobs_of_definition",
    "list_fires",
)

OPERATIONS = {
    routes.create: Operation(
        "create_job_definition",
        "Make a definition",
        TAG,
        {201: answer(DefinitionOut, DEFINITION, "The new definition.", "ETag", "Location")},
        body=body(DefinitionIn, STORED),
        errors=(Conflict, UnknownJobType, StorageFull, CapExceeded),
        links=leads("code", "code", *_OF_A_DEFINITION),
        more=(
            "A stored request: what a job takes, with a schedule if it is to run by itself. Required args may be "
            "left to who executes it, unless a schedule is on."
        ),
    ),
    routes.list_: Operation(
        "list_job_definitions",
        "List definitions",
        TAG,
        {
            200: answer(
                DefinitionsOut,
                {"job_definitions": [DEFINITION], "count": 1},
                "A page of definitions.",
                "Link",
            )
        },
        query=DefinitionsIn,
        more="One's own and those that are shared with one; all of them to who may read all jobs.",
    ),
    routes.read: Operation(
        "read_job_definition",
        "Read a definition",
        TAG,
        {200: answer(DefinitionOut, DEFINITION, "The definition.", "ETag"), 304: UNCHANGED},
        takes=("If-None-Match",),
        path=_PATH,
        more="Its ETag changes with each fire of its schedule too.",
    ),
    routes.patch: Operation(
        "modify_job_definition",
        "Modify a definition",
        TAG,
        _WHOLE,
        body=body(DefinitionPatch, {"schedule": {"enabled": False}}, also=(MERGE_PATCH,)),
        takes=("If-Match",),
        errors=_WRITES,
        path=_PATH,
        more=(
            "JSON Merge Patch (RFC 7396): objects are merged deeply, and null puts a member back to its default. "
            "Jobs that were made already stay as they are."
        ),
    ),
    routes.put: Operation(
        "replace_job_definition",
        "Replace a definition",
        TAG,
        _WHOLE,
        body=body(DefinitionPut, {name: STORED[name] for name in STORED if name != "code"}),
        takes=("If-Match",),
        errors=_WRITES,
        path=_PATH,
        more="What the body does not name goes back to its default.",
    ),
    routes.delete: Operation(
        "delete_job_definition",
        "Delete a definition",
        TAG,
        {204: NO_CONTENT},
        takes=("If-Match",),
        errors=(PreconditionFailed,),
        path=_PATH,
        more="Its schedule ends with it.",
    ),
    routes.execute: Operation(
        "execute_job_definition",
        "Run a definition",
        TAG,
        CREATED_ANSWERS,
        body=body(ExecuteIn, {"args": {"format": "xlsx"}}, required=False),
        takes=("Idempotency-Key", "Prefer"),
        errors=(UnknownJobType, IdempotencyKeyReused, CapExceeded, StorageFull),
        path=_PATH,
        links=leads("id", "id", *OF_A_JOB),
        more=(
            "Whatever a creation may name goes before what the definition says; args and labels are merged with "
            "it. The same as Create a job with `definition`."
        ),
    ),
    routes.jobs: Operation(
        "list_jobs_of_definition",
        "List the jobs of a definition",
        TAG,
        {200: answer(JobsOut, {"jobs": [JOB], "count": 1}, "A page of jobs.", "Link")},
        query=ListIn,
        more_query=(LABELS,),
        path=_PATH,
        more="All the parameters of List jobs, but `definition`.",
    ),
    routes.fires: Operation(
        "list_fires",
        "Read what became of a schedule's times",
        TAG,
        {200: answer(FiresOut, {"fires": [FIRE]}, "A page of fires.", "Link")},
        query=FiresIn,
        path=_PATH,
        more="Missed, skipped and refused ones too, for 30 days.",
    ),
    routes.preview: Operation(
        "preview_schedule",
        "Preview a schedule",
        TAG,
        {200: answer(PreviewOut, PREVIEW, "The next fires, each with what decided it.")},
        body=body(PreviewIn, {"cron": "30 2 * * *", "timezone": "Europe/Rome", "count": 2}),
        more="Jitter is not shown.",
    ),
}

WORDS = {
    "Definition.code": "What `definition` of a job names.",
    "DefinitionIn.code": "What `definition` of a job will name.",
    "Definition.type": "The job type of its jobs.",
    "Definition.name": "For people.",
    "DefinitionIn.name": "For people; the code when it is not given.",
    "DefinitionPut.name": "For people; the code when it is not given.",
    "Definition.description": "For people; its jobs have it too, unless they say otherwise.",
    "Definition.args": "What its jobs are given, but for what is said when they are made; secrets are shown as `***`.",
    "Definition.attachment": "The file that its jobs work on, unless they bring their own.",
    "shared_with": "Principals who may read and run it, and read and control its jobs; `*` for the whole tenant.",
    "schedule": "When it runs by itself.",
    "Definition.version": "Grows with every visible change, each fire of its schedule among them; it is the ETag.",
    "Definition.created_by": "The principal who made it: the jobs of its schedule are theirs.",
    "options": "Who is told of the ends of its jobs.",
    "skip_notification": "The tenant's webhook endpoints are told nothing of its jobs.",
    "send_completion_email": "Mail when a job finishes.",
    "send_failure_email": "Mail when a job fails.",
    "email_list": "Who gets these mails, besides who ran the job, or made the definition that ran by schedule.",
    "cron": "Five fields are Unix cron; six or seven are Quartz, from seconds to years, with 1 for Sunday.",
    "timezone": "An IANA time zone.",
    "enabled": "Whether it fires.",
    "misfire": "Which of the fires that are ten seconds late or more are made up for: none, the last, the last 100.",
    "overlap": "Whether it fires while a job of the definition is under way: always, not, or once that has ended.",
    "dst_gap": "A time that the clock leaves out: the first instant after the gap, or none.",
    "dst_fold": "A time that the clock shows twice: the first one, or both.",
    "jitter_seconds": "Each fire is put off by up to so many seconds, drawn once.",
    "start_at": "No fire before.",
    "end_at": "No fire after.",
    "PreviewIn.count": "How many fires.",
    "PreviewIn.start_at": "From when on; now when it is not given.",
    "PreviewIn.enabled": "Not heeded here.",
    "PreviewIn.misfire": "Not heeded here.",
    "PreviewIn.overlap": "Not heeded here.",
    "PreviewIn.jitter_seconds": "Not heeded here.",
    "next_run_at": "When it fires next, without its jitter; null when it does not.",
    "last_run_at": "The time that it fired for last.",
    "last_job_id": "The job of that fire.",
    "job_definitions": "By code.",
    "DefinitionsIn.cursor": "The code that the page before ended with.",
    "FiresIn.cursor": "Where the page before ended.",
    "at": "When it comes about.",
    "local": "What the clock of its time zone shows then; without an offset where it leaves this time out.",
    "policy": "What decided it.",
    "Fire.outcome": "What became of it.",
    "FiresIn.outcome": "Only these outcomes.",
    "Fire.job_id": "The job that was made; null without one.",
    "Fire.detail": "Why it was refused or missed, where there is more to say.",
    "decided_at": "When that was decided.",
    "fires": "The times.",
    "Fires.fires": "Those that were decided last first.",
    "skipped": "The times that are left out, up to the last fire.",
}
