"""Attachments that are given as a URL: fetched by the worker, once, and only from where it may."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

import odd_jobs
from running import job, until
from service.files.blob import Blob
from service.files.store import insert_file
from service.jobs.claims import claim_pending, worker_tags
from service.jobs.jobtype import JobFailed, JobTypes, job_type
from service.settings import Settings
from workers.context import JobContext
from workers.fetch import attach_if_held

Submit = Callable[..., Awaitable[dict[str, Any]]]
CONTENT = b"notice_number,amount\n301000000000000001,10.00\n"
EXPIRES = "SELECT expires_at FROM files WHERE id = $1"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@job_type("read", params=odd_jobs.Anything, retry_seconds=0.05)
async def read(job: JobContext) -> dict[str, Any]:
    """Say what the attachment is; fail in the first attempt if told so."""
    assert job.attachment is not None
    if job.args.get("fail") and job.attempt == 1:
        raise JobFailed("told_to", "the first attempt fails", retryable=True)
    async with job.attachment_path() as path:
        content = await asyncio.to_thread(path.read_bytes)
    return {"name": job.attachment.name, "mime_type": job.attachment.mime_type, "content": content.decode()}


@dataclass
class Origin:
    """A server of files; what it was asked for, and a gate that holds `/slow` back."""

    url: str = ""
    port: int = 0
    content: bytes = CONTENT
    seen: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        if request.path == "/slow":
            await self.gate.wait()
        if request.path == "/to-the-metadata":
            return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/"})
        if request.path == "/flaky" and len(self.seen) == 1:
            return web.Response(status=503)
        if request.path == "/missing":
            return web.Response(status=404)
        headers = {name[2:]: value for name, value in request.query.items() if name.startswith("h-")}
        return web.Response(body=self.content, headers=headers)


@pytest.fixture
async def files() -> AsyncIterator[Origin]:
    """The server of files, on loopback."""
    made = Origin()
    application = web.Application()
    application.router.add_get("/{path:.*}", made.answer)
    async with TestServer(application, host="127.0.0.1") as server:
        made.url, made.port = str(server.make_url("")).rstrip("/"), server.port or 0
        yield made
        made.gate.set()


@pytest.fixture
def settings(settings: Settings, files: Origin) -> Settings:
    """Settings that allow the server of files, and nothing else that is private."""
    return replace(settings, outbound_allow=frozenset({("127.0.0.1", files.port)}), max_attachment=1000)


@pytest.fixture
def job_types() -> JobTypes:
    """One type, that reads."""
    return JobTypes([read])


async def test_a_job_with_an_allowed_url_gets_its_file(
    api: ClientSession, submit: Submit, files: Origin, worker: asyncio.Event
) -> None:
    url = f"{files.url}/reports/dovuti%20marzo.csv?x=1"
    made = await submit("read", attachment={"file": url})
    assert made["attachment"] == {
        "name": "dovuti marzo.csv", "mime_type": "text/csv", "size": None, "sha256": None, "url": url,
    }  # fmt: skip
    ended = await until(api, made["id"], "finished", "failed")
    assert ended["status"] == "finished", ended
    assert ended["attachment"] == {
        "name": "dovuti marzo.csv", "mime_type": "text/csv", "size": len(CONTENT), "sha256": SHA256, "url": url,
    }  # fmt: skip
    async with api.get(f"/api/jobs/{made['id']}/attachment") as response:
        assert await response.read() == CONTENT


@pytest.mark.parametrize(
    ("given", "headers", "name", "mime_type"),
    [
        ({}, {}, "x.csv", "text/csv"),
        ({}, {"Content-Type": "text/plain; charset=utf-8"}, "x.csv", "text/plain"),
        ({}, {"Content-Disposition": 'attachment; filename="../../y.json"'}, "y.json", "application/json"),
        ({}, {"Content-Disposition": "inline; filename*=UTF-8''%E2%82%AC.csv"}, "€.csv", "text/csv"),
        ({}, {"Content-Disposition": "nonsense;;;"}, "x.csv", "text/csv"),
        (
            {"name": "mine.txt", "mime_type": "text/tab-separated-values"},
            {"Content-Disposition": 'attachment; filename="y.json"', "Content-Type": "text/plain"},
            "mine.txt",
            "text/tab-separated-values",
        ),
        ({"name": "x.csv"}, {"Content-Disposition": "attachment; filename=y.json"}, "x.csv", "text/csv"),
    ],
)
async def test_a_name_and_type_that_the_client_gave_stay_and_others_come_from_the_answer(
    api: ClientSession,
    submit: Submit,
    files: Origin,
    worker: asyncio.Event,
    given: dict[str, str],
    headers: dict[str, str],
    name: str,
    mime_type: str,
) -> None:
    query = {f"h-{header}": value for header, value in headers.items()}
    url = str(URL(f"{files.url}/x.csv").with_query(query))
    made = await submit("read", attachment={"file": url, **given})
    ended = await until(api, made["id"], "finished", "failed")
    assert ended["status"] == "finished", ended
    assert (ended["attachment"]["name"], ended["attachment"]["mime_type"]) == (name, mime_type)
    assert orjson.loads(ended["output"]) == {
        "name": name, "mime_type": mime_type, "content": CONTENT.decode(),
    }  # fmt: skip


async def test_later_attempts_and_reruns_use_the_stored_file(
    api: ClientSession, submit: Submit, files: Origin, worker: asyncio.Event
) -> None:
    made = await submit(
        "read", attachment={"file": f"{files.url}/x.csv"}, args={"fail": True}, max_attempts=2
    )
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["status"], ended["attempt"]) == ("finished", 2)
    async with api.post(f"/api/jobs/{made['id']}/rerun") as response:
        assert response.status == 200
    again = await until(api, made["id"], "finished", "failed")
    assert (again["status"], again["run"]) == ("finished", 2)
    async with api.post(f"/api/jobs/{made['id']}/rerun", json={"as_new": True}) as response:
        new = await response.json()
    assert (await until(api, new["id"], "finished", "failed"))["status"] == "finished"
    assert files.seen == ["/x.csv"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{other}/x.csv", "http://localhost:{port}/x.csv", "127.0.0.1/x.csv", "http://169.254.169.254/",
     "http://a:b@127.0.0.1:{port}/x.csv", "ftp://127.0.0.1:{port}/x.csv", "{url}/to-the-metadata"],
)  # fmt: skip
async def test_a_forbidden_url_fails_the_job_for_good(
    api: ClientSession, submit: Submit, files: Origin, worker: asyncio.Event, url: str
) -> None:
    to = url.format(port=files.port, other=files.port - 1, url=files.url)
    made = await submit("read", attachment={"file": to}, max_attempts=3)
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["status"], ended["attempt"]) == ("failed", 1)
    assert ended["error"] == {"code": "outbound_refused", "message": ended["output"], "retryable": False}
    assert ended["attachment"]["size"] is None
    assert files.seen == (["/to-the-metadata"] if "metadata" in url and "{url}" in url else [])


async def test_a_fetch_that_failed_is_tried_again(
    api: ClientSession, submit: Submit, files: Origin, worker: asyncio.Event
) -> None:
    made = await submit("read", attachment={"file": f"{files.url}/flaky"}, max_attempts=2)
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["status"], ended["attempt"]) == ("finished", 2)
    made = await submit("read", attachment={"file": f"{files.url}/missing"})
    ended = await until(api, made["id"], "finished", "failed")
    assert ended["error"] == {
        "code": "outbound_failed", "message": "127.0.0.1 answers with status 404", "retryable": True,
    }  # fmt: skip


async def test_a_file_over_the_limit_fails_the_job_and_leaves_nothing(
    api: ClientSession,
    submit: Submit,
    files: Origin,
    settings: Settings,
    worker: asyncio.Event,
    pool: asyncpg.Pool,
) -> None:
    url = str(URL(f"{files.url}/x.csv").with_query({"h-Content-Encoding": "gzip"}))
    files.content = gzip.compress(bytes(1001))
    made = await submit("read", attachment={"file": url}, max_attempts=3)
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["error"]["code"], ended["error"]["retryable"], ended["attempt"]) == ("too_large", False, 1)
    assert await pool.fetchval("SELECT count(*) FROM files") == 0
    assert [path for path in settings.data.glob("files/**/*") if path.is_file()] == []


async def test_a_fetch_says_that_it_is_one_and_can_be_cancelled(
    api: ClientSession, submit: Submit, files: Origin, settings: Settings, worker: asyncio.Event
) -> None:
    made = await submit("read", attachment={"file": f"{files.url}/slow"})
    async with asyncio.timeout(10):
        while (await job(api, made["id"]))["status_text"] != "Fetching the attachment":
            await asyncio.sleep(0.02)
    async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
        assert response.status == 202
    ended = await until(api, made["id"], "cancelled", "finished", "failed", seconds=3)
    assert ended["status"] == "cancelled"
    assert [path for path in settings.data.glob("files/**/*") if path.is_file()] == []


async def test_a_fetch_ends_with_the_time_of_its_job(
    api: ClientSession, submit: Submit, files: Origin, worker: asyncio.Event
) -> None:
    made = await submit("read", attachment={"file": f"{files.url}/slow"}, timeout_seconds=1)
    ended = await until(api, made["id"], "cancelled", "finished", "failed")
    assert ended["error"]["code"] == "timed_out"


async def test_only_the_holder_of_the_lease_attaches_a_file(
    api: ClientSession, submit: Submit, files: Origin, pool: asyncpg.Pool
) -> None:
    made = await submit("read", attachment={"file": f"{files.url}/x.csv"})
    job_id, lease_id = UUID(made["id"]), uuid4()
    await claim_pending(pool, [(job_id, lease_id)], "a worker", 60, worker_tags(("*",)), ["read"])
    running = await job(api, made["id"])
    blob = Blob("0" * 32, 3, bytes.fromhex(SHA256))
    file_id = await insert_file(
        pool, tenant_id=1, name="x", mime_type="text/plain", blob=blob, created_by="admin"
    )
    assert not await attach_if_held(pool, job_id, uuid4(), file_id, "y", "text/html")
    assert await job(api, made["id"]) == running
    assert await pool.fetchval(EXPIRES, file_id) is not None
    assert await attach_if_held(pool, job_id, lease_id, file_id, "y", "text/html")
    fetched = await job(api, made["id"])
    assert fetched["version"] == running["version"] + 1
    assert fetched["attachment"] == {
        "name": "y", "mime_type": "text/html", "size": 3, "sha256": SHA256, "url": f"{files.url}/x.csv",
    }  # fmt: skip
    assert await pool.fetchval(EXPIRES, file_id) is None
