"""The routes of keys and tenants, for the OpenAPI document."""

from service.access import login_routes, routes, sessions
from service.access.listing import PageIn
from service.access.schemas import (
    TENANT_CODE,
    KeyIn,
    KeysOut,
    KeyWithSecretOut,
    NewTenantOut,
    RotateIn,
    TenantIn,
    TenantsOut,
)
from service.access.sessions import SessionIn, SessionOut, TicketOut
from service.errors import Conflict, Forbidden, NotFound, Unauthenticated
from service.web.described import NO_CONTENT, Answer, Operation, answer, body, leads
from service.web.shapes import ecma

TAG = "Keys and tenants"

KEY = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e70",
    "name": "nightly import",
    "principal": "anna@example.org",
    "roles": ["user"],
    "grants": ["jobs:read_all"],
    "created_at": "2026-11-22T10:41:19.123Z",
    "expires_at": None,
    "last_used_at": None,
}
WITH_SECRET = {**KEY, "secret": "the whole token, shown this once"}
TENANT = {"code": "comune-di-example", "name": "Comune di Example", "created_at": "2026-11-22T10:41:19.123Z"}
ADMIN = {**WITH_SECRET, "name": "first key", "principal": "admin", "roles": ["admin"], "grants": []}
SESSION = {"tenant": "default", "principal": "anna@example.org", "expires_at": "2026-11-29T10:41:19.123Z"}
TICKET = {"ticket": "what the address carries, this once", "expires_at": "2026-11-22T11:41:19.123Z"}
OPERATIONS = {
    routes.create_key: Operation(
        "create_key",
        "Make a key",
        TAG,
        {201: answer(KeyWithSecretOut, WITH_SECRET, "The key with its secret.")},
        body=body(
            KeyIn,
            {
                "name": "nightly import",
                "principal": "anna@example.org",
                "roles": ["user"],
                "grants": ["jobs:read_all"],
            },
        ),
        links=leads("id", "id", "rotate_key", "delete_key"),
    ),
    routes.list_keys: Operation(
        "list_keys",
        "List keys",
        TAG,
        {200: answer(KeysOut, {"keys": [KEY]}, "A page of keys.", "Link")},
        query=PageIn,
    ),
    routes.delete_key: Operation("delete_key", "Revoke a key", TAG, {204: NO_CONTENT}, errors=(Conflict,)),
    routes.rotate_key: Operation(
        "rotate_key",
        "Give a key a new secret",
        TAG,
        {200: answer(KeyWithSecretOut, WITH_SECRET, "The key with its new secret.")},
        body=body(RotateIn, {"grace_seconds": 3600}, required=False),
    ),
    routes.create_tenant: Operation(
        "create_tenant",
        "Make a tenant",
        TAG,
        {201: answer(NewTenantOut, {**TENANT, "admin_key": ADMIN}, "The tenant with its first key.")},
        body=body(TenantIn, {"code": TENANT["code"], "name": TENANT["name"]}),
        errors=(Conflict,),
        links=leads("code", "code", "delete_tenant"),
    ),
    routes.list_tenants: Operation(
        "list_tenants",
        "List tenants",
        TAG,
        {200: answer(TenantsOut, {"tenants": [TENANT]}, "A page of tenants.", "Link")},
        query=PageIn,
    ),
    routes.delete_tenant: Operation(
        "delete_tenant",
        "Remove a tenant",
        TAG,
        {204: NO_CONTENT},
        errors=(Conflict,),
        path={"code": {"type": "string", "pattern": ecma(TENANT_CODE.pattern)}},
    ),
    sessions.create_session: Operation(
        "create_session",
        "Log a browser in",
        TAG,
        {201: answer(SessionOut, SESSION, "The session has begun.", "Set-Cookie")},
        body=body(SessionIn, {"key": WITH_SECRET["secret"]}),
        errors=(Unauthenticated, Forbidden),
        more=(
            "Either `key` or `ticket`. A session may do what its key may, and ends with it, or after a week. Its calls "
            "that change something need the header `X-Lavori-Dashboard`, of any value."
        ),
    ),
    sessions.delete_session: Operation(
        "delete_session",
        "Log a browser out",
        TAG,
        {204: Answer("Done; there is nothing to say.", headers=("Set-Cookie",))},
        errors=(NotFound,),
    ),
    login_routes.begin_login: Operation(
        "begin_login",
        "Log a browser in at the provider",
        TAG,
        {303: Answer("To the provider's login.", headers=("Location", "Set-Cookie", "Cache-Control"))},
        query=login_routes.LoginIn,
        errors=(Forbidden, NotFound),
        more="404 where no provider is configured. What goes wrong is a page, for who asks for HTML.",
    ),
    login_routes.finish_login: Operation(
        "finish_login",
        "Come back from the provider",
        TAG,
        {303: Answer("To the dashboard, logged in.", headers=("Location", "Set-Cookie", "Cache-Control"))},
        more_query=tuple(
            {"name": name, "in": "query", "description": told, "schema": {"type": "string"}}
            for name, told in {
                "state": "Which login this ends.",
                "code": "What the provider gives a token for.",
                "iss": "The provider's name, where it sends it.",
                "error": "Why the provider gives no code.",
            }.items()
        ),
        errors=(Forbidden, NotFound),
        more="404 where no provider is configured. What goes wrong is a page, for who asks for HTML.",
    ),
    sessions.create_ticket: Operation(
        "create_ticket",
        "Make a ticket to a session",
        TAG,
        {201: answer(TicketOut, TICKET, "The ticket.")},
        more="The dashboard's address takes it behind the `#`: `/#ticket=…`.",
    ),
}

WORDS = {
    "last_used_at": "When it was last used, to the minute; null for never.",
    "secret": "The whole token, which is shown this once.",
    "roles": "What the key may do.",
    "grants": "Single permissions besides the roles'.",
    "principal": "The person or program that it stands for.",
    "grace_seconds": "How long the former token stays good.",
    "keys": "The live keys, newest first.",
    "tenants": "By code.",
    "key_id": "The key that was used; null where it was none.",
    "tenant": "The code of the tenant.",
    "admin_key": "A key of an admin of the new tenant.",
    "key": "The whole token of a key.",
    "place": "Where the dashboard opens: what stands behind its `#`.",
    "ticket": "The token of a ticket; it works once, within the hour.",
    "TenantIn.code": "Its code, for good.",
    "Tenant.code": "Its code.",
    "NewTenant.code": "Its code.",
}
