"""The routes of one's own tenant and of the audit, for the OpenAPI document."""

from marshmallow import fields

from service.access import tenant_routes, trail
from service.access.openapi import KEY, TAG
from service.access.tenant_schemas import MeOut, OwnTenantOut, TenantPatch
from service.access.trail import AuditIn
from service.errors import PreconditionFailed
from service.web.described import UNCHANGED, Operation, Shown, answer, body

CAPS = {
    "queued": 1000,
    "running": 10,
    "storage_bytes": None,
    "requests_per_minute": 600,
    "waiters": None,
}
TENANT = {
    "code": "comune-di-example",
    "name": "Comune di Example",
    "account_code": "C-1042",
    "database_name": "example",
    "caps": CAPS,
    "key_requests_per_minute": None,
    "retention": {"jobs": 365, "messages": 90, "attachments": 30, "outputs": 90},
    "link_lifetime_seconds": 604_800,
    "webhook_endpoints": [
        {
            "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e90",
            "url": "https://www.example.org/hooks/jobs",
            "on": ["finished", "failed"],
            "enabled": True,
        }
    ],
    "created_at": "2026-11-22T10:41:19.123Z",
}
ME = {
    "tenant": "default",
    "principal": "anna@example.org",
    "roles": ["user"],
    "grants": ["jobs:read_all"],
    "key_id": KEY["id"],
    "limits": CAPS,
    "used": {"queued": 17, "running": 2, "storage_bytes": 73400320, "requests_per_minute": 41, "waiters": 0},
}
ROW = {
    "id": 4711,
    "at": "2026-11-22T10:41:19.123Z",
    "principal": "anna@example.org",
    "key_id": KEY["id"],
    "action": "modify",
    "object_type": "tenant",
    "object_id": "default",
    "address": "192.0.2.7",
    "request_id": "debb592b7d4cc471cd29b806",
    "changes": {"link_lifetime_seconds": [604_800, 86_400]},
}


class AuditRowOut(Shown):
    """What somebody did."""

    id = fields.Integer()
    at = fields.AwareDateTime()
    principal = fields.String()
    key_id = fields.UUID(allow_none=True)
    action = fields.String()
    object_type = fields.String()
    object_id = fields.String(allow_none=True)
    address = fields.String(allow_none=True)
    request_id = fields.String(allow_none=True)
    changes = fields.Dict(keys=fields.String(), allow_none=True)


class AuditOut(Shown):
    """A page of the audit, newest first."""

    sometimes = frozenset({"next"})

    audit = fields.List(fields.Nested(AuditRowOut))
    next = fields.String()


OPERATIONS = {
    tenant_routes.read_tenant: Operation(
        "read_tenant",
        "Read one's tenant",
        TAG,
        {200: answer(OwnTenantOut, TENANT, "The tenant.", "ETag"), 304: UNCHANGED},
        takes=("If-None-Match",),
    ),
    tenant_routes.change_tenant: Operation(
        "change_tenant",
        "Change one's tenant",
        TAG,
        {200: answer(OwnTenantOut, TENANT, "The tenant as it is now.", "ETag")},
        body=body(
            TenantPatch,
            {"caps": {"queued": 1000, "storage_bytes": None}, "retention": {"outputs": 90}},
            also=("application/merge-patch+json",),
        ),
        takes=("If-Match",),
        errors=(PreconditionFailed,),
    ),
    tenant_routes.me: Operation("read_me", "Who am I", TAG, {200: answer(MeOut, ME, "The caller.")}),
    trail.audit: Operation(
        "list_audit",
        "Read the audit",
        TAG,
        {200: answer(AuditOut, {"audit": [ROW]}, "A page of the audit.", "Link")},
        query=AuditIn,
        more="Each change that the API has made leaves one row, in the transaction of the change itself. Rows are only "
        "ever added: the database refuses to change or remove one.",
    ),
}

WORDS = {
    "account_code": "The tenant's number at the operator's accounts, if any.",
    "database_name": "The name of the tenant's database elsewhere, if any.",
    "caps": "What the tenant may have at once; null for no cap.",
    "retention": "For how many days things are kept after their job has ended; null for ever.",
    "key_requests_per_minute": "How many of the tenant's requests one single key may make in a minute; null for all.",
    "webhook_endpoints": "Who is told of every end of its jobs; to be changed at /api/webhook-endpoints.",
    "link_lifetime_seconds": "How long a job's publish link is good, in seconds from the job's end.",
    "OwnTenant.code": "Its code, which never changes.",
    "OwnTenant.name": "What people call it.",
    "TenantPatch.name": "What people call it.",
    "Retention.jobs": "Days until the job goes, with all that is its.",
    "Retention.messages": "Days until its messages go.",
    "Retention.attachments": "Days until its attachment goes; it can't be run again then.",
    "Retention.outputs": "Days until its output files go.",
    "RetentionIn.jobs": "Days until the job goes, with all that is its.",
    "RetentionIn.messages": "Days until its messages go.",
    "RetentionIn.attachments": "Days until its attachment goes; it can't be run again then.",
    "RetentionIn.outputs": "Days until its output files go.",
    "queued": "Jobs that wait or are suspended. Over the cap, creating and rerunning are refused.",
    "running": "Jobs that run. Over the cap nothing is refused: jobs wait.",
    "storage_bytes": "Bytes of files. Over the cap uploads are refused, and jobs that make files fail.",
    "requests_per_minute": "Requests of all the tenant's keys in a minute.",
    "waiters": "Requests that wait at once, in each API process.",
    "used": "What the tenant uses of each limit; of requests and waiters what this process knows, of requests null "
    "without a limit.",
    "limits": "The tenant's caps; null for none.",
    "audit": "Newest first.",
    "AuditRow.id": "Grows with each row.",
    "AuditRow.at": "When.",
    "AuditRow.principal": "Who did it.",
    "AuditRow.action": "What was done, as a verb.",
    "AuditRow.object_type": "To what kind of thing.",
    "AuditRow.object_id": "To which one: its id, or its code.",
    "AuditRow.address": "From which address; null where nobody asked.",
    "AuditRow.request_id": "The `X-Request-Id`, which leads to the log.",
    "AuditRow.changes": "Each field that changed: what it was, and what it is. Secrets are `***`.",
    "AuditRow.key_id": "The key that was used; null where it was none.",
    "Audit.principal": "Only what this principal did.",
    "AuditIn.principal": "Only what this principal did.",
    "AuditIn.action": "Only this action.",
    "AuditIn.object_type": "Only to things of this kind.",
    "AuditIn.object_id": "Only to the thing with this id or code.",
    "AuditIn.from_": "Not before this time.",
    "AuditIn.to": "Not after this time.",
}
