"""The OpenAPI document against the running system: real answers, and what the routes really take."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest
from aiohttp import ClientResponse, ClientSession, FormData

from running import until
from service.jobs.jobtype import JobTypes

UNKNOWN = "01a20308-bcf0-745b-bec2-ab29e4cbb7ba"
GIVEN_BY_PROTOCOL = {
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
    "Date",
    "Server",
    "Connection",
    "Transfer-Encoding",
}
SAFETY = {"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "X-Accel-Buffering"}


class Checked:
    """A client that holds each answer against the document, and remembers which operations it called."""

    def __init__(self, session: ClientSession, document: dict[str, Any]) -> None:
        self.session, self.document = session, document
        self.called: set[str] = set()
        self.paths = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), item)
            for path, item in sorted(document["paths"].items(), key=lambda one: "{" in one[0])
        ]

    def operation(self, method: str, path: str) -> dict[str, Any]:
        for pattern, item in self.paths:
            if pattern.fullmatch(path):
                found: dict[str, Any] = item[method.lower()]
                return found
        raise AssertionError(path)

    def resolved(self, one: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in one:
            found: Any = self.document
            for name in one["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            one = found
        return one

    async def __call__(self, method: str, url: str, status: int, **kwargs: Any) -> Any:
        async with self.session.request(method, url, **kwargs) as response:
            body = await response.read()
            assert response.status == status, body
            operation = self.operation(method, urlsplit(url).path)
            self.called.add(operation["operationId"])
            self.held(operation, response, body)
            return json.loads(body) if response.content_type.endswith("json") and body else body

    def held(self, operation: dict[str, Any], response: ClientResponse, body: bytes) -> None:
        told = self.resolved(operation["responses"][str(response.status)])
        sent = {name.title() for name in response.headers}
        known = {name.title() for name in {*told.get("headers", {}), *GIVEN_BY_PROTOCOL, *SAFETY}}
        assert sent <= known, sent - known
        content = told.get("content")
        assert bool(content) or not body
        if not content:
            return
        assert response.content_type in content or "*/*" in content
        schema = content.get(response.content_type, {}).get("schema", {})
        if response.content_type.endswith("json"):
            whole = {**schema, "components": self.document["components"]}
            jsonschema.Draft202012Validator(whole).validate(json.loads(body))


@pytest.fixture
async def checked(api: ClientSession) -> AsyncIterator[Checked]:
    async with api.get("/api/openapi.json") as response:
        yield Checked(api, await response.json())


@asynccontextmanager
async def first_event(checked: Checked, url: str) -> AsyncIterator[bytes]:
    """Open a stream, and read it up to its first event."""
    async with checked.session.get(url) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        checked.called.add(checked.operation("GET", urlsplit(url).path)["operationId"])
        yield await response.content.readuntil(b"\n\n")


async def test_every_operation_answers_as_the_document_says(  # noqa: PLR0915 - it is one walk past all of them
    checked: Checked, worker: object
) -> None:
    call = checked
    # Operations.
    for path in ("/livez", "/readyz", "/readyz?verbose", "/metrics", "/problems", "/problems/invalid"):
        await call("GET", path, 200)
    await call("GET", "/problems", 200, headers={"Accept": "text/html"})
    await call("GET", "/problems/nothing", 404)
    for path in (
        "/api/openapi.json",
        "/api/openapi/opencity.json",
        "/api/doc",
        "/api/doc/doc.js",
        "/api/doc/swagger-ui.css",
    ):
        await call("GET", path, 200)
    await call("GET", "/api/doc/nothing", 404)
    page = (await call("GET", "/", 200)).decode()
    for path in re.findall(r'"(dashboard/[^"/]+/(?:app|style)\.\w+)"', page):
        await call("GET", f"/{path}", 200)
    await call("GET", "/dashboard/another/app.js", 404)
    # Jobs.
    body = {"type": "echo", "args": {"a": 1}, "labels": {"team": "a"}, "idempotency_key": "one"}
    made = await call("POST", "/api/jobs", 201, json=body)
    await call("POST", "/api/jobs", 200, json=body)
    await call("POST", "/api/jobs", 422, json={**body, "args": {}})
    await call("POST", "/api/jobs", 422, json={"type": "nothing", "args": 5})
    await call("POST", "/api/jobs", 400, data=b"{", headers={"Content-Type": "application/json"})
    await call("POST", "/api/jobs", 415, data=b"{}", headers={"Content-Type": "text/plain"})
    await call("POST", "/api/jobs", 401, json=body, headers={"Authorization": "Bearer nobody"})
    await call("POST", "/api/jobs", 403, json=body, headers={"X-Customer-Code": "other"})
    form = FormData()
    form.add_field("job", json.dumps({"type": "echo"}), content_type="application/json")
    form.add_field("attachment", b"a,b\n", filename="a.csv", content_type="text/csv")
    with_file = await call("POST", "/api/jobs", 201, data=form)
    await until(checked.session, made["id"], "finished")
    await until(checked.session, with_file["id"], "finished")
    job = f"/api/jobs/{made['id']}"
    whole = await call("GET", job, 200)
    assert set(whole) == set(checked.document["components"]["schemas"]["Job"]["required"])
    await call("GET", f"{job}?include=messages,attempts", 200)
    await call("GET", f"{job}?fields=id,status", 200)
    await call("GET", job, 304, headers={"If-None-Match": f'"{whole["version"]}"'})
    await call("GET", f"/api/jobs/{UNKNOWN}", 404)
    await call("PATCH", job, 200, json={"description": "Described"})
    await call("PATCH", job, 409, json={"priority": "high"})
    await call("PATCH", job, 412, json={"description": None}, headers={"If-Match": '"1"'})
    await call("POST", f"{job}/rerun", 200)
    await until(checked.session, made["id"], "finished")
    await call("POST", f"{job}/rerun", 201, json={"as_new": True}, headers={"Prefer": "wait=5"})
    await call("GET", f"{job}/attempts", 200)
    waiting = await call("POST", "/api/jobs", 201, json={"type": "steps", "run_at": "2126-01-01T00:00:00Z"})
    held = f"/api/jobs/{waiting['id']}"
    await call("PUT", held, 200, json={"type": "steps", "run_at": "2126-01-02T00:00:00Z"})
    await call("POST", f"{held}/suspend", 200)
    await call("POST", f"{held}/suspend", 409)
    await call("GET", f"{held}/explain", 200)
    await call("POST", f"{held}/resume", 200)
    await call("POST", f"{held}/cancel", 200)
    await call("DELETE", held, 204)
    running = await call(
        "POST", "/api/jobs", 201, json={"type": "steps", "args": {"steps": 300, "seconds": 0.1}}
    )
    slow = f"/api/jobs/{running['id']}"
    await until(checked.session, running["id"], "running")
    await call("GET", f"{slow}?include=attempts", 200)
    await call("GET", f"{slow}/attempts", 200)
    await call("GET", f"{slow}/explain", 200)
    async with first_event(checked, f"{slow}/events") as told:
        assert b"retry: " in told
    async with first_event(checked, "/api/events") as told:
        assert b"retry: " in told
    await call("POST", f"{slow}/cancel", 202)
    await until(checked.session, running["id"], "cancelled")
    await call("GET", f"{slow}/messages?limit=1", 200)
    # Many jobs.
    await call("POST", "/api/jobs/batch", 207, json=[{"type": "echo"}, {}])
    await call("POST", "/api/jobs/poll", 200, json={"jobs": [{"id": made["id"], "version": 1}]})
    await call("POST", "/api/jobs/actions", 200, json={"action": "delete", "ids": [running["id"], UNKNOWN]})
    await call("GET", "/api/jobs?limit=1&count=true&include=attempts", 200)
    await call("GET", "/api/jobs?fields=id", 200)
    await call("GET", "/api/stats", 200)
    await call("GET", "/api/stats/details?steps=3", 200)
    # Workers.
    (one,) = (await call("GET", "/api/workers", 200))["workers"]
    await call("POST", f"/api/workers/{one['id']}/drain", 200)
    await call("POST", f"/api/workers/{one['id']}/resume", 200)
    await call("POST", "/api/workers/nothing/drain", 404)
    # Job types.
    await call("GET", "/api/job-types?limit=1", 200)
    await call("GET", "/api/job-types/nothing", 404)
    await call("GET", "/api/job-types/echo", 200)
    await call("GET", "/api/job-types/echo", 304, headers={"If-None-Match": "*"})
    # Files.
    await call(
        "POST", "/api/attachments?name=a.csv", 201, data=b"a,b\n", headers={"Content-Type": "text/csv"}
    )
    file = f"/api/jobs/{with_file['id']}/attachment"
    await call("GET", file, 200)
    await call("GET", file, 206, headers={"Range": "bytes=0-1"})
    await call("GET", file, 416, headers={"Range": "bytes=99-"})
    large = await call(
        "POST", "/api/jobs", 201, json={"type": "large", "publish_link_access_scope": "public"}
    )
    finished = await until(checked.session, large["id"], "finished")
    await call("GET", f"/api/jobs/{large['id']}", 200)
    outputs = f"/api/jobs/{large['id']}/outputs"
    output = f"{outputs}/{(await call('GET', outputs, 200))['outputs'][0]['id']}"
    await call("GET", output, 200)
    await call("GET", f"{output}/content", 200)
    await call("GET", f"{output}/content", 206, headers={"Range": "bytes=1-3"})
    link = await call("POST", f"{output}/links", 201, json={"scope": "public", "max_downloads": 1})
    await call("GET", f"{output}/links?limit=1", 200)
    await call("GET", urlsplit(finished["publish_link"]).path, 200)
    await call("GET", urlsplit(link["url"]).path, 200)
    await call("GET", urlsplit(link["url"]).path, 410)
    await call("DELETE", f"{output}/links/{link['id']}", 204)
    # Definitions and schedules.
    stored = {
        "code": "one",
        "type": "echo",
        "schedule": {"cron": "0 0 1 1 *"},
        "options": {"skip_notification": True},
    }
    await call("POST", "/api/job-definitions", 201, json={**stored, "attachment": {"file": "YWJj"}})
    await call("POST", "/api/job-definitions", 409, json=stored)
    await call("POST", "/api/job-definitions", 422, json={})
    await call("GET", "/api/job-definitions?limit=1&count=true", 200)
    await call("GET", "/api/job-definitions/one", 200)
    await call(
        "PATCH", "/api/job-definitions/one", 200, json={"labels": {"a": "b"}, "schedule": {"enabled": False}}
    )
    await call("PUT", "/api/job-definitions/one", 412, json={"type": "echo"}, headers={"If-Match": '"9"'})
    await call("PUT", "/api/job-definitions/one", 200, json={"type": "echo"})
    await call("POST", "/api/job-definitions/one/execute", 201, json={"args": {"a": 1}})
    await call("GET", "/api/job-definitions/one/jobs", 200)
    await call("GET", "/api/job-definitions/one/fires", 200)
    await call("POST", "/api/schedules/preview", 200, json={"cron": "* * * * *", "count": 2})
    await call("DELETE", "/api/job-definitions/one", 204)
    # Notices.
    told = await call(
        "POST", "/api/jobs", 201, json={"type": "echo", "notify": {"emails": ["a@example.org"]}}
    )
    await until(checked.session, told["id"], "finished")
    listed = await call("GET", f"/api/jobs/{told['id']}/notices", 200)
    notice = f"/api/notices/{listed['notices'][0]['id']}"
    await call("GET", "/api/notices?limit=1&state=pending,undeliverable", 200)
    await call("GET", notice, 200)
    await call("POST", f"{notice}/redeliver", 200)
    await call("GET", f"/api/notices/{UNKNOWN}", 404)
    hook = await call("POST", "/api/webhook-endpoints", 201, json={"url": "https://hooks.example.org/x"})
    endpoint = f"/api/webhook-endpoints/{hook['id']}"
    await call("GET", "/api/webhook-endpoints?limit=1", 200)
    await call("GET", endpoint, 200)
    await call("GET", endpoint, 304, headers={"If-None-Match": '"1"'})
    await call("PATCH", endpoint, 200, json={"on": ["failed"]})
    await call("PATCH", endpoint, 412, json={"enabled": False}, headers={"If-Match": '"1"'})
    await call("POST", f"{endpoint}/rotate", 200, json={"grace_seconds": 5})
    await call("DELETE", endpoint, 204)
    await call("GET", "/api/webhook-secret", 200)
    await call("POST", "/api/webhook-secret/rotate", 200)
    # Dues, keys and tenants.
    await call("GET", f"/api/dovuti?service_id={UNKNOWN}", 200)
    await call("GET", "/api/me", 200)
    await call("GET", "/api/tenant", 200)
    await call("PATCH", "/api/tenant", 200, json={"caps": {"queued": 1000}})
    await call("POST", "/api/tenant/purge", 200, json={"dry_run": True})
    await call("GET", "/api/audit?limit=2&object_type=tenant", 200)
    key = await call("POST", "/api/keys", 201, json={"name": "one", "principal": "anna", "roles": ["user"]})
    await call("GET", "/api/keys?limit=1", 200)
    await call("POST", f"/api/keys/{key['id']}/rotate", 200, json={"grace_seconds": 5})
    await call("DELETE", f"/api/keys/{key['id']}", 204)
    login = await call("POST", "/api/session/tickets", 201)
    async with checked.session.post("/api/session", json={"ticket": login["ticket"]}) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    await call("POST", "/api/session", 401, json={"ticket": login["ticket"]})
    await call("POST", "/api/session", 201, json={"key": "an-admin-key-for-the-tests"})
    await call("DELETE", "/api/session", 204, headers={"Cookie": cookie})
    await call("DELETE", "/api/session", 404)
    await call("POST", "/api/tenants", 201, json={"code": "other", "name": "Other"})
    await call("POST", "/api/tenants", 409, json={"code": "other", "name": "Other"})
    await call("GET", "/api/tenants?limit=1", 200)
    await call("DELETE", "/api/tenants/other", 204)

    for path in ("/login/oidc", "/login/oidc/callback"):  # no provider here; test_login.py has one
        await call("GET", path, 404)
    every = {one["operationId"] for item in checked.document["paths"].values() for one in item.values()}
    assert checked.called == every


async def test_each_native_route_takes_the_query_parameters_of_the_document_and_no_other(
    checked: Checked, worker: object, job_types: JobTypes
) -> None:
    made = await checked("POST", "/api/jobs", 201, json={"type": "large"})
    await checked("POST", "/api/job-definitions", 201, json={"code": "default", "type": "large"})
    await until(checked.session, made["id"], "finished")
    outputs = (await checked("GET", f"/api/jobs/{made['id']}/outputs", 200))["outputs"]
    ids = {
        "id": made["id"],
        "output_id": outputs[0]["id"],
        "link_id": UNKNOWN,
        "code": "default",
        "file": "doc.js",
    }
    for path, item in checked.document["paths"].items():
        for method, operation in item.items():
            if operation.get("security") == [] or not path.startswith("/api/"):
                continue
            url = path.format(**ids) + "?nonsense=1"
            async with checked.session.request(method, url) as response:
                problem = await response.json()
                assert response.status == 400, (method, path, problem)
            takes = re.search(r"this takes (.*)", problem["detail"])
            assert takes, problem
            real = set(takes[1].split("; ")[0].split(", ")) - {"none"}
            told = [checked.resolved(one) for one in operation["parameters"]]
            assert real == {one["name"] for one in told if one["in"] == "query"} - {"labels"}, (method, path)
