"""What the calls about definitions and schedules take and show."""

import re
from typing import Any
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, validate

from service.access.schemas import LONGEST_NAME
from service.definitions.cron import LONGEST, BadCron, Cron
from service.definitions.fires import SKIPPED, Policy
from service.jobs.schemas import MOST_LABELS, SCOPES, TAG, AttachmentIn, JobIn, JobPatch, time, words
from service.jobs.shown import AttachmentOut
from service.jobs.states import Priority
from service.web.described import Shown
from service.web.flag import Flag

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")
MOST_SHARED = 100
MOST_FIRES = 1_000
LONGEST_JITTER = 3_600
_DAY = 86_400
_ZONES = available_timezones() - {"Factory", "localtime"}  # what a machine is set to is no place
MISFIRES = ("skip", "once", "all")
OVERLAPS = ("allow", "skip", "wait")
OUTCOMES = ("fired", "waiting", "missed", "overlapped", "refused", "left_out")


def _is_cron(text: str) -> None:
    try:
        Cron(text)
    except BadCron as error:
        raise ValidationError(str(error)) from None


def _is_zone(name: str) -> None:
    if name not in _ZONES:
        raise ValidationError("is no time zone of the IANA, such as Europe/Rome")


class ClockIn(Schema):
    """The times of a schedule."""

    cron = fields.String(required=True, validate=_is_cron, metadata={"maxLength": LONGEST})
    timezone = fields.String(load_default="UTC", validate=_is_zone)
    dst_gap = fields.String(load_default="shift", validate=validate.OneOf(["shift", "skip"]))
    dst_fold = fields.String(load_default="first", validate=validate.OneOf(["first", "both"]))
    start_at = time()
    end_at = time()


class ScheduleIn(ClockIn):
    """A schedule, and what becomes of fires that are missed or meet another job of the definition."""

    enabled = Flag(load_default=True)
    misfire = fields.String(load_default="once", validate=validate.OneOf(MISFIRES))
    overlap = fields.String(load_default="allow", validate=validate.OneOf(OVERLAPS))
    jitter_seconds = fields.Integer(strict=True, load_default=0, validate=validate.Range(0, LONGEST_JITTER))


class PreviewIn(ScheduleIn):
    """A schedule that is only looked at: `count` fires from `start_at`, or from now."""

    count = fields.Integer(strict=True, load_default=10, validate=validate.Range(1, MOST_FIRES))


class OptionsIn(Schema):
    """Who is told of the ends of a definition's jobs."""

    skip_notification = Flag()
    send_completion_email = Flag()
    send_failure_email = Flag()
    email_list = fields.List(
        fields.Email(validate=validate.Length(max=254)), validate=validate.Length(max=20)
    )


_NAME = validate.Length(1, LONGEST_NAME)
_PRINCIPAL = validate.Length(1, LONGEST_NAME)


class DefinitionPut(Schema):
    """A definition, whole; its code stands in the path."""

    type = fields.String(required=True)
    name = fields.String(load_default=None, allow_none=True, validate=_NAME)
    description = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=4_000))
    args = fields.Dict(load_default=dict)
    attachment = fields.Nested(AttachmentIn, load_default=None, allow_none=True)
    priority = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(Priority)))
    worker_tag = fields.String(load_default=None, allow_none=True, validate=TAG)
    publish_link_access_scope = fields.String(load_default="private", validate=SCOPES)
    timeout_seconds = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=validate.Range(1, 7 * _DAY)
    )
    max_attempts = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=validate.Range(1, 100)
    )
    labels = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.String(validate=validate.Length(max=256)),
        load_default=dict,
        validate=validate.Length(max=MOST_LABELS),
    )
    shared_with = fields.List(
        fields.String(validate=_PRINCIPAL), load_default=list, validate=validate.Length(max=MOST_SHARED)
    )
    schedule = fields.Nested(ScheduleIn, load_default=None, allow_none=True)
    options = fields.Nested(OptionsIn, load_default=dict)


class SchedulePatch(Schema):
    """What a merge patch may say of a schedule; null puts a member back to its default."""

    cron = fields.String(validate=_is_cron, metadata={"maxLength": LONGEST})
    timezone = fields.String(allow_none=True, validate=_is_zone)
    enabled = Flag(allow_none=True)
    misfire = fields.String(allow_none=True, validate=validate.OneOf(MISFIRES))
    overlap = fields.String(allow_none=True, validate=validate.OneOf(OVERLAPS))
    dst_gap = fields.String(allow_none=True, validate=validate.OneOf(["shift", "skip"]))
    dst_fold = fields.String(allow_none=True, validate=validate.OneOf(["first", "both"]))
    jitter_seconds = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, LONGEST_JITTER))
    start_at = time()
    end_at = time()


class DefinitionPatch(JobPatch):
    """What a merge patch may say of a definition. What comes of it is checked as a DefinitionPut."""

    class Meta:
        """What a job has, and a definition has not."""

        exclude = (
            "category", "sub_category", "run_at", "expires_in", "can_rerun", "client_request_id", "correlation_id",
            "notify", "purge_at",
        )  # fmt: skip

    type = fields.String()
    name = fields.String(allow_none=True, validate=_NAME)
    shared_with = fields.List(
        fields.String(validate=_PRINCIPAL), allow_none=True, validate=validate.Length(max=MOST_SHARED)
    )
    schedule = fields.Nested(SchedulePatch, allow_none=True)
    options = fields.Nested(OptionsIn, allow_none=True)


class DefinitionIn(DefinitionPut):
    """A definition to be made."""

    code = fields.String(
        required=True,
        validate=validate.Regexp(
            CODE, error="must be 1 to 100 of A-Z a-z 0-9 _ . : - and begin with a letter or a digit"
        ),
    )


def _limit() -> fields.Integer:
    return fields.Integer(load_default=100, validate=validate.Range(1, 1_000))


class ExecuteIn(JobIn):
    """What a job has besides what its definition says; args and labels are merged with the definition's."""

    class Meta:
        """Both are the definition's to say."""

        exclude = ("type", "definition")


class DefinitionsIn(Schema):
    """The query of the list of definitions. A cursor is the code that a page ended with."""

    type = words()
    created_by = words()
    limit = _limit()
    cursor = fields.String(
        load_default=None, validate=validate.Regexp(CODE, error="is none that this list has given")
    )
    count = fields.Boolean(load_default=False, truthy={"true", "1"}, falsy={"false", "0"})


class FiresIn(Schema):
    """The query of a schedule's history. A cursor is the number of the fire that a page ended with."""

    outcome = words(validate=validate.OneOf(OUTCOMES))
    limit = _limit()
    cursor = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1))


def _word(choices: Any, **more: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(list(choices)), **more)


class ScheduleOut(Shown):
    """A schedule, and how far it has come."""

    cron = fields.String()
    timezone = fields.String()
    enabled = fields.Boolean()
    misfire = _word(MISFIRES)
    overlap = _word(OVERLAPS)
    dst_gap = _word(["shift", "skip"])
    dst_fold = _word(["first", "both"])
    jitter_seconds = fields.Integer(validate=validate.Range(0, LONGEST_JITTER))
    start_at = fields.AwareDateTime(allow_none=True)
    end_at = fields.AwareDateTime(allow_none=True)
    next_run_at = fields.AwareDateTime(allow_none=True)
    last_run_at = fields.AwareDateTime(allow_none=True)
    last_job_id = fields.UUID(allow_none=True)


class OptionsOut(Shown):
    """Who is told of the ends of a definition's jobs; what nobody has said is absent."""

    sometimes = frozenset({"skip_notification", "send_completion_email", "send_failure_email", "email_list"})

    skip_notification = fields.Boolean()
    send_completion_email = fields.Boolean()
    send_failure_email = fields.Boolean()
    email_list = fields.List(fields.String())


class DefinitionOut(Shown):
    """A definition."""

    code = fields.String()
    type = fields.String()
    name = fields.String()
    description = fields.String(allow_none=True)
    args = fields.Dict()
    attachment = fields.Nested(AttachmentOut, allow_none=True)
    priority = _word(Priority)
    worker_tag = fields.String(allow_none=True)
    publish_link_access_scope = _word(["public", "private", "organization"])
    timeout_seconds = fields.Integer(validate=validate.Range(1))
    max_attempts = fields.Integer(validate=validate.Range(1))
    labels = fields.Dict(values=fields.String())
    shared_with = fields.List(fields.String())
    schedule = fields.Nested(ScheduleOut, allow_none=True)
    options = fields.Nested(OptionsOut)
    version = fields.Integer(validate=validate.Range(1))
    created_by = fields.String()
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()


class DefinitionsOut(Shown):
    """A page of definitions, by code."""

    sometimes = frozenset({"next", "count"})

    job_definitions = fields.List(fields.Nested(DefinitionOut))
    count = fields.Integer(validate=validate.Range(0))
    next = fields.String()


class FireOut(Shown):
    """A time of a schedule, and what became of it."""

    at = fields.AwareDateTime()
    local = fields.String()
    policy = _word(Policy)
    outcome = _word(OUTCOMES)
    job_id = fields.UUID(allow_none=True)
    detail = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime()


class FiresOut(Shown):
    """A page of fires, newest first."""

    sometimes = frozenset({"next"})

    fires = fields.List(fields.Nested(FireOut))
    next = fields.String()


class PreviewedOut(Shown):
    """A time that a schedule will fire at."""

    at = fields.AwareDateTime()
    local = fields.String()
    policy = _word(policy for policy in Policy if policy not in SKIPPED)


class LeftOutOut(Shown):
    """A time that a schedule leaves out."""

    local = fields.String()
    policy = _word(SKIPPED)


class PreviewOut(Shown):
    """The next fires of a schedule, and what it leaves out between them."""

    fires = fields.List(fields.Nested(PreviewedOut))
    skipped = fields.List(fields.Nested(LeftOutOut))
