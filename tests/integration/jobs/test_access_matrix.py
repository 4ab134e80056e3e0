"""Every operation of the OpenAPI document for every kind of caller: who gets in, who gets a 403, who learns nothing."""

from typing import Any, NamedTuple

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession
from yarl import URL

from asking import ask, key_for, other_tenant, put_into
from service.app import create_app
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from service.web.dashboard import build
from service.web.openapi import DOCUMENT

CALLERS = ("nobody", "foreigner", "stranger", "viewer", "owner", "curator", "admin", "operator")
"""No token; another tenant's admin; another user; a viewer; the user whose things they are; …; who may make tenants."""

# What each caller gets, in the order of CALLERS; the things that calls are about are the owner's.
ALL = "200 200 200 200 200 200 200 200"
NOWHERE = "404 404 404 404 404 404 404 404"  # nobody has configured it here
ANYBODY = "401 200 200 200 200 200 200 200"
READ = "401 404 404 200 200 200 200 200"
WRITE = "401 404 404 403 200 200 200 200"
DELETE = "401 404 404 403 204 204 204 204"
ADD = "401 404 404 403 201 201 201 201"
CREATE = "401 201 201 403 201 201 201 201"
ADMINS = "401 200 403 403 403 403 200 200"
OPERATORS = "401 403 403 403 403 403 403 200"
ADMINS_OWN = "401 404 403 403 403 403 200 200"
# By operation: its path, its body, and what each caller gets.
ROWS: dict[str, tuple[str, Any, str]] = {
    "create_job": ("/api/jobs", {"type": "echo"}, CREATE),
    "list_jobs": ("/api/jobs", None, ANYBODY),
    "create_jobs": ("/api/jobs/batch", [{"type": "echo"}], "401 207 207 403 207 207 207 207"),
    "read_job": ("/api/jobs/{pending}", None, READ),
    "modify_job": ("/api/jobs/{pending}", {"category": "x"}, WRITE),
    "replace_job": ("/api/jobs/{pending}", {"type": "echo"}, WRITE),
    "delete_job": ("/api/jobs/{finished}", None, DELETE),
    "cancel_job": ("/api/jobs/{pending}/cancel", None, WRITE),
    "suspend_job": ("/api/jobs/{pending}/suspend", None, WRITE),
    "resume_job": ("/api/jobs/{suspended}/resume", None, WRITE),
    "rerun_job": ("/api/jobs/{finished}/rerun", None, WRITE),
    "list_attempts": ("/api/jobs/{pending}/attempts", None, READ),
    "list_messages": ("/api/jobs/{pending}/messages", None, READ),
    "read_stats": ("/api/stats", None, ANYBODY),
    "explain_job": ("/api/jobs/{pending}/explain", None, READ),
    "poll_jobs": ("/api/jobs/poll", {"jobs": [{"id": "{pending}", "version": 0}]}, ANYBODY),
    "stream_job": ("/api/jobs/{finished}/events", None, READ),
    "stream_jobs": ("/api/events", None, ANYBODY),
    "act_on_jobs": ("/api/jobs/actions", {"action": "cancel", "ids": ["{pending}"]}, ANYBODY),
    "list_workers": ("/api/workers", None, ANYBODY),
    "drain_worker": ("/api/workers/host-1-4711/drain", None, OPERATORS),
    "resume_worker": ("/api/workers/host-1-4711/resume", None, OPERATORS),
    "list_job_types": ("/api/job-types", None, ANYBODY),
    "read_job_type": ("/api/job-types/echo", None, ANYBODY),
    "create_job_definition": ("/api/job-definitions", {"code": "new", "type": "echo"}, CREATE),
    "list_job_definitions": ("/api/job-definitions", None, ANYBODY),
    "read_job_definition": ("/api/job-definitions/one", None, READ),
    "modify_job_definition": ("/api/job-definitions/one", {"name": "x"}, WRITE),
    "replace_job_definition": ("/api/job-definitions/one", {"type": "echo"}, WRITE),
    "delete_job_definition": ("/api/job-definitions/one", None, DELETE),
    "execute_job_definition": ("/api/job-definitions/one/execute", {}, ADD),
    "list_jobs_of_definition": ("/api/job-definitions/one/jobs", None, READ),
    "list_fires": ("/api/job-definitions/one/fires", None, READ),
    "preview_schedule": ("/api/schedules/preview", {"cron": "0 2 * * *"}, ANYBODY),
    "create_attachment": ("/api/attachments?name=x", b"x", CREATE),
    "read_attachment": ("/api/jobs/{finished}/attachment", None, READ),
    "list_outputs": ("/api/jobs/{finished}/outputs", None, READ),
    "read_output": ("/api/jobs/{finished}/outputs/{output}", None, READ),
    "read_content": ("/api/jobs/{finished}/outputs/{output}/content", None, READ),
    "create_link": ("/api/jobs/{finished}/outputs/{output}/links", {"scope": "private"}, ADD),
    "list_links": ("/api/jobs/{finished}/outputs/{output}/links", None, READ),
    "revoke_link": ("/api/jobs/{finished}/outputs/{output}/links/{link}", None, DELETE),
    "download": ("{address}", None, "401 404 403 403 200 403 403 403"),
    "create_key": (
        "/api/keys",
        {"name": "n", "principal": "p", "roles": []},
        "401 201 403 403 403 403 201 201",
    ),
    "list_keys": ("/api/keys", None, ADMINS),
    "delete_key": ("/api/keys/{key}", None, "401 404 403 403 403 403 204 204"),
    "rotate_key": ("/api/keys/{key}/rotate", None, ADMINS_OWN),
    "create_tenant": ("/api/tenants", {"code": "new", "name": "New"}, "401 403 403 403 403 403 403 201"),
    "list_tenants": ("/api/tenants", None, OPERATORS),
    "delete_tenant": ("/api/tenants/empty", None, "401 403 403 403 403 403 403 204"),
    "read_tenant": ("/api/tenant", None, ADMINS),
    "change_tenant": ("/api/tenant", {"caps": {"queued": 9}}, ADMINS),
    "read_me": ("/api/me", None, ANYBODY),
    "list_audit": ("/api/audit", None, ADMINS),
    "purge_tenant": ("/api/tenant/purge", None, ADMINS),
    "list_notices": ("/api/notices", None, "401 200 403 403 403 200 200 200"),
    "read_notice": ("/api/notices/{notice}", None, READ),
    "redeliver_notice": ("/api/notices/{notice}/redeliver", None, WRITE),
    "list_notices_of_job": ("/api/jobs/{finished}/notices", None, READ),
    "create_webhook_endpoint": (
        "/api/webhook-endpoints",
        {"url": "https://hooks.example.org/x"},
        "401 201 403 403 403 403 201 201",
    ),
    "list_webhook_endpoints": ("/api/webhook-endpoints", None, ADMINS),
    "read_webhook_endpoint": ("/api/webhook-endpoints/{endpoint}", None, ADMINS_OWN),
    "modify_webhook_endpoint": ("/api/webhook-endpoints/{endpoint}", {"enabled": False}, ADMINS_OWN),
    "delete_webhook_endpoint": ("/api/webhook-endpoints/{endpoint}", None, "401 404 403 403 403 403 204 204"),
    "rotate_webhook_endpoint": ("/api/webhook-endpoints/{endpoint}/rotate", None, ADMINS_OWN),
    "read_webhook_secret": ("/api/webhook-secret", None, ADMINS),
    "rotate_webhook_secret": ("/api/webhook-secret/rotate", None, ADMINS),
    "create_session": (
        "/api/session",
        {"key": "an-admin-key-for-the-tests"},
        "201 201 201 201 201 201 201 201",
    ),
    "delete_session": ("/api/session", None, "401 404 404 404 404 404 404 404"),
    "create_ticket": ("/api/session/tickets", None, "401 201 201 201 201 201 201 201"),
    "begin_login": ("/login/oidc", None, NOWHERE),
    "finish_login": ("/login/oidc/callback", None, NOWHERE),
    "read_stats_details": ("/api/stats/details", None, ANYBODY),
    "list_dovuti": ("/api/dovuti?service_id=5ca1ab1e-0000-4000-8000-000000000001", None, ANYBODY),
    "dashboard": ("/", None, ALL),
    "dashboard_file": (f"/dashboard/{build().digest}/app.js", None, ALL),
    "livez": ("/livez", None, ALL),
    "readyz": ("/readyz", None, ALL),
    "list_problems": ("/problems", None, ALL),
    "read_problem": ("/problems/forbidden", None, ALL),
    "metrics": ("/metrics", None, ALL),
    "openapi": ("/api/openapi.json", None, ALL),
    "dialect_openapi": ("/api/openapi/opencity.json", None, ALL),
    "doc": ("/api/doc", None, ALL),
    "doc_file": ("/api/doc/doc.js", None, ALL),
}


class World(NamedTuple):
    """Things of the owner's, and of the tenant's."""

    pending: str
    suspended: str
    finished: str
    output: str
    link: str
    address: str
    key: str
    endpoint: str
    notice: str


def operations(settings: Settings, job_types: JobTypes) -> dict[str, str]:
    """The method of each operation of the document."""
    document: dict[str, Any] = orjson.loads(create_app(settings, job_types)[DOCUMENT].json)
    return {
        operation["operationId"]: method.upper()
        for item in document["paths"].values()
        for method, operation in item.items()
    }


async def world(owner: dict[str, str], api: ClientSession, pool: asyncpg.Pool) -> World:
    """Something of each kind."""
    file = {"name": "a.csv", "mime_type": "text/csv", "file": "YSxiCg=="}
    asked = [{"type": "echo"}, {"type": "echo"}, {"type": "echo", "attachment": file}]
    made = await ask(api, "POST", "/api/jobs/batch", json=asked, headers=owner)
    pending, suspended, finished = (one["job"]["id"] for one in made.body)
    await put_into(pool, suspended, "suspended")
    await put_into(pool, finished, "finished")
    stored = await ask(api, "POST", "/api/attachments?name=out.csv", data=b"a,b", headers=owner)
    output = await pool.fetchval(
        """INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id)
           VALUES (gen_random_uuid(), $1, 1, 1, 0, $2) RETURNING id""",
        finished,
        stored.body["id"],
    )
    links = f"/api/jobs/{finished}/outputs/{output}/links"
    link = await ask(api, "POST", links, json={"scope": "private"}, headers=owner)
    key = await ask(api, "POST", "/api/keys", json={"name": "k", "principal": "k", "roles": ["user"]})
    await ask(api, "DELETE", "/api/job-definitions/one")
    await ask(api, "DELETE", "/api/job-definitions/new")
    one = {"code": "one", "type": "echo"}
    assert (await ask(api, "POST", "/api/job-definitions", json=one, headers=owner)).status == 201
    await ask(api, "DELETE", "/api/tenants/new")
    await ask(api, "POST", "/api/tenants", json={"code": "empty", "name": "Empty"})
    await pool.execute(
        """INSERT INTO workers (id, tags, types, concurrency, version) VALUES ('host-1-4711', '{*}', '{echo}', 9, '1')
           ON CONFLICT (id) DO UPDATE SET beat_at = now()"""
    )
    hook = {"url": "https://hooks.example.org/y"}
    endpoint = await ask(api, "POST", "/api/webhook-endpoints", json=hook)
    notice = await pool.fetchval(
        """INSERT INTO outbox (tenant_id, job_id, job, kind, target, circuit)
           SELECT 1, id, to_json(jobs), 'email', 'anna@example.org', 'smtp' FROM jobs WHERE id = $1 RETURNING id""",
        finished,
    )
    return World(
        pending,
        suspended,
        finished,
        str(output),
        link.body["id"],
        URL(link.body["url"]).path,
        key.body["id"],
        endpoint.body["id"],
        str(notice),
    )


async def status_of(api: ClientSession, method: str, path: str, body: Any, headers: dict[str, str]) -> int:
    """The status alone: a stream of events does not end."""
    given: dict[str, Any] = {"data": body} if isinstance(body, bytes | None) else {"json": body}
    async with api.request(method, path, headers=headers, **given) as response:
        return response.status


@pytest.fixture
async def callers(api: ClientSession) -> dict[str, dict[str, str]]:
    """Headers by caller."""
    made = (
        {"Authorization": ""},
        await other_tenant(api),
        await key_for(api, "ugo", "user"),
        await key_for(api, "vera", "viewer"),
        await key_for(api, "olga", "user"),
        await key_for(api, "carla", "curator"),
        await key_for(api, "ada", "admin"),
        dict(api.headers),
    )
    return dict(zip(CALLERS, made, strict=True))


def test_every_operation_has_its_row(settings: Settings, job_types: JobTypes) -> None:
    assert operations(settings, job_types).keys() == ROWS.keys()


@pytest.mark.parametrize("operation", ROWS)
async def test_each_caller_gets_what_the_row_says(
    api: ClientSession,
    pool: asyncpg.Pool,
    settings: Settings,
    job_types: JobTypes,
    callers: dict[str, dict[str, str]],
    operation: str,
) -> None:
    method = operations(settings, job_types)[operation]
    path, body, expected = ROWS[operation]
    things = await world(callers["owner"], api, pool)
    got = {}
    for caller, headers in callers.items():
        named = orjson.loads(filled(orjson.dumps(body).decode(), things)) if isinstance(body, dict) else body
        got[caller] = await status_of(api, method, filled(path, things), named, headers)
        if got[caller] < 300 and method != "GET":
            things = await world(callers["owner"], api, pool)
    assert " ".join(map(str, got.values())) == expected, got


def filled(template: str, things: World) -> str:
    """The template with the ids of these things."""
    for name, value in things._asdict().items():
        template = template.replace(f"{{{name}}}", value)
    return template
