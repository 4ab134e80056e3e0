"""Attachments, outputs and their content over HTTP, by those who may see the job."""

import asyncio
import errno
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientPayloadError

from .conftest import Caller, World, application, served

CONTENT = os.urandom(2_500_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


async def test_an_output_is_described_and_sent_whole(world: World, anna: Caller) -> None:
    job_id = await world.job()
    output_id = await world.output(job_id, CONTENT)
    described = await anna.get(f"/api/jobs/{job_id}/outputs/{output_id}")
    assert described.status == 200
    created_at = described.body["created_at"]
    assert created_at.endswith("Z")
    assert described.body == {
        "id": str(output_id),
        "name": "rejected.csv",
        "mime_type": "text/csv",
        "size": len(CONTENT),
        "sha256": SHA,
        "available_formats": ["csv"],
        "created_at": created_at,
        "expires_at": None,
    }
    listed = await anna.get(f"/api/jobs/{job_id}/outputs")
    assert listed.body == {"outputs": [described.body]}

    sent = await anna.get(f"/api/jobs/{job_id}/outputs/{output_id}/content")
    assert (sent.status, sent.content == CONTENT) == (200, True)
    assert sent.headers["ETag"] == f'"{SHA}"'
    assert sent.headers["Content-Type"] == "text/csv"
    assert sent.headers["Content-Length"] == str(len(CONTENT))
    assert sent.headers["Content-Disposition"] == 'attachment; filename="rejected.csv"'
    assert sent.headers["Accept-Ranges"] == "bytes"
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert sent.headers["Content-Security-Policy"] == "sandbox"
    assert sent.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in sent.headers["Cache-Control"]
    assert sent.headers["X-Request-Id"]


async def test_outputs_are_those_of_the_current_run_in_their_order(world: World, anna: Caller) -> None:
    job_id = await world.job()
    old = await world.output(job_id, b"old")
    await world.pool.execute("UPDATE jobs SET run = 2 WHERE id = $1", job_id)
    assert (await anna.get(f"/api/jobs/{job_id}/outputs")).body == {"outputs": []}
    second = await world.output(job_id, b"b", position=1)
    first = await world.output(job_id, b"a", position=0)
    listed = (await anna.get(f"/api/jobs/{job_id}/outputs")).body["outputs"]
    assert [output["id"] for output in listed] == [str(first), str(second)]
    # An earlier run's stays readable by its id.
    assert (await anna.get(f"/api/jobs/{job_id}/outputs/{old}/content")).content == b"old"


async def test_a_description_the_client_has_is_304(world: World, anna: Caller) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, b'a')}"
    etag = (await anna.get(path)).headers["ETag"]
    again = await anna.get(path, If_None_Match=etag)
    assert (again.status, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert (await anna.get(path, If_None_Match='"x"')).status == 200


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000000-", 1_000_000, 2_499_999),
        ("bytes=-10", 2_499_990, 2_499_999),
        ("bytes=1048575-1048577", 1_048_575, 1_048_577),
    ],
)
async def test_a_range_is_sent_as_206(world: World, anna: Caller, given: str, start: int, end: int) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, CONTENT)}/content"
    part = await anna.get(path, Range=given)
    assert part.status == 206
    assert part.content == CONTENT[start : end + 1]
    assert part.headers["Content-Range"] == f"bytes {start}-{end}/{len(CONTENT)}"
    assert part.headers["Content-Length"] == str(end - start + 1)


async def test_a_download_is_resumed_byte_for_byte(world: World, anna: Caller) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, CONTENT)}/content"
    got = b""
    while len(got) < len(CONTENT):
        part = await anna.get(path, Range=f"bytes={len(got)}-{len(got) + 599_999}", If_Range=f'"{SHA}"')
        assert part.status == 206
        got += part.content
    assert got == CONTENT


async def test_conditions_on_content(world: World, anna: Caller) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, CONTENT)}/content"
    unchanged = await anna.get(path, If_None_Match=f'"{SHA}"')
    assert (unchanged.status, unchanged.content, unchanged.headers["ETag"]) == (304, b"", f'"{SHA}"')
    assert not {"Content-Length", "Content-Type", "Content-Disposition"} & set(unchanged.headers)
    assert (await anna.get(path, If_Match='"x"')).status == 412
    assert (await anna.get(path, Range="bytes=1-2", If_Range='"x"')).content == CONTENT
    outside = await anna.get(path, Range="bytes=2500000-")
    assert (outside.status, outside.body["code"]) == (416, "range_not_satisfiable")
    assert outside.headers["Content-Range"] == "bytes */2500000"
    head = await anna.ask("HEAD", path, Range="bytes=1-2")
    assert (head.status, head.content, head.headers["Content-Length"]) == (200, b"", "2500000")
    assert head.headers["ETag"] == f'"{SHA}"'


async def test_an_empty_output_is_sent_as_nothing(world: World, anna: Caller) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, b'')}/content"
    for headers in ({}, {"Range": "bytes=-5"}):
        sent = await anna.get(path, **headers)
        assert (sent.status, sent.content, sent.headers["Content-Length"]) == (200, b"", "0")
    assert (await anna.get(path, Range="bytes=0-")).status == 416


@pytest.mark.parametrize(
    ("name", "wanted", "status"),
    [
        ("rejected.csv", "csv", 200),
        ("rejected.csv", "CSV", 200),
        ("rejected.csv", "xlsx", 400),
        ("rejected", "csv", 400),
        ("rejected.csv", "", 400),
    ],
)
async def test_an_output_is_had_in_its_own_format_alone(
    world: World, anna: Caller, name: str, wanted: str, status: int
) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, b'a', name)}/content?format={wanted}"
    assert (await anna.get(path)).status == status


async def test_an_unknown_query_parameter_is_400(world: World, anna: Caller) -> None:
    job_id = await world.job()
    path = f"/api/jobs/{job_id}/outputs/{await world.output(job_id, b'a')}/content?fmt=csv"
    assert (await anna.get(path)).status == 400


async def test_an_html_output_never_renders(world: World, anna: Caller) -> None:
    job_id = await world.job()
    page, name = b"<script>alert(1)</script>", 'x"; filename=\r\nX-Evil: 1.html'
    output_id = await world.output(job_id, page, name, mime_type="text/html")
    sent = await anna.get(f"/api/jobs/{job_id}/outputs/{output_id}/content")
    assert sent.headers["Content-Disposition"].startswith("attachment; ")
    assert "X-Evil" not in sent.headers
    assert sent.headers["Content-Security-Policy"] == "sandbox"


async def test_the_attachment_is_sent_with_ranges(world: World, anna: Caller) -> None:
    job_id = await world.job(attachment=await world.file(CONTENT))
    path = f"/api/jobs/{job_id}/attachment"
    sent = await anna.get(path)
    assert (sent.status, sent.content == CONTENT) == (200, True)
    assert sent.headers["Content-Disposition"] == 'attachment; filename="dovuti.csv"'
    assert (await anna.get(path, Range="bytes=5-6")).content == CONTENT[5:7]


async def test_an_attachment_that_is_not_there_says_why(world: World, anna: Caller) -> None:
    without, waiting = await world.job(), await world.job()
    await world.pool.execute(
        "UPDATE job_requests SET attachment_url = 'https://example.org/x.csv' WHERE job_id = $1", waiting
    )
    none = await anna.get(f"/api/jobs/{without}/attachment")
    assert (none.status, none.body["detail"]) == (404, "the job has no attachment")
    unfetched = await anna.get(f"/api/jobs/{waiting}/attachment")
    assert (unfetched.status, unfetched.body["code"]) == (404, "not_found")
    assert "fetched" in unfetched.body["detail"]


async def test_a_file_whose_bytes_are_lost_is_told_before_anything_is_sent(
    world: World, anna: Caller
) -> None:
    job_id = await world.job(attachment=await world.file(b"abc"))
    await world.storage.delete(await world.pool.fetchval("SELECT storage_key FROM files"))
    lost = await anna.get(f"/api/jobs/{job_id}/attachment")
    assert (lost.status, lost.body["detail"]) == (404, "the file is no longer stored")


async def test_bytes_fewer_than_the_row_says_break_the_connection(world: World, anna: Caller) -> None:
    job_id = await world.job(attachment=await world.file(CONTENT))
    await world.pool.execute("UPDATE files SET size = size + 1")
    with pytest.raises(ClientPayloadError, match="payload is not completed"):
        await anna.get(f"/api/jobs/{job_id}/attachment")


async def leave_in_the_middle(port: int, caller: Caller, path: str) -> None:
    """Read the first bytes of a large answer, and break the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.token}\r\n\r\n".encode())
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_client_that_leaves_in_the_middle_is_no_error_and_leaves_no_file_open(
    world: World, anna: Caller, capsys: pytest.CaptureFixture[str], *, handler_cancellation: bool
) -> None:
    path = f"/api/jobs/{await world.job(attachment=await world.file(bytes(50_000_000)))}/attachment"
    app = application(world.pool, world.storage)
    async with served(app, handler_cancellation=handler_cancellation) as port:
        for _ in range(5):
            await leave_in_the_middle(port, anna, path)
        async with asyncio.timeout(5):
            while blobs_open():
                await asyncio.sleep(0.01)
    assert capsys.readouterr().out == ""


def blobs_open() -> int:
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found += re.search(r"/files/../../[0-9a-f]{32}$", str(descriptor.readlink())) is not None
    return found


async def test_a_disk_that_fails_in_the_middle_breaks_the_connection_and_adds_nothing_to_the_file(
    world: World, anna: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/jobs/{await world.job(attachment=await world.file(CONTENT))}/attachment"
    pread = os.pread

    def failing(file: int, length: int, start: int) -> bytes:
        if start:
            raise OSError(errno.EIO, "a bad sector")
        return pread(file, length, start)

    monkeypatch.setattr(os, "pread", failing)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna.token}\r\n\r\n".encode())
    got = b""
    with suppress(ConnectionResetError):
        while chunk := await reader.read(1 << 20):
            got += chunk
    head, _, content = got.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert CONTENT.startswith(content)
    assert len(content) < len(CONTENT)
    writer.close()

    def failing_at_once(_file: int, _length: int, _start: int) -> bytes:
        raise OSError(errno.EIO, "a bad sector")

    monkeypatch.setattr(os, "pread", failing_at_once)
    refused = await anna.get(path)
    assert (refused.status, refused.body["code"]) == (503, "unavailable")
    assert refused.body["detail"] == "files can't be read or written at the moment"


def paths(job_id: UUID, output_id: UUID) -> list[str]:
    job = f"/api/jobs/{job_id}"
    output = f"{job}/outputs/{output_id}"
    return [f"{job}/attachment", f"{job}/outputs", output, f"{output}/content", f"{output}/links"]


async def test_who_may_not_see_the_job_sees_what_who_asks_for_no_job_sees(world: World) -> None:
    job_id = await world.job(attachment=await world.file(b"abc"))
    output_id = await world.output(job_id, b"abc")
    for caller in (await world.caller("bruno"), await world.stranger()):
        for path, unknown in zip(paths(job_id, output_id), paths(uuid4(), output_id), strict=True):
            refused, nothing = await caller.get(path), await caller.get(unknown)
            assert (refused.status, refused.body["detail"]) == (404, nothing.body["detail"]), path
        refused = await caller.ask("POST", paths(job_id, output_id)[-1], {})
        assert refused.status == 404
    for path in paths(job_id, output_id):
        assert (await world.nobody.get(path)).status == 401


async def test_who_may_read_the_job_reads_its_files(world: World) -> None:
    job_id = await world.job(attachment=await world.file(b"abc"))
    output_id = await world.output(job_id, b"abc")
    await world.pool.execute(
        "INSERT INTO job_definitions (id, tenant_id, code, type, name, created_by, shared_with, created_at)"
        " VALUES ($1, 1, 'nightly', 'echo', 'Nightly', 'carla', '{dora}', '2020-01-01')",
        uuid4(),
    )
    callers = [await world.caller(name, role) for name, role in (("vera", "viewer"), ("dora", "user"))]
    for caller in callers:
        for path in paths(job_id, output_id):
            assert (await caller.get(path)).status == 200, path


@pytest.mark.parametrize("bad", ["x", "1", "0199f3c2-7b1e-7cc4-9d3e", "%00", "a" * 5000, "0199f3c2%2f7b1e"])
async def test_an_id_that_is_none_is_404(world: World, anna: Caller, bad: str) -> None:
    job_id = await world.job()
    output_id = await world.output(job_id, b"abc")
    for path in (
        f"/api/jobs/{bad}/attachment",
        f"/api/jobs/{bad}/outputs",
        f"/api/jobs/{job_id}/outputs/{bad}",
        f"/api/jobs/{job_id}/outputs/{bad}/content",
        f"/api/jobs/{job_id}/outputs/{bad}/links",
    ):
        assert (await anna.get(path)).status == 404, path
    links = f"/api/jobs/{job_id}/outputs/{output_id}/links"
    assert (await anna.ask("DELETE", f"{links}/{bad}")).status == 404


async def test_an_output_of_another_job_is_404(world: World, anna: Caller) -> None:
    output_id = await world.output(await world.job(), b"abc")
    assert (await anna.get(f"/api/jobs/{await world.job()}/outputs/{output_id}")).status == 404
