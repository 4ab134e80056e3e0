"""GET of jobs, attempts and messages: headers, conditions, queries, and what nobody may know."""

from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant, put_into
from running import Submit

MEMBERS = [
    "id",
    "number",
    "version",
    "type",
    "definition",
    "status",
    "status_text",
    "percent_completed",
    "running_output",
    "attachment",
    "args",
    "output",
    "response_type",
    "outputs",
    "publish_link",
    "publish_link_access_scope",
    "publish_link_expires_at",
    "description",
    "category",
    "sub_category",
    "priority",
    "worker_tag",
    "queue",
    "labels",
    "client_request_id",
    "correlation_id",
    "idempotency_key",
    "run",
    "attempt",
    "max_attempts",
    "timeout_seconds",
    "can_rerun",
    "cancel_requested",
    "error",
    "created_by",
    "modified_by",
    "run_at",
    "expires_at",
    "started_at",
    "terminated_at",
    "created_at",
    "updated_at",
    "purge_at",
]


async def test_a_job_has_the_members_of_the_contract_in_its_order(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    assert list(made) == MEMBERS
    assert list((await ask(api, "GET", f"/api/jobs/{made['id']}")).body) == MEMBERS


async def test_a_known_version_is_304(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for known, status in (
        ('"1"', 304), ('W/"1"', 304), ("*", 304), ('"7", "1"', 304), ('"7",W/"1"', 304), ('"2"', 200), ("1", 200),
        ("", 200), ('"1', 200),
    ):  # fmt: skip
        for method in ("GET", "HEAD"):
            answer = await ask(api, method, path, headers={"If-None-Match": known})
            assert answer.status == status, known
            assert answer.headers["ETag"] == '"1"'
            assert answer.headers["Retry-After"] == "1"
            assert status == 200 or not answer.text


async def test_head_is_get_without_its_body(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for one in (path, "/api/jobs", f"{path}/attempts", f"{path}/messages", f"/it{path}"):
        got, head = await ask(api, "GET", one), await ask(api, "HEAD", one)
        assert (head.status, head.text) == (200, "")
        for name in ("ETag", "Content-Type", "Content-Length"):
            assert head.headers.get(name) == got.headers.get(name)


async def test_retry_after_goes_with_the_state(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    for status, is_there in (
        ("pending", True), ("running", True), ("suspended", True), ("finished", False), ("failed", False),
        ("cancelled", False),
    ):  # fmt: skip
        made = await submit()
        await put_into(pool, made["id"], status)
        answer = await ask(api, "GET", f"/api/jobs/{made['id']}")
        assert answer.body["status"] == status
        assert ("Retry-After" in answer.headers) == is_there, status


async def test_ids_are_uuids_in_any_case_and_anything_else_is_not_found(
    api: ClientSession, submit: Submit
) -> None:
    made = await submit()
    assert (await ask(api, "GET", f"/api/jobs/{made['id'].upper()}")).body == made
    again = await ask(api, "POST", f"/api/jobs/{made['id'].upper()}/cancel")
    assert again.status == 200
    for strange in ("7", "batch", "x" * 36, "%00", "%FF", made["id"] + "0", "null", "..%2F" + made["id"]):
        assert (await ask(api, "GET", f"/api/jobs/{strange}")).status == 404, strange


async def test_other_peoples_jobs_and_unknown_ones_are_indistinguishable(
    api: ClientSession, submit: Submit
) -> None:
    theirs = (await submit())["id"]
    unknown = str(UUID(int=UUID(theirs).int ^ 1))
    strangers = [await other_tenant(api), await key_for(api, "uma", "user")]
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GET", "", {}), ("HEAD", "", {}), ("PATCH", "", {"json": {"labels": {}}}), ("PATCH", "", {"json": 5}),
        ("PUT", "", {"json": {"type": "echo"}}), ("DELETE", "", {}), ("POST", "/cancel", {}),
        ("POST", "/suspend", {}),
        ("POST", "/resume", {}), ("POST", "/rerun", {}), ("POST", "/rerun", {"json": {"as_new": True}}),
        ("GET", "/attempts", {}), ("GET", "/messages", {}), ("GET", "/outputs", {}), ("GET", "/attachment", {}),
        ("DELETE", "", {"headers": {"If-Match": '"9"'}}), ("PATCH", "", {"json": {}, "headers": {"If-Match": "x"}}),
    )  # fmt: skip
    for headers in strangers:
        for method, end, how in calls:
            seen: list[Any] = []
            for job_id in (theirs, unknown):
                given: dict[str, Any] = {**how, "headers": {**headers, **how.get("headers", {})}}
                answer = await ask(api, method, f"/api/jobs/{job_id}{end}", **given)
                body = {**answer.body, "instance": None} if answer.body else None
                kept = {
                    name: value
                    for name, value in answer.headers.items()
                    if name.lower() not in ("date", "x-request-id")
                }
                seen.append((answer.status, body, kept))
            assert seen[0] == seen[1]
            assert seen[0][0] == 404, (method, end)


async def test_a_query_that_is_not_understood_is_malformed_and_says_what_is(
    api: ClientSession, submit: Submit
) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for query, words in (
        ("/api/jobs?limit=0", "limit"), ("/api/jobs?limit=1001", "limit"), ("/api/jobs?limit=ten", "limit"),
        ("/api/jobs?limit=", "limit"), ("/api/jobs?limit=1&limit=2", "limit"), ("/api/jobs?lmit=1", "lmit"),
        ("/api/jobs?status=done", "pending, suspended, running, finished, failed, cancelled"),
        ("/api/jobs?status=pending,done", "status"), ("/api/jobs?priority=urgent", "critical"),
        ("/api/jobs?created_from=yesterday", "created_from"),
        ("/api/jobs?created_to=2026-11-22T10:00:00", "created_to"),
        ("/api/jobs?cursor=nonsense", "cursor"), ("/api/jobs?cursor=", "cursor"),
        ("/api/jobs?sort=colour", "created_at"),
        ("/api/jobs?number=x", "number"), ("/api/jobs?number=99999999999999999999", "number"),
        ("/api/jobs?type=%00", "NUL"), ("/api/jobs?%00=1", "unknown"), ("/api/jobs?fields=id,colour", "colour"),
        ("/api/jobs?a=1&b=2", "b"), (f"{path}?colour=1", "colour"), (f"{path}?fields=colour", "colour"),
        (f"{path}/messages?after=-1", "after"), (f"{path}/messages?after=99999999999", "after"),
        (f"{path}/messages?level=loud", "warning"), (f"{path}/messages?limit=5000", "limit"),
        (f"{path}/attempts?limit=1", "limit"),
    ):  # fmt: skip
        answer = await ask(api, "GET", query)
        assert (answer.status, answer.body["code"]) == (400, "malformed"), query
        assert words in answer.body["detail"], query


async def test_only_the_wanted_members_are_shown(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    answer = await ask(api, "GET", f"/api/jobs/{made['id']}?fields=status,id&fields=percent_completed")
    assert answer.body == {"status": "pending", "id": made["id"], "percent_completed": 0}
    assert answer.headers["ETag"] == '"1"'
    listed = await ask(api, "GET", "/api/jobs?fields=id")
    assert listed.body == {"jobs": [{"id": made["id"]}]}


async def test_methods_that_are_not_there_are_told(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for method, one, allowed in (
        ("DELETE", "/api/jobs", "GET, HEAD, POST"),
        ("POST", path, "DELETE, GET, HEAD, PATCH, PUT"),
        ("GET", f"{path}/cancel", "POST"),
        ("PUT", f"/it{path}/cancel", "POST"),
    ):
        answer = await ask(api, method, one)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert (await ask(api, "GET", "/api/nothing")).status == 404
    assert (await ask(api, "GET", f"{path}/")).status == 404


async def test_every_response_carries_a_request_id(api: ClientSession, submit: Submit) -> None:
    made = await submit(attachment={"file": "YQ=="})
    for path in ("/api/jobs", "/api/nothing", f"/api/jobs/{made['id']}/attachment", "/livez"):
        assert (await ask(api, "GET", path, headers={"X-Request-Id": "mine-7"})).headers[
            "X-Request-Id"
        ] == "mine-7"
        for strange in ("a b", "x" * 129, "ü", "<script>"):
            answer = await ask(api, "GET", path, headers={"X-Request-Id": strange})
            assert answer.headers["X-Request-Id"] not in (strange, "mine-7")


async def test_callers_must_say_who_they_are(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer nobody-knows-this-token"}):
        for method, one in (
            ("GET", path),
            ("POST", "/api/jobs"),
            ("DELETE", path),
            ("POST", "/api/jobs/batch"),
        ):
            answer = await ask(api, method, one, headers=headers)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await ask(api, "GET", path, headers={"X-Customer-Code": "other"})).status == 403
    assert (await ask(api, "GET", path, headers={"X-Customer-Code": "default"})).status == 200


async def test_messages_are_pages_in_order(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    job_id = (await submit())["id"]
    await pool.execute(
        "INSERT INTO job_messages"
        " SELECT $1, n, now(), CASE n % 2 WHEN 0 THEN 'info' ELSE 'error' END, 'line ' || n, null"
        " FROM generate_series(1, 25) AS n",
        job_id,
    )
    path, seen = f"/api/jobs/{job_id}/messages?limit=10", []
    while path:
        page = await ask(api, "GET", path)
        seen += [one["seq"] for one in page.body["messages"]]
        path = page.body.get("next", "")
        assert page.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
    assert seen == list(range(1, 26))
    some = await ask(api, "GET", f"/api/jobs/{job_id}/messages?level=error&after=20")
    assert [one["seq"] for one in some.body["messages"]] == [21, 23, 25]
    assert list(some.body["messages"][0]) == ["seq", "time", "level", "text", "tool_id"]


async def test_links_follow_the_public_address(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    made = await submit()
    await pool.execute(
        "INSERT INTO links (id, tenant_id, job_id, scope, created_by)"
        " VALUES (gen_random_uuid(), 1, $1, 'private', 'x')",
        made["id"],
    )
    await pool.execute("UPDATE jobs SET version = version + 1 WHERE id = $1", made["id"])
    for host in ("one.example", "two.example:8080"):
        answer = await ask(api, "GET", f"/api/jobs/{made['id']}", headers={"Host": host})
        assert answer.body["publish_link"].startswith(f"http://{host}/d/")
