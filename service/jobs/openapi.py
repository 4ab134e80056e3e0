"""The routes of jobs, for the OpenAPI document."""

from dataclasses import replace

from service.errors import (
    CapExceeded,
    IdempotencyKeyReused,
    Invalid,
    Malformed,
    NotChangeable,
    PreconditionFailed,
    StorageFull,
    TooLarge,
    UnknownJobType,
    WrongState,
)
from service.jobs import actions, details, explain, job_stream, listing, routes, stats, tenant_stream, watch
from service.jobs.actions import ActionIn
from service.jobs.details import DetailsIn
from service.jobs.examples import (
    ACTIONS,
    ATTEMPT,
    BATCH,
    CREATED,
    DETAILS,
    EXPLANATION,
    JOB,
    MESSAGE,
    REQUEST,
    STATS,
    STREAM,
)
from service.jobs.job_stream import EventsIn
from service.jobs.listing import ListIn
from service.jobs.schemas import JobIn, JobPatch, MessagesIn, ReadIn, RerunIn
from service.jobs.shown import (
    ActionsOut,
    AttemptsOut,
    BatchItemOut,
    DetailsOut,
    ExplanationOut,
    JobOut,
    JobsOut,
    MessagesOut,
    PollOut,
    SomeOfJobOut,
    StatsOut,
)
from service.jobs.stats import StatsIn
from service.jobs.tenant_stream import TenantEventsIn
from service.jobs.watch import PollIn
from service.jobs.words import WORDS
from service.web.described import (
    JSON,
    NO_CONTENT,
    UNCHANGED,
    UUID_PATH,
    Answer,
    Body,
    Operation,
    answer,
    body,
    leads,
)

__all__ = ("OPERATIONS", "WORDS")

TAG, WATCHING, MANY = "Jobs", "Watching", "Many jobs"
MERGE_PATCH = "application/merge-patch+json"
_CHANGED = ("ETag", "Retry-After")
_MOVED = {200: answer(JobOut, JOB, "The job as it is now.", *_CHANGED)}
_MOVES = (WrongState, PreconditionFailed)
CREATED_ANSWERS = {
    200: answer(
        JobOut,
        CREATED,
        "The job that an earlier request with the same key had made.",
        *("Idempotency-Replayed", "Location", "Preference-Applied"),
        *_CHANGED,
    ),
    201: answer(
        JobOut,
        CREATED,
        "The new job: it is in the database.",
        *("Location", "Preference-Applied"),
        *_CHANGED,
    ),
}
_EVENT = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"enum": ["job", "message", "gone"]},
        "id": {"type": "string", "description": "For Last-Event-ID."},
        "retry": {"type": "integer", "description": "After how many milliseconds to connect again."},
        "data": {
            "type": "string",
            "description": "The whole job, the message, or the id of the job that is gone.",
            "contentMediaType": JSON,
            "contentSchema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Job"},
                    {"$ref": "#/components/schemas/Message"},
                    {"type": "object", "required": ["id"], "properties": {"id": UUID_PATH}},
                ]
            },
        },
    },
}
_STREAM = Answer(
    "Events, until the client leaves or the stream ends.",
    {"text/event-stream": _EVENT},
    STREAM,
    ("Cache-Control",),
)
LABELS = {
    "name": "labels",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "`label.KEY=value`: jobs with this label; a repeated or comma-separated value means any of.",
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": r"^label\."},
        "additionalProperties": {"type": "string"},
        "examples": [{"label.team": "payments"}],
    },
}
_FORM = {
    "type": "object",
    "properties": {
        "job": JobIn,
        "attachment": {
            "type": "string",
            "format": "binary",
            "description": "The file; it is streamed to storage.",
        },
    },
    "required": ["job"],
    "additionalProperties": False,
}

OF_A_JOB = (
    "read_job",
    "modify_job",
    "replace_job",
    "delete_job",
    "cancel_job",
    "suspend_job",
    "resume_job",
    "rerun_job",
    "list_attempts",
    "list_messages",
    "explain_job",
    "stream_job",
    "read_attachment",
    "list_outputs",
)

OPERATIONS = {
    routes.create: Operation(
        "create_job",
        "Create a job",
        TAG,
        CREATED_ANSWERS,
        body=Body({JSON: JobIn, "multipart/form-data": _FORM}, REQUEST),
        takes=("Idempotency-Key", "Prefer"),
        errors=(UnknownJobType, IdempotencyKeyReused, CapExceeded, StorageFull),
        links=leads("id", "id", *OF_A_JOB),
        more=(
            "With `Prefer: wait=N` it waits for the job to end, and answers with it as it is then. "
            "`args` is what the job type's params schema takes. As a form: part `job` is this JSON, "
            "part `attachment` the file."
        ),
    ),
    routes.create_many: Operation(
        "create_jobs",
        "Create many jobs",
        MANY,
        {207: answer({"type": "array", "items": BatchItemOut}, BATCH, "What became of each, in order.")},
        body=body(
            {
                "type": "array",
                "items": {"anyOf": [JobIn, {}]},
                "maxItems": 1000,
                "description": "Each as in Create a job.",
            },
            [REQUEST],
        ),
        takes=("Idempotency-Key",),
        more="Each item is looked at on its own: one that is wrong does not spoil the rest.",
    ),
    listing.list_: Operation(
        "list_jobs",
        "List jobs",
        TAG,
        {200: answer(JobsOut, {"jobs": [JOB], "count": 1}, "A page of jobs.", "Link")},
        query=ListIn,
        more_query=(LABELS,),
        more=(
            "Filters match exactly; a repeated or comma-separated value means any of. Pages are keyset pages: "
            "no job is shown twice or missed because others come in."
        ),
    ),
    routes.read: Operation(
        "read_job",
        "Read a job",
        TAG,
        {
            200: answer({"anyOf": [JobOut, SomeOfJobOut]}, JOB, "The job.", *_CHANGED, "Preference-Applied"),
            304: replace(UNCHANGED, headers=(*_CHANGED, "Preference-Applied")),
        },
        query=ReadIn,
        takes=("If-None-Match", "Prefer"),
        errors=(CapExceeded,),
        more=(
            "With `wait`, or `Prefer: wait=N`, it answers once the job is terminal, or, with If-None-Match, "
            "once its version is another; after N seconds with what there is."
        ),
    ),
    routes.patch: Operation(
        "modify_job",
        "Modify a job",
        TAG,
        _MOVED,
        body=body(
            JobPatch, {"description": "Dues of November", "labels": {"team": None}}, also=(MERGE_PATCH,)
        ),
        takes=("If-Match",),
        errors=(NotChangeable, PreconditionFailed, CapExceeded, StorageFull),
        more=(
            "JSON Merge Patch (RFC 7396). While a job waits, everything can be changed but type, definition and "
            "idempotency key; later only description, labels, category, sub_category, publish_link_access_scope "
            "and purge_at."
        ),
    ),
    routes.put: Operation(
        "replace_job",
        "Replace a job's request",
        TAG,
        _MOVED,
        body=body(JobIn, REQUEST),
        takes=("If-Match",),
        errors=(*_MOVES, CapExceeded, StorageFull),
        more="What the body does not name goes back to its default.",
    ),
    routes.delete: Operation(
        "delete_job",
        "Delete a job",
        TAG,
        {204: NO_CONTENT},
        takes=("If-Match",),
        errors=(*_MOVES, CapExceeded),
        more="With its files and its history. A running one is refused: cancel it first.",
    ),
    routes.cancel: Operation(
        "cancel_job",
        "Cancel a job",
        TAG,
        {
            **_MOVED,
            202: answer(
                JobOut, {**JOB, "cancel_requested": True}, "It runs, and is asked to stop.", *_CHANGED
            ),
        },
        takes=("If-Match",),
        errors=_MOVES,
    ),
    routes.suspend: Operation(
        "suspend_job",
        "Suspend a job",
        TAG,
        _MOVED,
        takes=("If-Match",),
        errors=_MOVES,
        more="A pending job is held back until it is resumed.",
    ),
    routes.resume: Operation(
        "resume_job",
        "Resume a job",
        TAG,
        _MOVED,
        takes=("If-Match",),
        errors=_MOVES,
        more="A suspended job waits for its turn again.",
    ),
    routes.rerun: Operation(
        "rerun_job",
        "Run a job again",
        TAG,
        {
            **_MOVED,
            201: answer(
                JobOut,
                CREATED,
                "A new job with the same request.",
                "Location",
                "Preference-Applied",
                *_CHANGED,
            ),
        },
        body=body(RerunIn, {"as_new": False}, required=False),
        takes=("If-Match", "Prefer"),
        errors=_MOVES,
        more="A terminal job with `can_rerun` keeps its id and its publish link; earlier attempts stay readable.",
    ),
    routes.attempts: Operation(
        "list_attempts",
        "List a job's attempts",
        TAG,
        {200: answer(AttemptsOut, {"attempts": [ATTEMPT]}, "All attempts.")},
        more="Oldest first, over all runs; the one under way has neither end nor outcome.",
    ),
    routes.messages: Operation(
        "list_messages",
        "List a job's messages",
        TAG,
        {200: answer(MessagesOut, {"messages": [MESSAGE]}, "A page of messages.", "Link")},
        query=MessagesIn,
    ),
    explain.explain: Operation(
        "explain_job",
        "Why a job is not running",
        TAG,
        {200: answer(ExplanationOut, EXPLANATION, "The explanation.")},
        more="Why, its place in the queue, and when it may start and end, by how long such jobs took lately.",
    ),
    watch.poll: Operation(
        "poll_jobs",
        "Which of these jobs changed",
        WATCHING,
        {200: answer(PollOut, {"jobs": [JOB], "gone": []}, "Those that changed, and those that are gone.")},
        body=body(PollIn, {"jobs": [{"id": JOB["id"], "version": 6}], "wait": 20}),
        errors=(CapExceeded,),
    ),
    job_stream.job_events: Operation(
        "stream_job",
        "Stream a job's changes",
        WATCHING,
        {200: _STREAM, 204: Answer("The job has ended, and the client has seen its last event.")},
        query=EventsIn,
        takes=("Last-Event-ID",),
        errors=(CapExceeded,),
        more=(
            "Server-Sent Events: `job` (the whole job, at once and at each change), `message`, `gone`; "
            "a comment every 10 seconds; the stream ends after the terminal event."
        ),
    ),
    tenant_stream.tenant_events: Operation(
        "stream_jobs",
        "Stream the changes of all jobs",
        WATCHING,
        {200: _STREAM},
        query=TenantEventsIn,
        takes=("Last-Event-ID",),
        errors=(CapExceeded,),
        more="Server-Sent Events: `job` (the whole job) and `gone`, of the jobs that the caller may see.",
    ),
    actions.act: Operation(
        "act_on_jobs",
        "Act on many jobs",
        MANY,
        {200: answer(ActionsOut, ACTIONS, "How many it touches, and what happened to each.")},
        body=body(ActionIn, {"action": "cancel", "filter": {"status": "pending", "label.team": "payments"}}),
        errors=(Malformed, TooLarge, Invalid),
        more="Either `ids` or `filter`; a filter reaches 10,000 jobs at once.",
    ),
    stats.stats: Operation(
        "read_stats",
        "How the jobs of the tenant are doing",
        WATCHING,
        {200: answer(StatsOut, STATS, "The numbers; not older than a second.")},
        query=StatsIn,
        more="Who may not read all jobs is told of their own alone.",
    ),
    details.details: Operation(
        "read_stats_details",
        "How it went, step by step",
        WATCHING,
        {200: answer(DetailsOut, DETAILS, "The numbers; not older than a second.")},
        query=DetailsIn,
        more="What charts are drawn from. Who may not read all jobs is told of their own alone.",
    ),
}
