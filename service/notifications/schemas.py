"""What the calls about notices and webhook endpoints take and answer."""

from marshmallow import Schema, fields, validate

from service.access.listing import PageIn
from service.jobs.states import Status
from service.web.described import Shown
from service.web.flag import Flag

ENDS = (Status.FINISHED, Status.FAILED, Status.CANCELLED)
KINDS = ("email", "webhook")
STATES = ("pending", "undeliverable", "delivered", "dead")
OUTCOMES = ("delivered", "failed", "refused", "gone")
LONGEST_GRACE = 7 * 24 * 3600

_DESCRIPTION = validate.Length(max=200)


def _url() -> fields.Url:
    return fields.Url(schemes={"http", "https"}, require_tld=False, validate=validate.Length(max=2_000))


def _ends() -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.OneOf(list(ENDS))), validate=validate.Length(min=1, max=10)
    )


class EndpointIn(Schema):
    """A new webhook endpoint."""

    url = fields.Url(
        required=True, schemes={"http", "https"}, require_tld=False, validate=validate.Length(max=2_000)
    )
    on = fields.List(
        fields.String(validate=validate.OneOf(list(ENDS))),
        load_default=lambda: list(ENDS),
        validate=validate.Length(min=1, max=10),
    )
    description = fields.String(load_default=None, allow_none=True, validate=_DESCRIPTION)
    enabled = Flag(load_default=True)


class EndpointPatch(Schema):
    """What PATCH may name; what is absent stays as it is."""

    url = _url()
    on = _ends()
    description = fields.String(allow_none=True, validate=_DESCRIPTION)
    enabled = Flag()


class RotateSecretIn(Schema):
    """How a secret is rotated: for so many seconds webhooks are signed with the former one too."""

    grace_seconds = fields.Integer(
        strict=True, load_default=0, validate=validate.Range(min=0, max=LONGEST_GRACE)
    )


class EndpointOut(Shown):
    """A webhook endpoint, without its secret."""

    id = fields.UUID()
    url = fields.String()
    on = fields.List(fields.String(validate=validate.OneOf(list(ENDS))))
    description = fields.String(allow_none=True)
    enabled = fields.Boolean()
    disabled_reason = fields.String(allow_none=True)
    version = fields.Integer(validate=validate.Range(1))
    created_by = fields.String()
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()


class EndpointWithSecretOut(EndpointOut):
    """A webhook endpoint with the secret that it verifies signatures with, shown this once."""

    secret = fields.String()


class EndpointsOut(Shown):
    """A page of webhook endpoints, newest first."""

    sometimes = frozenset({"next"})

    webhook_endpoints = fields.List(fields.Nested(EndpointOut))
    next = fields.String()


class SecretOut(Shown):
    """The secret that webhooks are signed with which jobs ask for themselves."""

    secret = fields.String()


class NoticesIn(PageIn):
    """The query of GET /api/notices."""

    state = fields.List(fields.String(validate=validate.OneOf(list(STATES))), load_default=None)
    kind = fields.List(fields.String(validate=validate.OneOf(list(KINDS))), load_default=None)
    job = fields.List(fields.UUID(), load_default=None)
    endpoint = fields.List(fields.UUID(), load_default=None)


class TryOut(Shown):
    """One try to deliver a notice."""

    number = fields.Integer(validate=validate.Range(1))
    at = fields.AwareDateTime()
    milliseconds = fields.Integer(validate=validate.Range(0))
    outcome = fields.String(validate=validate.OneOf(list(OUTCOMES)))
    status = fields.Integer(allow_none=True)
    error = fields.String(allow_none=True)


class NoticeOut(Shown):
    """A notice: who is told of the end of which job, and how far that has come."""

    id = fields.UUID()
    number = fields.Integer(validate=validate.Range(1))
    job_id = fields.UUID()
    job_number = fields.Integer(validate=validate.Range(1))
    run = fields.Integer(validate=validate.Range(1))
    status = fields.String(validate=validate.OneOf(list(ENDS)))
    kind = fields.String(validate=validate.OneOf(list(KINDS)))
    target = fields.String()
    endpoint_id = fields.UUID(allow_none=True)
    state = fields.String(validate=validate.OneOf(list(STATES)))
    tries = fields.Integer(validate=validate.Range(0))
    last_error = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    ended_at = fields.AwareDateTime(allow_none=True)
    next_at = fields.AwareDateTime(allow_none=True)
    held_until = fields.AwareDateTime(allow_none=True)


class NoticeWithLogOut(NoticeOut):
    """A notice with its last tries, newest first."""

    log = fields.List(fields.Nested(TryOut))


class NoticesOut(Shown):
    """A page of notices, newest first."""

    sometimes = frozenset({"next"})

    notices = fields.List(fields.Nested(NoticeOut))
    next = fields.String()
