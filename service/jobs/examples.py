"""Examples of what goes in and comes out, for the OpenAPI document; a test holds them against the schemas."""

from typing import Any

from service.files.openapi import OUTPUT, UPLOAD

_SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"
_AT = "2026-11-22T10:41:19.123Z"

REQUEST: dict[str, Any] = {
    "type": "import_dovuti",
    "args": {"service_id": _SERVICE},
    "attachment": {"id": UPLOAD["id"]},
    "description": "Dues of November",
    "labels": {"team": "payments"},
}

CREATED: dict[str, Any] = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
    "number": 48213,
    "version": 1,
    "type": "import_dovuti",
    "definition": None,
    "status": "pending",
    "status_text": "Waiting",
    "percent_completed": 0,
    "running_output": None,
    "attachment": {name: UPLOAD[name] for name in ("name", "mime_type", "size", "sha256")} | {"url": None},
    "args": {"service_id": _SERVICE},
    "output": None,
    "response_type": None,
    "outputs": [],
    "publish_link": None,
    "publish_link_access_scope": "private",
    "publish_link_expires_at": None,
    "description": "Dues of November",
    "category": "Imports",
    "sub_category": "Dovuti",
    "priority": "default",
    "worker_tag": None,
    "queue": "default",
    "labels": {"team": "payments"},
    "client_request_id": None,
    "correlation_id": None,
    "idempotency_key": None,
    "run": 1,
    "attempt": 1,
    "max_attempts": 1,
    "timeout_seconds": 3600,
    "can_rerun": True,
    "cancel_requested": False,
    "error": None,
    "created_by": "anna@example.org",
    "modified_by": "anna@example.org",
    "run_at": None,
    "expires_at": None,
    "started_at": None,
    "terminated_at": None,
    "created_at": _AT,
    "updated_at": _AT,
    "purge_at": None,
}
JOB: dict[str, Any] = {
    **CREATED,
    "version": 7,
    "status": "running",
    "status_text": "Importing",
    "percent_completed": 42,
    "running_output": "row 42000 of 100000",
    "outputs": [OUTPUT],
    "started_at": "2026-11-22T10:41:20.004Z",
    "updated_at": "2026-11-22T10:41:25.480Z",
}
PROBLEM: dict[str, Any] = {
    "type": "/problems/wrong_state",
    "title": "Wrong state",
    "status": 409,
    "detail": "the job is finished; this needs it to be pending or suspended or running",
    "code": "wrong_state",
}
BATCH: list[dict[str, Any]] = [
    {"status": 201, "job": CREATED},
    {
        "status": 422,
        "problem": {
            "type": "/problems/invalid",
            "title": "Invalid request",
            "status": 422,
            "detail": "#/type: Missing data for required field.",
            "code": "invalid",
            "errors": [{"pointer": "#/type", "detail": "Missing data for required field."}],
        },
    },
]
ACTIONS: dict[str, Any] = {
    "matched": 2,
    "results": [
        {"id": JOB["id"], "status": 202, "problem": None},
        {"id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e63", "status": 409, "problem": PROBLEM},
    ],
}
ATTEMPT: dict[str, Any] = {
    "run": 1,
    "attempt": 1,
    "claim": 1,
    "worker": "host-1-4711-5d0c9a7e",
    "started_at": "2026-11-22T10:41:20.004Z",
    "ended_at": "2026-11-22T10:41:31.900Z",
    "outcome": "failed",
    "error": {"code": "unreadable_file", "message": "The file can't be read.", "retryable": False},
}
MESSAGE: dict[str, Any] = {
    "seq": 5,
    "time": "2026-11-22T10:41:24.800Z",
    "level": "info",
    "text": "row 40000 of 100000",
    "tool_id": None,
}
EXPLANATION: dict[str, Any] = {
    "reason": "waiting_turn",
    "detail": "2 jobs go before this one.",
    "position": 3,
    "ahead": 2,
    "estimated_start_at": "2026-11-22T10:42:00.000Z",
    "estimated_end_at": "2026-11-22T10:42:11.900Z",
}
STATS: dict[str, Any] = {
    "window_seconds": 3600,
    "by_status": {
        "pending": 3,
        "suspended": 0,
        "running": 1,
        "finished": 1204,
        "failed": 6,
        "cancelled": 2,
    },
    "by_type": {"import_dovuti": 1216},
    "by_queue": {"default": 1216},
    "throughput_per_minute": 20.083,
    "wait_seconds": {"p50": 0.021, "p95": 0.409},
    "run_seconds": {"p50": 11.6, "p95": 48.2},
    "oldest_waiting_seconds": 1.204,
    "workers": [
        {
            "id": "host-1/4711",
            "tags": ["*"],
            "concurrency": 100,
            "running": 1,
            "version": "0.1.0",
            "started_at": "2026-11-22T08:00:00.000Z",
            "beat_at": "2026-11-22T10:41:25.100Z",
            "draining": False,
            "drain_requested_at": None,
        }
    ],
}
DETAILS: dict[str, Any] = {
    "window_seconds": 3600,
    "step_seconds": 60.0,
    "points": [
        {
            "at": "2026-11-22T10:41:26.000Z",
            "ended": 24,
            "failed": 1,
            "sampled": False,
            "wait_p50": 0.021,
            "wait_p95": 0.409,
            "run_p50": 11.6,
            "run_p95": 48.2,
        }
    ],
    "failing": [{"type": "import_dovuti", "failed": 6, "error_code": "missing_columns"}],
    "queues": [{"queue": "default", "pending": 3, "suspended": 0, "running": 1}],
}
STREAM = """retry: 2000

id: 7
event: job
data: {"id":"0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f","version":7,"status":"running"}

: ping

"""
