"""POST /api/jobs: what is taken, what is refused, and how both are told."""

import asyncio
import base64
import gzip
import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession, FormData

import odd_jobs
import picky_jobs
from asking import ask, key_for, pointers
from service.jobs.jobtype import JobTypes
from service.settings import Settings

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"


@pytest.fixture
def job_types() -> JobTypes:
    """One that takes anything, and one that does not."""
    return JobTypes([odd_jobs.echo, picky_jobs.picky])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits that a test can reach."""
    return replace(settings, max_json_body=100_000, max_attachment=50_000)


async def test_a_created_job_is_answered_whole_and_read_the_same(api: ClientSession) -> None:
    asked = {
        "type": "echo", "args": {"a": [1, 2.5, None, "è", {"b": True}]}, "description": "d", "category": "c",
        "sub_category": "s", "priority": "high", "worker_tag": "gpu", "labels": {"team": "a b"},
        "run_at": "2126-11-22T12:00:00.123999+02:00", "expires_in": 3600, "timeout_seconds": 60, "max_attempts": 3,
        "publish_link_access_scope": "organization", "can_rerun": False, "client_request_id": "r1",
        "correlation_id": "c1", "idempotency_key": "k1",
        "notify": {"emails": ["a@example.org"], "on": ["failed"], "webhook_url": "https://example.org/hook"},
    }  # fmt: skip
    made = await ask(api, "POST", "/api/jobs", json=asked)
    assert made.status == 201
    job = made.body
    assert made.headers["Location"] == f"/api/jobs/{job['id']}"
    assert made.headers["ETag"] == '"1"'
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"
    assert UUID(job["id"]).version == 7
    same = {**asked, "run_at": "2126-11-22T10:00:00.123Z"}
    assert {name: job[name] for name in same if name not in ("expires_in", "notify")} == {
        name: value for name, value in same.items() if name not in ("expires_in", "notify")
    }
    assert (job["status"], job["version"], job["run"], job["attempt"]) == ("pending", 1, 1, 1)
    assert job["created_by"] == job["modified_by"] == "admin"
    for name in ("created_at", "updated_at", "expires_at", "run_at"):
        assert MOMENT.fullmatch(job[name]), job
    read = await ask(api, "GET", made.headers["Location"])
    assert read.body == job


async def test_paths_with_a_language_are_the_same_api(api: ClientSession) -> None:
    for lang in ("it", "EN", "lang"):
        made = await ask(api, "POST", f"/{lang}/api/jobs", json={"type": "echo"})
        assert made.status == 201
        assert made.headers["Location"] == f"/{lang}/api/jobs/{made.body['id']}"
        assert (await ask(api, "GET", made.headers["Location"])).status == 200
        assert (await ask(api, "POST", f"/{lang}/api/jobs", json={"type": "echo"})).status == 201
        assert (
            (await ask(api, "GET", f"/{lang}/api/jobs?limit=1")).body["next"].startswith(f"/{lang}/api/jobs?")
        )
    for path in ("/ita/api/jobs", "/i/api/jobs", "/1t/api/jobs", "/api/api/jobs"):
        assert (await ask(api, "GET", path)).status == 404


async def test_every_fault_is_told_at_once_with_its_pointer(api: ClientSession) -> None:
    body = {
        "type": "picky", "nonsense": 1, "a/b~c d": 2, "priority": "urgent", "run_at": "2026-11-22T10:00:00",
        "expires_in": 0, "max_attempts": "3", "labels": {"ok": 5, "": "x"}, "idempotency_key": "k" * 65,
        "notify": {"emails": ["nobody"], "on": ["never"]},
        "args": {"count": 99, "columns": [{"name": "a"}, {"kind": "odd"}], "names": {"too long": "x"}, "more": 1},
        "attachment": {"file": "!!!", "size": 3},
    }  # fmt: skip
    answer = await ask(api, "POST", "/api/jobs", json=body)
    assert pointers(answer) == sorted([
        "#/nonsense", "#/a~1b~0c%20d", "#/priority", "#/run_at", "#/expires_in", "#/max_attempts", "#/labels/ok",
        "#/labels/", "#/idempotency_key", "#/notify/emails/0", "#/notify/on/0", "#/args/service_id", "#/args/count",
        "#/args/columns/1/name", "#/args/columns/1/kind", "#/args/names/too%20long", "#/args/more",
        "#/attachment/size", "#/attachment/file",
    ])  # fmt: skip
    assert answer.body["code"] == "invalid"
    assert answer.body["instance"] == "/api/jobs"


async def test_args_attachment_and_key_are_looked_at_even_when_all_else_is_right(api: ClientSession) -> None:
    answer = await ask(
        api, "POST", "/api/jobs", json={"type": "picky", "args": {}}, headers={"Idempotency-Key": "k" * 65}
    )
    assert pointers(answer) == ["#/args/service_id", "#/attachment", "#/idempotency_key"]
    attachment = {"id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"}
    answer = await ask(api, "POST", "/api/jobs", json={"type": "picky", "attachment": attachment})
    assert pointers(answer) == ["#/args/service_id", "#/attachment/id"]


WRONG: list[tuple[Any, str, list[str]]] = [
    ({}, "invalid", ["#/type"]),
    ({"type": None}, "invalid", ["#/type"]),
    ({"type": 5}, "invalid", ["#/type"]),
    ({"type": "no such"}, "unknown_job_type", ["#/type"]),
    ({"type": "no such", "limit": 1}, "unknown_job_type", ["#/limit", "#/type"]),
    ({"definition": "no such"}, "invalid", ["#/definition"]),
    ({"type": "echo", "args": []}, "invalid", ["#/args"]),
    ({"type": "echo", "args": None}, "invalid", ["#/args"]),
    ({"type": "echo", "attachment": {}}, "invalid", ["#/attachment"]),
    ({"type": "echo", "attachment": "aGk="}, "invalid", ["#/attachment"]),
    ({"type": "echo", "attachment": {"file": "a", "id": SERVICE}}, "invalid", ["#/attachment"]),
    ({"type": "echo", "attachment": {"id": "seven"}}, "invalid", ["#/attachment/id"]),
    ({"type": "echo", "attachment": {"file": "YQ="}}, "invalid", ["#/attachment/file"]),
    ({"type": "echo", "attachment": {"file": 7}}, "invalid", ["#/attachment/file"]),
    ({"type": "echo", "run_at": "9999-12-31T23:59:59-23:00"}, "invalid", ["#/run_at"]),
    ({"type": "echo", "run_at": "0001-01-01T00:00:00+23:00"}, "invalid", ["#/run_at"]),
    ({"type": "echo", "run_at": 1e300}, "invalid", ["#/run_at"]),
    ({"type": "echo", "timeout_seconds": 2**31}, "invalid", ["#/timeout_seconds"]),
    ({"type": "echo", "max_attempts": True}, "invalid", ["#/max_attempts"]),
    ({"type": "echo", "description": "x" * 4_001}, "invalid", ["#/description"]),
    ({"type": "echo", "worker_tag": "a b"}, "invalid", ["#/worker_tag"]),
    ({"type": "echo", "status": "finished"}, "invalid", ["#/status"]),
    ({"type": "echo", "tenant_id": 2, "attempt": 5}, "invalid", ["#/attempt", "#/tenant_id"]),
    ({"type": "echo", "args": {"a\0b": {"c": ["\0"]}}}, "invalid", ["#/args/a%00b", "#/args/a%00b/c/0"]),
    ([], "invalid", ["#"]),
    ("text", "invalid", ["#"]),
    (7, "invalid", ["#"]),
]


async def test_what_is_wrong_is_told(api: ClientSession) -> None:
    for body, code, where in WRONG:
        answer = await ask(api, "POST", "/api/jobs", json=body)
        assert (pointers(answer), answer.body["code"]) == (where, code), body


NO_JSON = [
    b"", b"{", b"{'type': 'echo'}", b'{"type": "echo",}', b"\xff\xfe", b'{"type": "\xff"}', b'{"type": "\\ud800"}',
    b'{"args": NaN}', b'{"type": "echo", "args": {"n": 1e400}}', b'{"a": -1e999}', b"1" * 5_000,
    b"\xef\xbb\xbf{}", b'{"type": "a\x00b"}', b"[" * 99_000, b'{"a":' * 15_000,
    b'{"type": "echo", "args": ' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}",
]  # fmt: skip


async def test_what_is_no_json_is_malformed(api: ClientSession) -> None:
    for body in NO_JSON:
        answer = await ask(api, "POST", "/api/jobs", data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400
        assert answer.body["code"] == "malformed"


async def test_sixty_four_levels_and_braces_in_texts_are_fine(api: ClientSession) -> None:
    deep: Any = 1
    for _ in range(62):
        deep = {"[[[{{{": deep}
    answer = await ask(api, "POST", "/api/jobs", json={"type": "echo", "args": deep | {"t": "[" * 99}})
    assert answer.status == 201
    assert answer.body["args"] == deep | {"t": "[" * 99}


async def test_large_numbers_come_back_as_doubles(api: ClientSession) -> None:
    body = b'{"type":"echo","args":{"a":1180591620717411303424,"b":18446744073709551615}}'
    answer = await ask(api, "POST", "/api/jobs", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 201
    assert answer.body["args"] == {"a": 2.0**70, "b": 2**64 - 1}


async def test_other_kinds_of_bodies_are_unsupported(api: ClientSession) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"):
        answer = await ask(api, "POST", "/api/jobs", data=b'{"type": "echo"}', headers={"Content-Type": kind})
        assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type"), kind


async def test_a_body_over_the_limit_is_too_large_however_it_comes(api: ClientSession) -> None:
    body = b'{"type": "echo", "description": "%s"}' % (b"x" * 100_000)

    async def chunks() -> Any:
        for _ in range(1_000):
            yield b" " * 10_000

    as_json = {"Content-Type": "application/json"}
    packed = {**as_json, "Content-Encoding": "gzip"}
    for data, headers in (
        (body, as_json),
        (chunks(), as_json),
        (gzip.compress(body), packed),
        (gzip.compress(b" " * 50_000_000), packed),
    ):
        answer = await ask(api, "POST", "/api/jobs", data=data, headers=headers)
        assert (answer.status, answer.body["code"]) == (413, "too_large")
        assert "100000 bytes" in answer.body["detail"]


async def test_packed_bodies_are_unpacked_and_broken_ones_refused(api: ClientSession) -> None:
    packed = gzip.compress(b'{"type": "echo"}')
    for data, encoding, status in (
        (packed, "gzip", 201),
        (packed[:-12], "gzip", 400),
        (b"nonsense", "gzip", 400),
        (packed, "rot13", 415),
    ):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        assert (await ask(api, "POST", "/api/jobs", data=data, headers=headers)).status == status, (
            data,
            encoding,
        )


async def test_an_attachment_in_the_body_is_kept(api: ClientSession) -> None:
    for file, content, kind in (
        (base64.b64encode(b"a;b\n").decode(), b"a;b\n", "text/csv"),
        ("", b"", "text/csv"),
        ("data:text/html,%3Cb%3E", b"<b>", "text/html"),
        ("data:;base64,AAE=", b"\0\1", "text/plain"),
    ):
        made = await ask(
            api, "POST", "/api/jobs", json={"type": "echo", "attachment": {"file": file, "name": "x.csv"}}
        )
        assert made.status == 201
        shown = made.body["attachment"]
        assert (shown["name"], shown["size"], shown["url"]) == ("x.csv", len(content), None)
        assert shown["mime_type"] == kind
        async with api.get(f"/api/jobs/{made.body['id']}/attachment") as response:
            assert await response.read() == content


async def test_a_url_is_kept_for_the_worker(api: ClientSession) -> None:
    for file, url in (
        ("https://example.org/a/x.csv?y=1", "https://example.org/a/x.csv?y=1"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
        ("www.example.com/x.csv", "https://www.example.com/x.csv"),
    ):
        made = await ask(api, "POST", "/api/jobs", json={"type": "echo", "attachment": {"file": file}})
        assert made.status == 201
        shown = made.body["attachment"]
        assert (shown["url"], shown["size"], shown["sha256"]) == (url, None, None)


def form(job: bytes, file: bytes | None = None) -> FormData:
    """A form with these parts."""
    made = FormData()
    made.add_field("job", job.decode(), content_type="application/json")
    if file is not None:
        made.add_field("attachment", file, filename="a.csv", content_type="text/csv")
    return made


async def test_a_form_makes_the_same_job(api: ClientSession) -> None:
    job = b'{"type": "picky", "args": {"service_id": "%s"}}' % SERVICE.encode()
    made = await ask(api, "POST", "/api/jobs", data=form(job, b"x" * 50_000))
    assert made.status == 201
    assert made.body["attachment"]["size"] == 50_000
    assert made.body["attachment"]["name"] == "a.csv"
    assert pointers(await ask(api, "POST", "/api/jobs", data=form(job))) == ["#/attachment"]
    assert pointers(await ask(api, "POST", "/api/jobs", data=form(b"[]", b"x"))) == ["#"]
    assert (await ask(api, "POST", "/api/jobs", data=form(b"{", b"x"))).status == 400
    assert (await ask(api, "POST", "/api/jobs", data=form(b'"%s"' % (b"x" * 100_000), b"x"))).status == 413
    both = b'{"type": "echo", "attachment": {"file": ""}}'
    assert pointers(await ask(api, "POST", "/api/jobs", data=form(both, b"x"))) == ["#/attachment"]


async def test_an_attachment_over_the_limit_is_too_large(api: ClientSession) -> None:
    file = base64.b64encode(b"x" * 50_001).decode()
    for how in (
        {"json": {"type": "echo", "attachment": {"file": file}}},
        {"data": form(b'{"type": "echo"}', b"x" * 50_001)},
    ):
        answer = await ask(api, "POST", "/api/jobs", **how)
        assert (answer.status, answer.body["code"]) == (413, "too_large")
        assert "50000 bytes" in answer.body["detail"]


async def test_a_refused_form_leaves_no_file(api: ClientSession, settings: Settings) -> None:
    viewer = await key_for(api, "vera", "viewer")
    for how, headers in (
        (form(b'{"type": "no such"}', b"x"), None),
        (form(b'{"type": "echo"}', b"x"), viewer),
        (form(b"{", b"x"), None),
    ):
        assert (await ask(api, "POST", "/api/jobs", data=how, headers=headers)).status in (400, 403, 422)
    left = [path for path in (settings.data / "files").rglob("*") if path.is_file()]
    assert left == []


async def test_a_query_is_refused(api: ClientSession) -> None:
    answer = await ask(api, "POST", "/api/jobs?dry_run=true", json={"type": "echo"})
    assert answer.status == 400
    assert "dry_run" in answer.body["detail"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(api: ClientSession) -> None:
    url = api._base_url
    assert url is not None
    for head in (
        b"",
        b"Content-Type: multipart/form-data; boundary=x\r\n",
        b"Content-Type: application/json\r\n",
    ):
        _, writer = await asyncio.open_connection(url.host, url.port)
        token = api.headers["Authorization"].encode()
        writer.write(b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n" % token + head)
        writer.write(b'Content-Length: 1000\r\n\r\n{"type": ')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert (await ask(api, "POST", "/api/jobs", json={"type": "echo"})).status == 201


async def test_bytes_that_no_client_should_send_are_answered(api: ClientSession) -> None:
    url = api._base_url
    assert url is not None
    token = api.headers["Authorization"].encode()
    for request in (
        b"GET /api/jobs/\xff HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % token,
        b"GET /api/jobs?created_by=%%ff%%ed%%a0%%80 HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % token,
        b"GET /api/jobs?%%ff=1 HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % token,
        b"GET /api/jobs HTTP/1.1\r\nHost: \xff\r\nAuthorization: %s\r\n\r\n" % token,
        b"GET /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xff\xff\xff\r\n\r\n",
        b"GET /api/jobs HTTP/1.1\r\nHost: x\r\nX-Request-Id: \xff\r\nAuthorization: %s\r\n\r\n" % token,
        b"GET /%%00/%%ff/%%0a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nIdempotency-Key: \xff\xfe\r\nAuthorization: %s\r\n"
        b'Content-Length: 16\r\n\r\n{"type": "echo"}' % token,
        b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nAuthorization: %s\r\n"
        b'Content-Length: 16\r\n\r\n{"type": "echo"}' % token,
    ):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request.replace(b"%%", b"%"))
        status = int((await asyncio.wait_for(reader.readline(), 5)).split()[1])
        assert status in (200, 201, 400, 401, 404, 417, 422), request
        writer.close()
        await writer.wait_closed()
