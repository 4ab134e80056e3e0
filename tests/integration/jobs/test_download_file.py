"""downloadFile against a server that breaks off, ignores ranges and changes its file, and workers that are killed."""

import asyncio
import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from object_store import BUCKET, object_store
from running import job as read_job
from running import running_worker, until
from service.files.storage import open_storage
from service.files.store import release_expired_files
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from worker_process import WorkerProcess
from workers.jobtypes.download import fetch
from workers.jobtypes.download_file import download_file

Submit = Callable[..., Awaitable[dict[str, Any]]]
CONTENT = bytes(n * 7 % 251 for n in range(3_000_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OLD = "Mon, 02 Feb 2026 10:00:00 GMT"


@dataclass
class Origin:
    """A server of one file. The first answers break off, or hang, after so many bytes of body."""

    url: str = ""
    port: int = 0
    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    breaks_after: list[int] = field(default_factory=list)
    hangs_after: list[int] = field(default_factory=list)
    ranges: bool = True
    length: bool = True
    status: int = 200
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return web.Response(
                status=302, headers={"Location": self.url.replace("127.0.0.1", "localhost") + "/x"}
            )
        wanted, validator = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append((wanted, validator))
        if self.status != 200:
            return web.Response(status=self.status, text="no")
        start = 0
        known = (self.headers.get("ETag"), self.headers.get("Last-Modified"))
        if self.ranges and wanted is not None and validator in known:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        response = web.StreamResponse(status=206 if start else 200, headers=self.headers)
        if start:
            end = len(self.content) - 1
            response.headers["Content-Range"] = f"bytes {start}-{end}/{len(self.content)}"
        if self.length:
            response.content_length = len(self.content) - start
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        await self._send(request, response, start)
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, start: int) -> None:
        if self.breaks_after:
            await response.write(self.content[start : start + self.breaks_after.pop(0)])
            assert request.transport is not None
            request.transport.close()
        elif self.hangs_after:
            await response.write(self.content[start : start + self.hangs_after.pop(0)])
            self.hanging.set()
            await self.gate.wait()
        else:
            await response.write(self.content[start:])


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """The server, on loopback."""
    made = Origin()
    application = web.Application()
    application.router.add_get("/{path:.*}", made.answer)
    async with TestServer(application, host="127.0.0.1") as server:
        made.url, made.port = str(server.make_url("")).rstrip("/"), server.port or 0
        yield made
        made.gate.set()


@pytest.fixture
def settings(settings: Settings, origin: Origin) -> Settings:
    """Settings that allow the server, under both of its names."""
    allowed = frozenset({("127.0.0.1", origin.port), ("localhost", origin.port)})
    return replace(settings, outbound_allow=allowed, max_attachment=4_000_000)


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([replace(download_file, retry_seconds=0.05)])


async def content(api: ClientSession, job: dict[str, Any]) -> bytes:
    """The bytes of the job's one output, over its link."""
    assert job["status"] == "finished", job
    async with api.get(job["publish_link"]) as response:
        assert response.status == 200
        return await response.read()


async def stored(pool: asyncpg.Pool, settings: Settings) -> int:
    """How many files there are when purge has been; each has a row, and each row a file.

    A worker purges too, and deletes a row first: its bytes may take a moment longer.
    """
    for key in await release_expired_files(pool, 1000):
        await open_storage(settings.storage_url).delete(key)
    until_then = time.monotonic() + 5
    while True:
        rows = {row[0] for row in await pool.fetch("SELECT storage_key FROM files")}
        files = {path.name for path in settings.data.glob("files/**/*") if path.is_file()}
        if files == rows or time.monotonic() > until_then:
            break
        await asyncio.sleep(0.02)
    assert files == rows
    return len(rows)


async def test_a_file_is_fetched_into_an_output(
    api: ClientSession,
    submit: Submit,
    origin: Origin,
    settings: Settings,
    pool: asyncpg.Pool,
    worker: asyncio.Event,
) -> None:
    origin.headers |= {
        "Content-Disposition": 'attachment; filename="../../etc/dues è.csv"', "Content-Type": "text/csv; charset=x",
    }  # fmt: skip
    made = await submit("downloadFile", args={"url": f"{origin.url}/x?y=1", "sha256": SHA256.upper()})
    ended = await until(api, made["id"], "finished", "failed")
    assert await content(api, ended) == CONTENT
    (output,) = ended["outputs"]
    assert (output["name"], output["mime_type"], output["size"]) == ("dues è.csv", "text/csv", len(CONTENT))
    assert (output["sha256"], ended["response_type"], ended["output"]) == (SHA256, "publish_link", None)
    assert (ended["attempt"], ended["running_output"]) == (1, f"{len(CONTENT)} bytes")
    assert await stored(pool, settings) == 1


async def test_without_a_name_the_address_gives_one(
    api: ClientSession, submit: Submit, origin: Origin, worker: asyncio.Event
) -> None:
    made = await submit("downloadFile", args={"url": f"{origin.url}/a/report%20%2e%2e%2fmarzo.json?x=1"})
    ended = await until(api, made["id"], "finished", "failed")
    (output,) = ended["outputs"]
    assert (output["name"], output["mime_type"]) == ("marzo.json", "application/json")


@pytest.mark.parametrize("size", [0, 1, fetch.PIECE])
async def test_files_of_any_size_arrive_whole(
    api: ClientSession,
    submit: Submit,
    origin: Origin,
    worker: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setattr(fetch, "PIECE", 65_536)
    origin.content = CONTENT[: min(size, 4 * 65_536)]
    origin.length = size != 1
    made = await submit("downloadFile", args={"url": f"{origin.url}/x"})
    assert await content(api, await until(api, made["id"], "finished", "failed")) == origin.content


@pytest.mark.parametrize("headers", [{"ETag": '"one"'}, {"Last-Modified": OLD}])
@pytest.mark.parametrize("path", ["/x", "/moved"])
async def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    api: ClientSession, submit: Submit, origin: Origin, settings: Settings, pool: asyncpg.Pool, worker: asyncio.Event,
    headers: dict[str, str], path: str,
) -> None:  # fmt: skip
    origin.headers, origin.breaks_after = headers, [1_000_000, 500_000]
    made = await submit("downloadFile", args={"url": origin.url + path, "sha256": SHA256})
    ended = await until(api, made["id"], "finished", "failed")
    assert await content(api, ended) == CONTENT
    assert ended["attempt"] == 3
    (validator,) = headers.values()
    assert origin.asked[0] == (None, None)
    (second, third) = [int(str(wanted)[6:-1]) for wanted, asked in origin.asked[1:] if asked == validator]
    assert 0 < second <= 1_000_000  # what was received and not yet read when it broke is lost
    assert second < third <= second + 500_000
    assert await stored(pool, settings) == 1


@pytest.mark.parametrize("how", ["ignores ranges", "changes", "weak", "fresh date", "no validator", "packed"])
async def test_it_starts_over_when_the_rest_may_be_of_another_file(
    api: ClientSession, submit: Submit, origin: Origin, settings: Settings, pool: asyncpg.Pool, worker: asyncio.Event,
    how: str,
) -> None:  # fmt: skip
    origin.breaks_after = [1_000_000]
    expected, asks = CONTENT, how in ("ignores ranges", "changes")
    match how:
        case "ignores ranges":
            origin.ranges = False
        case "weak":
            origin.headers = {"ETag": 'W/"one"'}
        case "fresh date":
            origin.headers = {"Last-Modified": OLD, "Date": OLD}
        case "no validator":
            origin.headers = {}
        case "packed":
            origin.content = gzip.compress(CONTENT, 0)
            origin.headers |= {"Content-Encoding": "gzip"}
    made = await submit("downloadFile", args={"url": f"{origin.url}/x"}, max_attempts=2)
    if how == "changes":
        async with asyncio.timeout(10):
            while not origin.asked:
                await asyncio.sleep(0.001)
        origin.headers, expected = {"ETag": '"two"'}, CONTENT[::-1]
        origin.content = expected
    ended = await until(api, made["id"], "finished", "failed")
    assert await content(api, ended) == expected
    assert [wanted is not None for wanted, _ in origin.asked] == [False, asks]
    assert await stored(pool, settings) == 1


async def test_a_worker_that_is_killed_loses_little(
    api: ClientSession, submit: Submit, origin: Origin, settings: Settings, pool: asyncpg.Pool
) -> None:
    allow = f"127.0.0.1:{origin.port}"
    origin.hangs_after = [2_000_000]
    with WorkerProcess(settings, {"LAVORI_OUTBOUND_ALLOW": allow}) as process:
        made = await submit("downloadFile", args={"url": f"{origin.url}/x", "sha256": SHA256})
        async with asyncio.timeout(30):
            await origin.hanging.wait()
            while not await pool.fetchval("SELECT count(*) FROM files"):
                await asyncio.sleep(0.02)
            while (await read_job(api, made["id"]))["percent_completed"] < 60:
                await asyncio.sleep(0.02)
        process.kill_and_start_again()
        ended = await until(api, made["id"], "finished", "failed", seconds=40)
        # The worker must live: killed between a file's row and its bytes, it leaves an orphan for a later purge.
        assert await stored(pool, settings) == 1
    assert await content(api, ended) == CONTENT
    assert (ended["attempt"], ended["error"]) == (1, None)
    assert origin.asked == [(None, None), ("bytes=2000000-", '"one"')]


async def test_an_object_store_keeps_the_pieces_too(
    submit: Submit, api: ClientSession, origin: Origin, settings: Settings, job_types: JobTypes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    origin.breaks_after = [1_000_000]
    async with object_store(tmp_path) as objects:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{objects.port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "tests")
        storage_url = f"s3://{BUCKET}/files"
        async with running_worker(replace(settings, storage_url=storage_url), job_types):
            made = await submit("downloadFile", args={"url": f"{origin.url}/x", "sha256": SHA256})
            ended = await until(api, made["id"], "finished", "failed")
        assert (ended["status"], ended["attempt"], len(origin.asked)) == ("finished", 2, 2)
        assert str(origin.asked[1][0]).startswith("bytes=")
        storage = open_storage(storage_url)
        later = datetime.now(UTC) + timedelta(days=1)
        keys = [key async for key in storage.older_than(later)]
        wholes = [b"".join([chunk async for chunk in storage.read(key, 0, 1 << 40)]) for key in keys]
    assert CONTENT in wholes


async def test_another_checksum_fails_the_job_for_good_and_leaves_nothing(
    api: ClientSession,
    submit: Submit,
    origin: Origin,
    settings: Settings,
    pool: asyncpg.Pool,
    worker: asyncio.Event,
) -> None:
    made = await submit("downloadFile", args={"url": f"{origin.url}/x", "sha256": "0" * 64})
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["status"], ended["error"]["code"], ended["attempt"]) == ("failed", "checksum_mismatch", 1)
    assert SHA256 in ended["output"]
    assert (ended["outputs"], await stored(pool, settings)) == ([], 0)


@pytest.mark.parametrize("length", [True, False])
async def test_a_file_over_the_limit_fails_the_job(
    api: ClientSession, submit: Submit, origin: Origin, worker: asyncio.Event, *, length: bool
) -> None:
    origin.content, origin.length = bytes(4_000_001), length
    made = await submit("downloadFile", args={"url": f"{origin.url}/x"})
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["error"]["code"], ended["error"]["retryable"], ended["attempt"]) == ("too_large", False, 1)
    assert "4000000 bytes" in ended["output"]


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (206, 1), (503, 2), (429, 2)])
async def test_a_status_says_whether_it_is_tried_again(
    api: ClientSession, submit: Submit, origin: Origin, worker: asyncio.Event, status: int, attempts: int
) -> None:
    origin.status = status
    made = await submit("downloadFile", args={"url": f"{origin.url}/x"}, max_attempts=2)
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["error"]["code"], ended["attempt"]) == ("outbound_failed", attempts)
    assert f"answers with status {status}" in ended["output"]


@pytest.mark.parametrize(
    "url", ["http://localhost:1/x", "http://169.254.169.254/", "file:///etc/passwd", "x", "/x"]
)
async def test_an_address_that_is_forbidden_fails_the_job_for_good(
    api: ClientSession, submit: Submit, worker: asyncio.Event, url: str
) -> None:
    made = await submit("downloadFile", args={"url": url})
    ended = await until(api, made["id"], "finished", "failed")
    assert (ended["error"]["code"], ended["attempt"]) == ("outbound_refused", 1)


@pytest.mark.parametrize(
    ("args", "pointer"),
    [({}, "#/args/url"), ({"url": ""}, "#/args/url"), ({"url": "http://a/", "sha256": "x"}, "#/args/sha256")],
)
async def test_wrong_args_are_refused(api: ClientSession, args: dict[str, Any], pointer: str) -> None:
    async with api.post("/api/jobs", json={"type": "downloadFile", "args": args}) as response:
        problem = await response.json()
    assert (response.status, [one["pointer"] for one in problem["errors"]]) == (422, [pointer])


async def test_cancelling_ends_it_and_what_it_had_expires(
    api: ClientSession, submit: Submit, origin: Origin, settings: Settings, pool: asyncpg.Pool, worker: asyncio.Event,
    tmp_path: Path,
) -> None:  # fmt: skip
    origin.hangs_after = [1_000_000]
    made = await submit("downloadFile", args={"url": str(URL(origin.url) / "x")})
    await asyncio.wait_for(origin.hanging.wait(), 10)
    async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
        assert response.status == 202
    ended = await until(api, made["id"], "cancelled", "finished", "failed", seconds=5)
    assert ended["status"] == "cancelled"
    assert await pool.fetchval("SELECT count(*) FROM files WHERE expires_at IS NULL") == 0
    parts = [path for path in (tmp_path / "files").glob("**/*.part") if path.is_file()]
    assert parts == []
