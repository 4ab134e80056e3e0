"""The routes of notices and webhook endpoints, for the OpenAPI document."""

from typing import Any

from service.access.listing import PageIn
from service.errors import Conflict, PreconditionFailed
from service.notifications import endpoint_routes, routes
from service.notifications.schemas import (
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointsOut,
    EndpointWithSecretOut,
    NoticeOut,
    NoticesIn,
    NoticesOut,
    NoticeWithLogOut,
    RotateSecretIn,
    SecretOut,
)
from service.web.described import NO_CONTENT, UNCHANGED, Operation, answer, body, leads

TAG = "Notices"
_MERGE_PATCH = "application/merge-patch+json"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - an example, of the standard's own text

NOTICE: dict[str, Any] = {
    "id": "3a1f7a2e-7f0c-4c57-9d33-0d9b6c1c5f10",
    "number": 17,
    "job_id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
    "job_number": 48213,
    "run": 1,
    "status": "finished",
    "kind": "webhook",
    "target": "https://hooks.example.org/lavori",
    "endpoint_id": None,
    "state": "pending",
    "tries": 1,
    "last_error": "the receiver answers (503)",
    "created_at": "2026-11-22T10:41:19.123Z",
    "ended_at": None,
    "next_at": "2026-11-22T10:41:25.001Z",
    "held_until": None,
}
TRY = {
    "number": 1,
    "at": "2026-11-22T10:41:19.500Z",
    "milliseconds": 87,
    "outcome": "failed",
    "status": 503,
    "error": "the receiver answers (503)",
}
ENDPOINT = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e71",
    "url": "https://hooks.example.org/lavori",
    "on": ["finished", "failed"],
    "description": "the accounting system",
    "enabled": True,
    "disabled_reason": None,
    "version": 1,
    "created_by": "admin",
    "created_at": "2026-11-22T10:41:19.123Z",
    "updated_at": "2026-11-22T10:41:19.123Z",
}

OPERATIONS = {
    routes.list_all: Operation(
        "list_notices",
        "List notices",
        TAG,
        {200: answer(NoticesOut, {"notices": [NOTICE]}, "A page of notices.", "Link")},
        query=NoticesIn,
        links=leads("id", "notices/0/id", "read_notice", "redeliver_notice"),
        more="For those who control all jobs of the tenant.",
    ),
    routes.read: Operation(
        "read_notice",
        "Read a notice and the log of its tries",
        TAG,
        {200: answer(NoticeWithLogOut, {**NOTICE, "log": [TRY]}, "The notice.")},
        more="For those who may read its job; who may not control that sees of a webhook its host alone.",
    ),
    routes.redeliver: Operation(
        "redeliver_notice",
        "Deliver a notice again",
        TAG,
        {200: answer(NoticeOut, NOTICE, "The notice as it is now.")},
        errors=(Conflict,),
        more="Whatever became of it, and at once; the receiver sees the same id. For those who control its job.",
    ),
    routes.list_of_job: Operation(
        "list_notices_of_job",
        "List a job's notices",
        TAG,
        {200: answer(NoticesOut, {"notices": [NOTICE]}, "A page of notices.", "Link")},
        query=PageIn,
    ),
    endpoint_routes.create: Operation(
        "create_webhook_endpoint",
        "Make a webhook endpoint",
        TAG,
        {
            201: answer(
                EndpointWithSecretOut,
                {**ENDPOINT, "secret": _SECRET},
                "The endpoint.",
                "ETag",
                "Cache-Control",
            )
        },
        body=body(
            EndpointIn, {"url": ENDPOINT["url"], "on": ENDPOINT["on"], "description": ENDPOINT["description"]}
        ),
        errors=(Conflict,),
        links=leads(
            "id",
            "id",
            "read_webhook_endpoint",
            "modify_webhook_endpoint",
            "rotate_webhook_endpoint",
            "delete_webhook_endpoint",
        ),
        more="It is told of the end of every job of the tenant, in the words of Standard Webhooks.",
    ),
    endpoint_routes.list_: Operation(
        "list_webhook_endpoints",
        "List webhook endpoints",
        TAG,
        {200: answer(EndpointsOut, {"webhook_endpoints": [ENDPOINT]}, "A page of endpoints.", "Link")},
        query=PageIn,
    ),
    endpoint_routes.read: Operation(
        "read_webhook_endpoint",
        "Read a webhook endpoint",
        TAG,
        {200: answer(EndpointOut, ENDPOINT, "The endpoint.", "ETag"), 304: UNCHANGED},
        takes=("If-None-Match",),
        more="Without its secret.",
    ),
    endpoint_routes.patch: Operation(
        "modify_webhook_endpoint",
        "Modify a webhook endpoint",
        TAG,
        {200: answer(EndpointOut, ENDPOINT, "The endpoint as it is now.", "ETag")},
        body=body(EndpointPatch, {"enabled": False}, also=(_MERGE_PATCH,)),
        takes=("If-Match",),
        errors=(PreconditionFailed,),
    ),
    endpoint_routes.delete: Operation(
        "delete_webhook_endpoint",
        "Remove a webhook endpoint",
        TAG,
        {204: NO_CONTENT},
        takes=("If-Match",),
        errors=(PreconditionFailed,),
    ),
    endpoint_routes.rotate: Operation(
        "rotate_webhook_endpoint",
        "Give a webhook endpoint a new secret",
        TAG,
        {
            200: answer(
                EndpointWithSecretOut,
                {**ENDPOINT, "secret": _SECRET},
                "The endpoint.",
                "ETag",
                "Cache-Control",
            )
        },
        body=body(RotateSecretIn, {"grace_seconds": 86_400}, required=False),
        takes=("If-Match",),
        errors=(PreconditionFailed,),
    ),
    endpoint_routes.read_secret: Operation(
        "read_webhook_secret",
        "Read the secret of the jobs' own webhooks",
        TAG,
        {200: answer(SecretOut, {"secret": _SECRET}, "The secret.", "Cache-Control")},
        more="Webhooks that jobs ask for by `notify.webhook_url` are signed with it.",
    ),
    endpoint_routes.rotate_own_secret: Operation(
        "rotate_webhook_secret",
        "Make a new secret for the jobs' own webhooks",
        TAG,
        {200: answer(SecretOut, {"secret": _SECRET}, "The new secret.", "Cache-Control")},
        body=body(RotateSecretIn, {"grace_seconds": 86_400}, required=False),
    ),
}

_ENDPOINT = {
    "url": "Where webhooks are sent to.",
    "on": "The ends that are told.",
    "description": "What it is for.",
    "enabled": "Whether it is told.",
    "disabled_reason": "Why it is off, when nobody has switched it off.",
}

_NOTICE = {
    "id": "Stable: a webhook's `webhook-id`, and part of a mail's Message-ID.",
    "number": "A growing integer.",
    "job_number": "The number of that job.",
    "job_id": "The job whose end it tells of.",
    "run": "Which run of the job.",
    "status": "How the job ended.",
    "kind": "The way it goes.",
    "target": "The address, or the URL.",
    "endpoint_id": "The tenant's webhook endpoint; null when the job asked for it.",
    "state": "Where it stands; `undeliverable` are mails while no mail server is set.",
    "tries": "How often it was tried.",
    "last_error": "What was wrong the last time.",
    "ended_at": "When it was delivered, or given up.",
    "next_at": "When it is tried next; null when it has ended.",
    "held_until": "Others on the same way have failed: until then it waits, and spends no try.",
}

WORDS = {
    **{f"{shape}.{name}": word for shape in ("Notice", "NoticeWithLog") for name, word in _NOTICE.items()},
    "NoticeWithLog.log": "The last tries, newest first.",
    "Try.number": "Counted from 1.",
    "Try.at": "When it began.",
    "Try.milliseconds": "How long it took.",
    "Try.outcome": "What became of it; after `refused` and `gone` there is no other.",
    "Try.status": "What the receiver answered, if it did.",
    "Try.error": "What was wrong.",
    "NoticesIn.state": "Those that stand there.",
    "NoticesIn.kind": "Those that go this way.",
    "NoticesIn.job": "Of these jobs.",
    "NoticesIn.endpoint": "To these webhook endpoints.",
    "notices": "Newest first.",
    "webhook_endpoints": "Newest first.",
    **{
        f"{shape}.{name}": word
        for shape in ("Endpoint", "EndpointWithSecret", "EndpointIn", "EndpointPatch")
        for name, word in _ENDPOINT.items()
    },
    "EndpointWithSecret.secret": "What signatures are verified with; shown this once.",
    "Secret.secret": "What signatures are verified with.",
    "RotateSecretIn.grace_seconds": "For so long webhooks are signed with the former one too.",
}
