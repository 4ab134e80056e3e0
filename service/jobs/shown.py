"""What the calls about jobs answer: for the OpenAPI document, and held against real answers by a test."""

from typing import Any

from marshmallow import fields, validate

from service.files.schemas import OutputOut
from service.jobs.selection import FIELDS
from service.jobs.states import Priority, Status
from service.web.described import Shown

_LEVELS = ("debug", "info", "warning", "error", "output")
_SCOPES = ("public", "private", "organization")
_OUTCOMES = ("finished", "failed", "cancelled", "timed_out", "lost", "handed_back")
_REASONS = (
    "running", "terminal", "suspended", "scheduled", "no_worker", "no_worker_with_tag", "tenant_cap", "fair_share",
    "waiting_turn", "retry_backoff",
)  # fmt: skip
_SHA256 = validate.Regexp(r"[0-9a-f]{64}\Z")


def _one_of(words: Any, **more: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(list(words)), **more)


def _number(least: int | None = 0, most: int | None = None, **more: Any) -> fields.Integer:
    return fields.Integer(validate=validate.Range(least, most), **more)


def _text() -> fields.String:
    return fields.String(allow_none=True)


def _time() -> fields.AwareDateTime:
    return fields.AwareDateTime(allow_none=True)


def _seconds() -> fields.Float:
    return fields.Float(allow_none=True, validate=validate.Range(0))


class AttachmentOut(Shown):
    """The attachment of a job: a stored file, or a URL until a worker has fetched it."""

    name = fields.String()
    mime_type = fields.String()
    size = _number(allow_none=True)
    sha256 = fields.String(allow_none=True, validate=_SHA256)
    url = _text()


class ErrorOut(Shown):
    """Why a job, or an attempt, failed."""

    code = fields.String()
    message = fields.String()
    retryable = fields.Boolean()


class AttemptOut(Shown):
    """One claim of a job by a worker; neither end nor outcome while it runs."""

    run = _number(1)
    attempt = _number(1)
    claim = _number(1)
    worker = fields.String()
    started_at = fields.AwareDateTime()
    ended_at = _time()
    outcome = _one_of(_OUTCOMES, allow_none=True)
    error = fields.Nested(ErrorOut, allow_none=True)


class MessageOut(Shown):
    """What a job said while it ran."""

    seq = _number(1)
    time = fields.AwareDateTime()
    level = _one_of(_LEVELS)
    text = fields.String()
    tool_id = _text()


class JobOut(Shown):
    """The whole job."""

    sometimes = frozenset({"messages", "attempts"})

    id = fields.UUID()
    number = _number(1)
    version = _number(1)
    type = fields.String()
    definition = _text()
    status = _one_of(Status)
    status_text = fields.String()
    percent_completed = _number(0, 100)
    running_output = _text()
    attachment = fields.Nested(AttachmentOut, allow_none=True)
    args = fields.Dict()
    output = _text()
    response_type = _one_of(("inline", "publish_link"), allow_none=True)
    outputs = fields.List(fields.Nested(OutputOut))
    publish_link = fields.String(allow_none=True, metadata={"format": "uri"})
    publish_link_access_scope = _one_of(_SCOPES)
    publish_link_expires_at = _time()
    description = _text()
    category = _text()
    sub_category = _text()
    priority = _one_of(Priority)
    worker_tag = _text()
    queue = fields.String()
    labels = fields.Dict(keys=fields.String(), values=fields.String())
    client_request_id = _text()
    correlation_id = _text()
    idempotency_key = _text()
    run = _number(1)
    attempt = _number(1)
    max_attempts = _number(1)
    timeout_seconds = _number(1)
    can_rerun = fields.Boolean()
    cancel_requested = fields.Boolean()
    error = fields.Nested(ErrorOut, allow_none=True)
    created_by = fields.String()
    modified_by = fields.String()
    run_at = _time()
    expires_at = _time()
    started_at = _time()
    terminated_at = _time()
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()
    purge_at = _time()
    messages = fields.List(fields.Nested(MessageOut))
    attempts = fields.List(fields.Nested(AttemptOut))


class SomeOfJobOut(JobOut):
    """The members of a job that `fields` named, with what `include` added."""

    sometimes = frozenset({*FIELDS, "messages", "attempts"})


class JobsOut(Shown):
    """A page of jobs."""

    sometimes = frozenset({"next", "count"})

    jobs = fields.List(fields.Nested(SomeOfJobOut))
    next = fields.String()
    count = _number()


class AttemptsOut(Shown):
    """All attempts of a job, oldest first."""

    attempts = fields.List(fields.Nested(AttemptOut))


class MessagesOut(Shown):
    """A page of messages, oldest first."""

    sometimes = frozenset({"next"})

    messages = fields.List(fields.Nested(MessageOut))
    next = fields.String()


class PollOut(Shown):
    """Which jobs changed, and which are gone, or were never to be seen."""

    jobs = fields.List(fields.Nested(JobOut))
    gone = fields.List(fields.UUID())


class BatchItemOut(Shown):
    """What became of one item of a batch: a job, or a problem."""

    sometimes = frozenset({"job", "problem"})

    status = _number(200, 599)
    job = fields.Nested(JobOut)
    problem = fields.Dict(metadata={"json_schema": {"$ref": "#/components/schemas/Problem"}})


class ActionResultOut(Shown):
    """What happened to one job."""

    id = fields.String()
    status = _number(200, 599)
    problem = fields.Dict(
        allow_none=True,
        metadata={"json_schema": {"anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}},
    )


class ActionsOut(Shown):
    """How many jobs an action touches, and what happened to each."""

    matched = _number()
    results = fields.List(fields.Nested(ActionResultOut))


class ExplanationOut(Shown):
    """Why a job is not running, its place in the queue, and when it may start and end."""

    reason = _one_of(_REASONS)
    detail = fields.String()
    position = _number(1, allow_none=True)
    ahead = _number(allow_none=True)
    estimated_start_at = _time()
    estimated_end_at = _time()


class PercentilesOut(Shown):
    """Half of the jobs took no longer than `p50`, 95 of 100 no longer than `p95`; null without any."""

    p50 = _seconds()
    p95 = _seconds()


class WorkerOut(Shown):
    """A worker process that is alive."""

    id = fields.String()
    tags = fields.List(fields.String())
    concurrency = _number(1)
    running = _number()
    version = fields.String()
    started_at = fields.AwareDateTime()
    beat_at = fields.AwareDateTime()
    draining = fields.Boolean()
    drain_requested_at = _time()


class StatsOut(Shown):
    """How many jobs there are, how fast they go, who works."""

    window_seconds = _number(1)
    by_status = fields.Dict(keys=_one_of(Status), values=_number())
    by_type = fields.Dict(keys=fields.String(), values=_number())
    by_queue = fields.Dict(keys=fields.String(), values=_number())
    throughput_per_minute = fields.Float(validate=validate.Range(0))
    wait_seconds = fields.Nested(PercentilesOut)
    run_seconds = fields.Nested(PercentilesOut)
    oldest_waiting_seconds = _seconds()
    workers = fields.List(fields.Nested(WorkerOut))


class PointOut(Shown):
    """A step of the window: what ended in it."""

    at = fields.AwareDateTime()
    ended = _number()
    failed = _number()
    sampled = fields.Boolean()
    wait_p50 = _seconds()
    wait_p95 = _seconds()
    run_p50 = _seconds()
    run_p95 = _seconds()


class FailingOut(Shown):
    """A type of which jobs failed."""

    type = fields.String()
    failed = _number(1)
    error_code = fields.String(allow_none=True)


class QueueOut(Shown):
    """What a queue holds."""

    queue = fields.String()
    pending = _number()
    suspended = _number()
    running = _number()


class DetailsOut(Shown):
    """How it went over the window, which types fail, and what each queue holds."""

    window_seconds = _number(1)
    step_seconds = fields.Float(validate=validate.Range(0))
    points = fields.List(fields.Nested(PointOut))
    failing = fields.List(fields.Nested(FailingOut))
    queues = fields.List(fields.Nested(QueueOut))
