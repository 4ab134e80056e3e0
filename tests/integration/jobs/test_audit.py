"""The audit: one row for each mutating call, in its transaction, never changed; and read page by page."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession, web

from asking import ask, key_for, other_tenant, put_into
from service.app import JOB_TYPES, create_app
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from service.web.openapi import DOCUMENT

Rows = list[tuple[str, str, str | None]]
MERGED = {"Content-Type": "application/merge-patch+json"}


class Ids(NamedTuple):
    """Things to do something to."""

    pending: str
    suspended: str
    finished: str
    key: str
    output: str
    link: str
    endpoint: str
    notice: str


# Each operation that is no GET, as a call that succeeds: its path, its body, and the rows that it leaves.
# Those of LOOKING change nothing; of a batch and of actions each job has a row of its own.
CALLS: dict[str, Callable[[Ids], tuple[str, Any, Rows]]] = {
    "create_job": lambda _: ("/api/jobs", {"type": "echo"}, [("create", "job", "*")]),
    "create_jobs": lambda _: ("/api/jobs/batch", [{"type": "echo"}] * 3, [("create", "job", "*")] * 3),
    "modify_job": lambda ids: (
        f"/api/jobs/{ids.pending}",
        {"category": "x"},
        [("modify", "job", ids.pending)],
    ),
    "replace_job": lambda ids: (
        f"/api/jobs/{ids.pending}",
        {"type": "echo"},
        [("modify", "job", ids.pending)],
    ),
    "delete_job": lambda ids: (f"/api/jobs/{ids.finished}", None, [("delete", "job", ids.finished)]),
    "cancel_job": lambda ids: (f"/api/jobs/{ids.pending}/cancel", None, [("cancel", "job", ids.pending)]),
    "suspend_job": lambda ids: (f"/api/jobs/{ids.pending}/suspend", None, [("suspend", "job", ids.pending)]),
    "resume_job": lambda ids: (f"/api/jobs/{ids.suspended}/resume", None, [("resume", "job", ids.suspended)]),
    "rerun_job": lambda ids: (f"/api/jobs/{ids.finished}/rerun", None, [("rerun", "job", ids.finished)]),
    "act_on_jobs": lambda ids: (
        "/api/jobs/actions",
        {"action": "cancel", "ids": [ids.pending, ids.suspended, ids.finished]},
        [("cancel", "job", ids.pending), ("cancel", "job", ids.suspended)],
    ),
    "create_job_definition": lambda _: (
        "/api/job-definitions",
        {"code": "new", "type": "echo"},
        [("create", "definition", "new")],
    ),
    "modify_job_definition": lambda _: (
        "/api/job-definitions/one",
        {"name": "x"},
        [("modify", "definition", "one")],
    ),
    "replace_job_definition": lambda _: (
        "/api/job-definitions/one",
        {"type": "echo"},
        [("modify", "definition", "one")],
    ),
    "delete_job_definition": lambda _: ("/api/job-definitions/one", None, [("delete", "definition", "one")]),
    "execute_job_definition": lambda _: ("/api/job-definitions/one/execute", {}, [("create", "job", "*")]),
    "create_attachment": lambda _: ("/api/attachments?name=x", b"x", [("create", "attachment", "*")]),
    "create_link": lambda ids: (
        f"/api/jobs/{ids.finished}/outputs/{ids.output}/links",
        {"scope": "private"},
        [("create", "link", "*")],
    ),
    "revoke_link": lambda ids: (
        f"/api/jobs/{ids.finished}/outputs/{ids.output}/links/{ids.link}",
        None,
        [("revoke", "link", ids.link)],
    ),
    "create_key": lambda _: (
        "/api/keys",
        {"name": "n", "principal": "p", "roles": []},
        [("create", "key", "*")],
    ),
    "delete_key": lambda ids: (f"/api/keys/{ids.key}", None, [("revoke", "key", ids.key)]),
    "rotate_key": lambda ids: (f"/api/keys/{ids.key}/rotate", None, [("rotate", "key", ids.key)]),
    "create_session": lambda _: (
        "/api/session",
        {"key": "an-admin-key-for-the-tests"},
        [("create", "session", None)],
    ),
    "create_ticket": lambda _: ("/api/session/tickets", None, [("create", "ticket", None)]),
    "create_tenant": lambda _: (
        "/api/tenants",
        {"code": "new", "name": "New"},
        [("create", "tenant", "new")],
    ),
    "delete_tenant": lambda _: ("/api/tenants/other", None, [("delete", "tenant", "other")]),
    "change_tenant": lambda _: ("/api/tenant", {"caps": {"queued": 9}}, [("modify", "tenant", "default")]),
    "redeliver_notice": lambda ids: (
        f"/api/notices/{ids.notice}/redeliver",
        None,
        [("redeliver", "notice", ids.notice)],
    ),
    "create_webhook_endpoint": lambda _: (
        "/api/webhook-endpoints",
        {"url": "https://hooks.example.org/x"},
        [("create", "webhook_endpoint", "*")],
    ),
    "modify_webhook_endpoint": lambda ids: (
        f"/api/webhook-endpoints/{ids.endpoint}",
        {"enabled": False},
        [("modify", "webhook_endpoint", ids.endpoint)],
    ),
    "delete_webhook_endpoint": lambda ids: (
        f"/api/webhook-endpoints/{ids.endpoint}",
        None,
        [("delete", "webhook_endpoint", ids.endpoint)],
    ),
    "rotate_webhook_endpoint": lambda ids: (
        f"/api/webhook-endpoints/{ids.endpoint}/rotate",
        None,
        [("rotate", "webhook_endpoint", ids.endpoint)],
    ),
    "rotate_webhook_secret": lambda _: (
        "/api/webhook-secret/rotate",
        None,
        [("rotate", "webhook_secret", None)],
    ),
    "drain_worker": lambda _: (
        "/api/workers/host-1-4711/drain",
        None,
        [("drain", "worker", "host-1-4711")],
    ),
    "resume_worker": lambda _: (
        "/api/workers/host-1-4711/resume",
        None,
        [("resume", "worker", "host-1-4711")],
    ),
    "purge_tenant": lambda _: ("/api/tenant/purge", None, [("purge", "tenant", "default")]),
}
LOOKING = {"poll_jobs", "preview_schedule"}
BY_COOKIE = {"delete_session"}  # tests/integration/access/test_sessions.py
OF_ANYBODY = {"create_session", "create_ticket"}  # who has a key may log in, whatever it may do


def mutating(app: web.Application) -> dict[str, tuple[str, str]]:
    """Method and path of all operations of the document that are no GET."""
    document: dict[str, Any] = orjson.loads(app[DOCUMENT].json)
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("post", "put", "patch", "delete")
    }


@pytest.fixture
async def ids(api: ClientSession, pool: asyncpg.Pool) -> Ids:
    """Something of each kind, and a tenant `other` without jobs."""
    made = await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 3)
    jobs = [one["job"]["id"] for one in made.body]
    await put_into(pool, jobs[1], "suspended")
    await put_into(pool, jobs[2], "finished")
    file_id = (await ask(api, "POST", "/api/attachments?name=out.csv", data=b"a,b")).body["id"]
    output = await pool.fetchval(
        """INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id)
           VALUES (gen_random_uuid(), $1, 1, 1, 0, $2) RETURNING id""",
        jobs[2],
        file_id,
    )
    link = await ask(api, "POST", f"/api/jobs/{jobs[2]}/outputs/{output}/links", json={"scope": "private"})
    key = await ask(api, "POST", "/api/keys", json={"name": "k", "principal": "k", "roles": ["user"]})
    await ask(api, "POST", "/api/job-definitions", json={"code": "one", "type": "echo"})
    await other_tenant(api)
    await pool.execute(
        """INSERT INTO workers (id, tags, types, concurrency, version)
           VALUES ('host-1-4711', '{*}', '{echo}', 9, '1')"""
    )
    hook = {"url": "https://hooks.example.org/y"}
    endpoint = (await ask(api, "POST", "/api/webhook-endpoints", json=hook)).body["id"]
    notice = await pool.fetchval(
        """INSERT INTO outbox (tenant_id, job_id, job, kind, target, circuit)
           SELECT 1, id, to_json(jobs), 'email', 'anna@example.org', 'smtp' FROM jobs WHERE id = $1 RETURNING id""",
        jobs[2],
    )
    made_ids = (
        jobs[0],
        jobs[1],
        jobs[2],
        key.body["id"],
        str(output),
        link.body["id"],
        endpoint,
        str(notice),
    )
    return Ids(*made_ids)


def test_every_operation_that_is_no_get_is_in_the_table(settings: Settings, job_types: JobTypes) -> None:
    app = create_app(settings, job_types)
    assert app[JOB_TYPES]
    assert set(mutating(app)) == set(CALLS) | LOOKING | BY_COOKIE


@pytest.mark.parametrize("operation", CALLS)
async def test_a_mutating_call_leaves_its_rows_with_who_what_and_whence(
    api: ClientSession, pool: asyncpg.Pool, ids: Ids, operation: str, settings: Settings, job_types: JobTypes
) -> None:
    method, _ = mutating(create_app(settings, job_types))[operation]
    path, body, expected = CALLS[operation](ids)
    before = await pool.fetchval("SELECT max(id) FROM audit")
    me = (await ask(api, "GET", "/api/me")).body
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    answer = await ask(api, method, path, headers={"X-Request-Id": "the-request"}, **given)
    assert answer.status < 300, answer
    rows = await pool.fetch("SELECT * FROM audit WHERE id > $1 ORDER BY id", before)
    told = [(row["action"], row["object_type"], row["object_id"]) for row in rows]
    wanted = [(action, kind, named) for action, kind, named in expected]
    assert sorted((action, kind) for action, kind, _ in told) == sorted((a, k) for a, k, _ in wanted)
    assert {named for _, _, named in wanted if named != "*"} <= {named for _, _, named in told}
    for row in rows:
        whence = (row["tenant_id"], row["principal"], str(row["key_id"]), row["address"], row["request_id"])
        assert whence == (1, me["principal"], me["key_id"], "127.0.0.1", "the-request")


@pytest.mark.parametrize("operation", sorted(CALLS.keys() - OF_ANYBODY))
async def test_a_refused_call_leaves_none(
    api: ClientSession, pool: asyncpg.Pool, ids: Ids, operation: str, settings: Settings, job_types: JobTypes
) -> None:
    method, _ = mutating(create_app(settings, job_types))[operation]
    path, body, _ = CALLS[operation](ids)
    nobody = await key_for(api, "nobody")
    before = await pool.fetchval("SELECT max(id) FROM audit")
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    answer = await ask(api, method, path, headers=nobody, **given)
    assert answer.status in (200, 403, 404), answer
    assert await pool.fetchval("SELECT max(id) FROM audit") == before


async def test_a_new_job_made_of_an_old_one_is_created_and_a_replay_is_not(
    api: ClientSession, pool: asyncpg.Pool, ids: Ids
) -> None:
    before = await pool.fetchval("SELECT max(id) FROM audit")
    made = await ask(api, "POST", f"/api/jobs/{ids.finished}/rerun", json={"as_new": True})
    keyed: dict[str, Any] = {"json": {"type": "echo"}, "headers": {"Idempotency-Key": "k"}}
    first, again = [await ask(api, "POST", "/api/jobs", **keyed) for _ in range(2)]
    assert (first.status, again.status) == (201, 200)
    rows = await pool.fetch("SELECT action, object_id, changes FROM audit WHERE id > $1 ORDER BY id", before)
    assert [(row["action"], row["object_id"]) for row in rows] == [
        ("create", made.body["id"]),
        ("create", first.body["id"]),
    ]
    assert orjson.loads(rows[0]["changes"]) == {"type": [None, "echo"]}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET principal = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM audit WHERE false",
    ],
)
async def test_the_database_itself_refuses_to_change_the_audit(pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
        await pool.execute(statement)


async def test_pages_show_each_row_once_newest_first(api: ClientSession, pool: asyncpg.Pool) -> None:
    for _ in range(4):
        await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 4)  # four rows of one time
    seen: list[dict[str, Any]] = []
    path: str | None = "/api/audit?limit=3"
    while path:
        page = await ask(api, "GET", path)
        seen += page.body["audit"]
        path = page.body.get("next")
        assert page.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
        await ask(api, "POST", "/api/jobs", json={"type": "echo"})
    numbers = [row["id"] for row in seen]
    assert len(set(numbers)) == 16
    assert [row["at"] for row in seen] == sorted((row["at"] for row in seen), reverse=True)
    assert set(seen[0]) == {
        "id", "at", "principal", "key_id", "action", "object_type", "object_id", "address", "request_id", "changes"
    }  # fmt: skip
    assert seen[0]["changes"] == {"type": [None, "echo"]}


async def test_filters_narrow_it_and_bounds_of_time_are_included(api: ClientSession, ids: Ids) -> None:
    async def found(query: str) -> list[tuple[str, str]]:
        answer = await ask(api, "GET", f"/api/audit?{query}")
        assert answer.status == 200, answer
        return [(row["action"], row["object_id"]) for row in answer.body["audit"]]

    await ask(api, "POST", f"/api/jobs/{ids.pending}/cancel")
    assert await found(f"object_id={ids.pending}") == [("cancel", ids.pending), ("create", ids.pending)]
    assert await found("object_type=tenant") == [("create", "other")]
    assert await found("action=cancel&principal=admin") == [("cancel", ids.pending)]
    assert await found("principal=anna") == []
    (row,) = (await ask(api, "GET", "/api/audit?action=cancel")).body["audit"]
    at = datetime.fromisoformat(row["at"])

    def bounds(start: timedelta, end: timedelta) -> str:
        shown = [(at + one).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for one in (start, end)]
        return f"action=cancel&from={shown[0]}&to={shown[1]}"

    tick = timedelta(milliseconds=1)
    assert len(await found(bounds(0 * tick, 0 * tick))) == 1
    assert await found(bounds(tick, 2 * tick)) == []
    assert await found(bounds(-2 * tick, -tick)) == []


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "to=2026-01-01T00:00:00", "action=", "who=x", "cursor=eA", "cursor=MS4x&limit=0"],
)
async def test_a_query_that_does_not_parse_is_a_400(api: ClientSession, query: str) -> None:
    answer = await ask(api, "GET", f"/api/audit?{query}")
    assert (answer.status, answer.body["code"]) == (400, "malformed")


async def test_it_is_for_who_holds_the_permission_and_of_ones_own_tenant(
    api: ClientSession, ids: Ids
) -> None:
    for roles, grants, status in ((("curator",), (), 403), ((), (), 403), ((), ("audit",), 200)):
        headers = await key_for(api, "anna", *roles, grants=grants)
        assert (await ask(api, "GET", "/api/audit", headers=headers)).status == status
    theirs = await other_tenant(api, "third")
    assert (await ask(api, "GET", "/api/audit", headers=theirs)).body == {"audit": []}


async def test_a_changed_job_is_told_as_it_was_and_as_it_is(api: ClientSession, ids: Ids) -> None:
    patch = {"priority": "high", "labels": {"a": "b"}, "description": "new", "args": {"x": 1}, "run_at": None}
    assert (await ask(api, "PATCH", f"/api/jobs/{ids.pending}", json=patch)).status == 200
    (row, *_) = (await ask(api, "GET", f"/api/audit?object_id={ids.pending}&action=modify")).body["audit"]
    assert row["changes"] == {
        "priority": ["default", "high"],
        "labels": [{}, {"a": "b"}],
        "description": [None, "new"],
        "args": None,
        "run_at": [None, None],
    }
