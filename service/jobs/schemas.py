"""What the calls about jobs take: marshmallow is the one description of every shape."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields, validate

from service.jobs.selection import fields_in, include_in
from service.jobs.states import Priority, Status
from service.settings import LANGUAGES
from service.web.flag import Flag

MOST_IN_A_CALL = 1_000
MOST_LABELS = 64

_SHORT = validate.Length(max=200)
TAG = validate.Regexp(r"[A-Za-z0-9_.-]{0,64}\Z", error="must be at most 64 of A-Z a-z 0-9 _ . -")
# Beyond these years PostgreSQL, Python and time zones do not agree on what a time is.
_YEARS = validate.Range(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_SHOWN_YEARS = {"pattern": r"^(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-"}
SCOPES = validate.OneOf(["public", "private", "organization"])
_DAY = 86_400


class Moment(fields.AwareDateTime):
    """A time with its zone, kept in UTC and to the millisecond: what comes in is what will be shown."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime:
        given = super()._deserialize(value, attr, data, **kwargs)
        try:
            moment = given.astimezone(UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _text(most: int) -> fields.String:
    return fields.String(load_default=None, allow_none=True, validate=validate.Length(max=most))


def time() -> Moment:
    return Moment(format="iso", load_default=None, allow_none=True, validate=_YEARS, metadata=_SHOWN_YEARS)


def _seconds(most: int) -> fields.Integer:
    return fields.Integer(strict=True, load_default=None, allow_none=True, validate=validate.Range(1, most))


def _labels() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.String(validate=validate.Length(max=256)),
        load_default=dict,
        validate=validate.Length(max=MOST_LABELS),
    )


class AttachmentIn(Schema):
    """An attachment: `file` is base64, a data: URL or a URL; `id` one of POST /api/attachments."""

    id = fields.UUID(load_default=None)
    file = fields.String(load_default=None)
    name = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=255))
    mime_type = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=255))


class NotifyIn(Schema):
    """Who is told of the end: addresses, and a webhook; `on` is which ends, `language` that of the mails."""

    emails = fields.List(
        fields.Email(validate=validate.Length(max=254)), load_default=list, validate=validate.Length(max=20)
    )
    on = fields.List(
        fields.String(validate=validate.OneOf([Status.FINISHED, Status.FAILED, Status.CANCELLED])),
        load_default=lambda: [Status.FINISHED, Status.FAILED],
    )
    webhook_url = fields.Url(
        load_default=None,
        allow_none=True,
        schemes={"http", "https"},
        require_tld=False,
        validate=validate.Length(max=2_000),
    )
    language = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(LANGUAGES))


class JobIn(Schema):
    """A job to be created (CONTRACT section 3, Create)."""

    type = fields.String(load_default=None, allow_none=True)
    definition = fields.String(load_default=None, allow_none=True)
    args = fields.Dict(load_default=dict)
    attachment = fields.Nested(AttachmentIn, load_default=None, allow_none=True)
    description = _text(4_000)
    category = fields.String(load_default=None, allow_none=True, validate=_SHORT)
    sub_category = fields.String(load_default=None, allow_none=True, validate=_SHORT)
    priority = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(Priority)))
    worker_tag = fields.String(load_default=None, allow_none=True, validate=TAG)
    labels = _labels()
    run_at = time()
    expires_in = _seconds(365 * _DAY)
    timeout_seconds = _seconds(7 * _DAY)
    max_attempts = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=validate.Range(1, 100)
    )
    publish_link_access_scope = fields.String(load_default="private", validate=SCOPES)
    can_rerun = Flag(load_default=None, allow_none=True)
    client_request_id = _text(255)
    correlation_id = _text(255)
    notify = fields.Nested(NotifyIn, load_default=None, allow_none=True)
    idempotency_key = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 64))


class JobPatch(Schema):
    """What PATCH may name. A field that is absent stays as it is; null puts it back to its default."""

    args = fields.Dict(allow_none=True)
    attachment = fields.Nested(AttachmentIn, allow_none=True)
    description = fields.String(allow_none=True, validate=validate.Length(max=4_000))
    category = fields.String(allow_none=True, validate=_SHORT)
    sub_category = fields.String(allow_none=True, validate=_SHORT)
    priority = fields.String(allow_none=True, validate=validate.OneOf(list(Priority)))
    worker_tag = fields.String(allow_none=True, validate=TAG)
    labels = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.String(allow_none=True, validate=validate.Length(max=256)),
        allow_none=True,
        validate=validate.Length(max=MOST_LABELS),
    )
    run_at = Moment(format="iso", allow_none=True, validate=_YEARS, metadata=_SHOWN_YEARS)
    expires_in = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 365 * _DAY))
    timeout_seconds = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 7 * _DAY))
    max_attempts = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 100))
    publish_link_access_scope = fields.String(allow_none=True, validate=SCOPES)
    can_rerun = Flag(allow_none=True)
    client_request_id = fields.String(allow_none=True, validate=validate.Length(max=255))
    correlation_id = fields.String(allow_none=True, validate=validate.Length(max=255))
    notify = fields.Dict(allow_none=True)  # a NotifyIn, once it is merged
    purge_at = Moment(format="iso", allow_none=True, validate=_YEARS, metadata=_SHOWN_YEARS)


class RerunIn(Schema):
    """`as_new` makes a new job with the same request instead of running this one again."""

    as_new = Flag(load_default=False)


def words(**kwargs: object) -> fields.List[str]:
    return fields.List(fields.String(**kwargs), load_default=None)  # type: ignore[arg-type]


class ReadIn(Schema):
    """The query of GET /api/jobs/{id}."""

    wait = fields.Integer(load_default=None, validate=validate.Range(0, 60))
    fields_ = fields_in()
    include = include_in()


class MessagesIn(Schema):
    """The query of GET /api/jobs/{id}/messages."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1_000))
    level = words(validate=validate.OneOf(["debug", "info", "warning", "error", "output"]))
