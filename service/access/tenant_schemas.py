"""What the calls about one's own tenant take and show."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from service.access.principal import ROLES, Permission
from service.access.schemas import LONGEST_NAME, ONE_LINE, TENANT_CODE
from service.web.described import Shown

MOST = 2**31 - 1
MOST_BYTES = 2**53  # what JSON's readers keep exactly
LONGEST_RETENTION_DAYS = 36_500
LONGEST_LINK_SECONDS = 10 * 366 * 86_400
LINK_SECONDS = 604_800  # as in schema.sql: what null goes back to

CAPS: Mapping[str, tuple[int, int]] = {
    "queued": (0, MOST),
    "running": (0, MOST),
    "storage_bytes": (0, MOST_BYTES),
    "requests_per_minute": (1, MOST),  # of none, nobody could ask for more
    "waiters": (0, MOST),
}
RETENTION = ("jobs", "messages", "attachments", "outputs")


def _whole(least: int, most: int, **how: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(least, most), **how)


def _text(**how: Any) -> fields.String:
    return fields.String(
        validate=[
            validate.Length(1, LONGEST_NAME),
            validate.Regexp(ONE_LINE, error="must be one line without space around it"),
        ],
        **how,
    )


class CapsIn(Schema):
    """Those caps that change; null for none."""

    queued = _whole(*CAPS["queued"], allow_none=True)
    running = _whole(*CAPS["running"], allow_none=True)
    storage_bytes = _whole(*CAPS["storage_bytes"], allow_none=True)
    requests_per_minute = _whole(*CAPS["requests_per_minute"], allow_none=True)
    waiters = _whole(*CAPS["waiters"], allow_none=True)


class RetentionIn(Schema):
    """Those times that change, in days; null for ever."""

    jobs = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    messages = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    attachments = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    outputs = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)


class TenantPatch(Schema):
    """PATCH /api/tenant, a JSON Merge Patch: what is not named stays, null goes back to the default."""

    name = _text()
    account_code = _text(allow_none=True)
    database_name = _text(allow_none=True)
    caps = fields.Nested(CapsIn, allow_none=True)
    key_requests_per_minute = _whole(1, MOST, allow_none=True)
    retention = fields.Nested(RetentionIn, allow_none=True)
    link_lifetime_seconds = _whole(1, LONGEST_LINK_SECONDS, allow_none=True)


class CapsOut(Shown):
    """What the tenant may have at once; null for no cap."""

    queued = _whole(*CAPS["queued"], allow_none=True)
    running = _whole(*CAPS["running"], allow_none=True)
    storage_bytes = _whole(*CAPS["storage_bytes"], allow_none=True)
    requests_per_minute = _whole(*CAPS["requests_per_minute"], allow_none=True)
    waiters = _whole(*CAPS["waiters"], allow_none=True)


class RetentionOut(Shown):
    """For how many days things are kept after their job has ended; null for ever."""

    jobs = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    messages = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    attachments = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)
    outputs = _whole(1, LONGEST_RETENTION_DAYS, allow_none=True)


class TenantEndpointOut(Shown):
    """A receiver that is told of every end of the tenant's jobs."""

    id = fields.UUID()
    url = fields.String()
    on = fields.List(fields.String())
    enabled = fields.Boolean()


class OwnTenantOut(Shown):
    """The caller's tenant."""

    code = fields.String(validate=validate.Regexp(TENANT_CODE))
    name = fields.String()
    account_code = fields.String(allow_none=True)
    database_name = fields.String(allow_none=True)
    caps = fields.Nested(CapsOut)
    key_requests_per_minute = _whole(1, MOST, allow_none=True)
    retention = fields.Nested(RetentionOut)
    link_lifetime_seconds = _whole(1, LONGEST_LINK_SECONDS)
    webhook_endpoints = fields.List(fields.Nested(TenantEndpointOut))
    created_at = fields.AwareDateTime()


class UsedOut(Shown):
    """What the tenant uses of each limit."""

    queued = _whole(0, MOST_BYTES)
    running = _whole(0, MOST_BYTES)
    storage_bytes = _whole(0, MOST_BYTES)
    requests_per_minute = _whole(0, MOST, allow_none=True)
    waiters = _whole(0, MOST)


class MeOut(Shown):
    """Who calls, and what they may do."""

    tenant = fields.String()
    principal = fields.String()
    roles = fields.List(fields.String(validate=validate.OneOf(list(ROLES))))
    grants = fields.List(fields.String(validate=validate.OneOf(list(Permission))))
    key_id = fields.UUID(allow_none=True)
    limits = fields.Nested(CapsOut)
    used = fields.Nested(UsedOut)
