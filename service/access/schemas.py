"""What the calls about keys and tenants take."""

import re
from datetime import UTC, datetime

from marshmallow import Schema, fields, validate

from service.access.principal import ROLES, Permission
from service.web.described import Shown

TENANT_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
LONGEST_NAME = 200
LONGEST_GRACE = 30 * 24 * 3600

ONE_LINE = r"(?!\s)[^\x00-\x1f\x7f]*(?<!\s)\Z"
# `*` would read as everybody where a definition is shared.
_NAME = [
    validate.Length(min=1, max=LONGEST_NAME),
    validate.Regexp(ONE_LINE, error="must be one line without space around it"),
]
_PRINCIPAL = [*_NAME, validate.NoneOf(["*"])]
# A time zone may move a time by a day: beyond these PostgreSQL and Python do not agree on what a time is.
YEARS = validate.Range(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_SHOWN_YEARS = {"pattern": r"^(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-"}


class KeyIn(Schema):
    """A new key."""

    name = fields.String(required=True, validate=_NAME)
    principal = fields.String(required=True, validate=_PRINCIPAL)
    roles = fields.List(fields.String(validate=validate.OneOf(list(ROLES))), load_default=list)
    grants = fields.List(fields.String(validate=validate.OneOf(list(Permission))), load_default=list)
    expires_at = fields.AwareDateTime(
        format="iso", allow_none=True, load_default=None, validate=YEARS, metadata=_SHOWN_YEARS
    )


class RotateIn(Schema):
    """How a key is rotated: the former token stays good for this many seconds."""

    grace_seconds = fields.Integer(
        strict=True, load_default=0, validate=validate.Range(min=0, max=LONGEST_GRACE)
    )


class TenantIn(Schema):
    """A new tenant."""

    code = fields.String(
        required=True,
        validate=validate.Regexp(
            TENANT_CODE, error="must be 1 to 64 of A-Z a-z 0-9 _ . - and begin with a letter or a digit"
        ),
    )
    name = fields.String(required=True, validate=_NAME)


class KeyOut(Shown):
    """A key, without its secret."""

    id = fields.UUID()
    name = fields.String()
    principal = fields.String()
    roles = fields.List(fields.String(validate=validate.OneOf(list(ROLES))))
    grants = fields.List(fields.String(validate=validate.OneOf(list(Permission))))
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)
    last_used_at = fields.AwareDateTime(allow_none=True)


class KeyWithSecretOut(KeyOut):
    """A key with its token, which is shown this once."""

    secret = fields.String()


class KeysOut(Shown):
    """A page of keys, newest first."""

    sometimes = frozenset({"next"})

    keys = fields.List(fields.Nested(KeyOut))
    next = fields.String()


class TenantOut(Shown):
    """A tenant."""

    code = fields.String(validate=validate.Regexp(TENANT_CODE))
    name = fields.String()
    created_at = fields.AwareDateTime()


class NewTenantOut(TenantOut):
    """A new tenant, with an admin key of it."""

    admin_key = fields.Nested(KeyWithSecretOut)


class TenantsOut(Shown):
    """A page of tenants, by code."""

    sometimes = frozenset({"next"})

    tenants = fields.List(fields.Nested(TenantOut))
    next = fields.String()


def tenant_code(text: str) -> str:
    """The text, when it can be a tenant's code; raises ValueError."""
    if not TENANT_CODE.match(text):
        raise ValueError(text)
    return text
