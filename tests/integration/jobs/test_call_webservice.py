"""The job type callWebserviceEndpoint, against a real server on loopback that the settings allow."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from asking import ask, pointers
from running import job, until
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from workers.jobtypes.call_webservice import call_webservice
from workers.jobtypes.webservice.answer import _retry_after

CODE = "callWebserviceEndpoint"
LARGE = b"0123456789" * 10_000
FILES: dict[str, tuple[bytes, str, dict[str, str]]] = {
    "/large": (LARGE, "text/plain", {}),
    "/picture": (b"\x89PNG\0", "image/png", {"Content-Disposition": 'attachment; filename="a.png"'}),
    "/d/": (LARGE, "application/json", {}),
    "/a.pdf": (b"", "application/pdf", {}),
    "/latin": ("però".encode("latin-1"), "text/plain; charset=latin1", {}),
    "/bomb": (gzip.compress(b"0" * 10_000_000), "text/plain", {"Content-Encoding": "gzip"}),
}


@dataclass
class Service:
    """A web service; what it was asked, and a gate that holds `/slow` back."""

    url: str = ""
    port: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = {
            "method": request.method,
            "path": request.path_qs,
            "headers": dict(request.headers),
            "body": (await request.read()).decode(),
        }
        self.seen.append(asked)
        if request.path == "/slow":
            await self.gate.wait()
        if request.path in ("/drip", "/endless"):
            return await self.keep_talking(request)
        if request.path == "/flaky" and len(self.seen) == 1:
            return web.Response(status=503, text="busy", headers={"Retry-After": "1"})
        if request.path == "/echo":
            return web.json_response(asked)
        if request.path in FILES:
            content, kind, more = FILES[request.path]
            return web.Response(body=content, headers={"Content-Type": kind, **more})
        status = int(request.query.get("status", 200))
        headers = {name[2:]: value for name, value in request.query.items() if name.startswith("h-")}
        return web.Response(status=status, text=request.query.get("text", ""), headers=headers)

    async def keep_talking(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        while request.path == "/endless":
            await response.write(LARGE)
        await self.gate.wait()
        return response


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    async with TestServer(application, host="127.0.0.1") as server:
        made.url, made.port = str(server.make_url("")).rstrip("/"), server.port or 0
        yield made
        made.gate.set()


@pytest.fixture
def settings(settings: Settings, service: Service) -> Settings:
    """Settings that allow that server, and nothing else that is private."""
    allow = frozenset({("127.0.0.1", service.port)})
    return replace(settings, outbound_allow=allow, max_attachment=1_000_000, inline_limit=50_000)


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([replace(call_webservice, retry_seconds=0.05)])


Call = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def call(api: ClientSession, worker: asyncio.Event) -> Call:
    """Run a job to its end; `more` is what its body holds besides."""

    async def run(more: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
        made = await ask(api, "POST", "/api/jobs", json={"type": CODE, "args": args, **(more or {})})
        assert made.status == 201, made
        return await until(api, made.body["id"], "finished", "failed")

    return run


ONCE = {"max_attempts": 1}


async def test_the_request_is_what_the_args_say(call: Call, service: Service) -> None:
    ended = await call(
        url=f"{service.url}/echo?a=1",
        method="POST",
        headers={"Authorization": "Bearer t0ken", "X-Odd": "è"},
        body={"order": [1, None, "è"]},
        searchParams={"q": "a b&c", "n": 1.5, "yes": True, "many": ["x", 2]},
    )
    assert ended["status"] == "finished", ended
    assert (ended["response_type"], ended["outputs"]) == ("inline", [])
    asked = orjson.loads(ended["output"])
    assert asked == service.seen[0]
    assert asked["method"] == "POST"
    assert asked["path"] == "/echo?a=1&q=a+b%26c&n=1.5&yes=true&many=x&many=2"
    assert orjson.loads(asked["body"]) == {"order": [1, None, "è"]}
    assert asked["headers"]["Content-Type"] == "application/json"
    assert asked["headers"]["Authorization"] == "Bearer t0ken"
    assert asked["headers"]["Idempotency-Key"] == f"{ended['id']}-1"


async def test_without_more_it_is_a_plain_get(call: Call, service: Service) -> None:
    assert (await call(url=f"{service.url}/?text=hello"))["output"] == "hello"
    (asked,) = service.seen
    assert (asked["method"], asked["body"]) == ("GET", "")
    assert not {"Content-Type", "Idempotency-Key"} & asked["headers"].keys()


async def test_a_body_of_another_type_is_a_text_that_is_sent_as_it_is(call: Call, service: Service) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await call(url=service.url, method="PUT", headers=form, body="a=1&b=2")
    await call(url=service.url, method="PUT", headers={"content-type": "application/vnd.x+json"}, body="a")
    assert [asked["body"] for asked in service.seen] == ["a=1&b=2", '"a"']
    assert service.seen[0]["headers"]["Content-Type"] == form["Content-Type"]


async def test_messages_tell_each_try_without_the_query(
    api: ClientSession, call: Call, service: Service
) -> None:
    ended = await call(url=f"{service.url}/flaky?key=s3cret")
    assert (ended["status"], ended["attempt"]) == ("finished", 2)
    told = (await ask(api, "GET", f"/api/jobs/{ended['id']}/messages")).body["messages"]
    texts = [one["text"] for one in told]
    where = f"GET {service.url}/flaky"
    assert texts[:3] == [
        f"{where}: try 1",
        f"{where}: 127.0.0.1 answers with status 503 Service Unavailable: busy",
        f"{where}: try 2",
    ]
    assert texts[3].startswith(f"{where}: 200 OK after 0.")
    assert not any("s3cret" in text for text in texts)


async def test_the_next_try_waits_for_as_long_as_the_server_asks(
    api: ClientSession, call: Call, service: Service
) -> None:
    ended = await call(url=f"{service.url}/flaky")
    first, second = (await ask(api, "GET", f"/api/jobs/{ended['id']}/attempts")).body["attempts"]
    waited = datetime.fromisoformat(second["started_at"]) - datetime.fromisoformat(first["ended_at"])
    assert waited >= timedelta(seconds=1)
    assert first["error"]["retryable"]


async def test_which_statuses_are_tried_again(call: Call, service: Service) -> None:
    async def one(status: int, tries: int) -> None:
        ended = await call({"max_attempts": 2}, url=f"{service.url}/?status={status}&text=not+so")
        assert (ended["status"], ended["attempt"]) == ("failed", tries)
        error = ended["error"]
        assert (error["code"], error["retryable"]) == ("outbound_failed", tries == 2)
        assert error["message"].startswith(f"127.0.0.1 answers with status {status}")
        assert error["message"].endswith(": not so")

    async with asyncio.TaskGroup() as tasks:
        for status in (400, 401, 404, 409, 501, 505):
            tasks.create_task(one(status, 1))
        for status in (408, 425, 429, 500, 502, 503, 504, 599):
            tasks.create_task(one(status, 2 if status != 599 else 1))


async def test_by_default_there_are_three_tries(call: Call, service: Service) -> None:
    ended = await call(url=f"{service.url}/?status=503")
    assert (ended["max_attempts"], len(service.seen)) == (3, 3)


@pytest.mark.parametrize("path", ["/slow", "/drip"])
async def test_a_server_that_takes_too_long_is_a_timeout(call: Call, service: Service, path: str) -> None:
    ended = await call(ONCE, url=service.url + path, timeout_seconds=1)
    assert ended["error"] == {
        "code": "timed_out",
        "message": "127.0.0.1 did not answer within 1 seconds",
        "retryable": True,
    }
    assert ended["outputs"] == []


async def test_nobody_there_is_tried_again(call: Call, settings: Settings, service: Service) -> None:
    port = service.port
    ended = await call({"max_attempts": 2}, url=f"http://127.0.0.1:{port}/?status=503&h-Retry-After=0")
    assert ended["attempt"] == 2
    ended = await call({"max_attempts": 2}, url="http://no-such-host.invalid/")
    assert (ended["error"]["code"], ended["error"]["retryable"], ended["attempt"]) == (
        "outbound_failed",
        True,
        2,
    )


FORBIDDEN = (
    "http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://a.invalid:22/",
    "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.org/", "http://user:s3cret@example.org/", "nonsense",
    "http://", "//127.0.0.1/", "http://a:99999/", "http://exa mple/",
)  # fmt: skip


async def test_a_forbidden_address_is_refused_at_once(call: Call, service: Service) -> None:
    async def one(url: str) -> None:
        ended = await call(url=url, searchParams={"a": 1})
        assert (ended["status"], ended["attempt"]) == ("failed", 1), url
        assert (ended["error"]["code"], ended["error"]["retryable"]) == ("outbound_refused", False), url
        assert "s3cret" not in ended["error"]["message"]

    async with asyncio.TaskGroup() as tasks:
        for url in FORBIDDEN:
            tasks.create_task(one(url))


async def test_so_is_one_that_a_redirect_leads_to(call: Call, service: Service) -> None:
    for location in ("http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd"):
        ended = await call(
            url=service.url, searchParams={"status": 307, "h-Location": location}, method="POST", body=1
        )
        assert ended["error"]["code"] == "outbound_refused"


async def test_a_redirect_is_followed_with_what_it_keeps(call: Call, service: Service) -> None:
    for status, method, body in ((302, "GET", ""), (303, "GET", ""), (307, "POST", "5"), (308, "POST", "5")):
        service.seen.clear()
        more = {"status": status, "h-Location": "/echo"}
        ended = await call(url=service.url, method="POST", body=5, searchParams=more)
        asked = orjson.loads(ended["output"])
        assert (asked["method"], asked["body"]) == (method, body)
        assert ("Content-Type" in asked["headers"]) == bool(body)


async def test_what_is_large_or_no_text_becomes_a_file(
    api: ClientSession, call: Call, service: Service
) -> None:
    for path, name in (
        ("/large", "large"),
        ("/picture", "a.png"),
        ("/d/", "response.json"),
        ("/a.pdf", "a.pdf"),
    ):
        content, mime_type, _ = FILES[path]
        ended = await call(url=service.url + path)
        assert ended["status"] == "finished", ended
        (output,) = ended["outputs"]
        assert (ended["output"], ended["response_type"]) == (None, "publish_link")
        assert (output["name"], output["mime_type"], output["size"]) == (name, mime_type, len(content))
        async with api.get(f"/api/jobs/{ended['id']}/outputs/{output['id']}/content") as response:
            assert await response.read() == content


async def test_a_text_is_read_in_its_own_charset(call: Call, service: Service) -> None:
    assert (await call(url=f"{service.url}/latin"))["output"] == "però"
    assert (await call(url=service.url, method="HEAD"))["output"] == ""


@pytest.mark.parametrize("path", ["/endless", "/bomb"])
async def test_an_answer_is_bounded(call: Call, service: Service, path: str) -> None:
    ended = await call(url=service.url + path)
    assert ended["status"] == "failed"
    assert (ended["error"]["code"], ended["error"]["retryable"]) == ("too_large", False)
    assert ended["outputs"] == []


async def test_a_secret_that_the_server_says_again_is_not_shown(call: Call, service: Service) -> None:
    ended = await call(url=f"{service.url}/?status=401&text=bad+s3cret", headers={"X-Key": "s3cret"})
    assert ended["error"]["message"] == "127.0.0.1 answers with status 401 Unauthorized: bad ***"


async def test_values_of_headers_are_secret_save_those_of_harmless_ones(call: Call, service: Service) -> None:
    headers = {
        "authorization": "Bearer t0ken",
        "X-Api-Key": "s3cret",
        "Cookie": "a=s3cret",
        "Accept": "text/plain",
    }
    ended = await call(url=f"{service.url}/?text=hello", headers=headers)
    hidden = {"authorization": "***", "X-Api-Key": "***", "Cookie": "***"}
    assert ended["args"]["headers"] == {**hidden, "Accept": "text/plain"}
    assert ended["output"] == "hello"
    assert {"Bearer t0ken", "s3cret", "a=s3cret"} <= set(service.seen[0]["headers"].values())


async def test_a_call_can_be_cancelled(api: ClientSession, worker: asyncio.Event, service: Service) -> None:
    made = await ask(api, "POST", "/api/jobs", json={"type": CODE, "args": {"url": f"{service.url}/slow"}})
    async with asyncio.timeout(10):
        while not service.seen:
            await asyncio.sleep(0.01)
    await ask(api, "POST", f"/api/jobs/{made.body['id']}/cancel")
    await until(api, made.body["id"], "cancelled")
    assert (await job(api, made.body["id"]))["error"] is None


WRONG: tuple[tuple[Any, list[str]], ...] = (
    ({}, ["#/args/url"]),
    ({"url": ""}, ["#/args/url"]),
    ({"url": 5, "odd": 1}, ["#/args/odd", "#/args/url"]),
    ({"url": "http://a", "method": "BREW"}, ["#/args/method"]),
    ({"url": "http://a", "headers": {"a b": "x", "Host": "b", "X-A": "a\r\nB: c", "X-B": 5}},
     ["#/args/headers/Host", "#/args/headers/X-A", "#/args/headers/X-B", "#/args/headers/a%20b"]),
    ({"url": "http://a", "headers": {"Transfer-Encoding": "chunked"}}, ["#/args/headers/Transfer-Encoding"]),
    ({"url": "http://a", "searchParams": {"a": None, "b": {"c": 1}, "d": [[1]], "e": 1}},
     ["#/args/searchParams/a", "#/args/searchParams/b", "#/args/searchParams/d"]),
    ({"url": "http://a", "headers": {"Content-Type": "text/plain"}, "body": {"a": 1}}, ["#/args/body"]),
    ({"url": "http://a", "timeout_seconds": 0}, ["#/args/timeout_seconds"]),
)  # fmt: skip


async def test_wrong_args_are_refused_with_each_place(api: ClientSession) -> None:
    for args, where in WRONG:
        assert pointers(await ask(api, "POST", "/api/jobs", json={"type": CODE, "args": args})) == where


def test_a_pause_is_read_in_both_forms() -> None:
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert _retry_after("120", now) == 120
    assert _retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert _retry_after(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0
    for header in (
        None,
        "",
        "-1",
        "soon",
        "1" * 10,
        "Mon, 99 Foo 2026 00:00:00 GMT",
        "Sun, 22 Nov 2026 10:00:00",
    ):
        assert _retry_after(header, now) is None
