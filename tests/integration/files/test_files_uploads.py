"""Uploads: raw and as a part of a form, good, broken and hostile."""

import asyncio
import gzip
import hashlib
import os
import resource
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.errors import Invalid, StorageFull
from service.files.blob import Blob
from service.files.upload import Upload, kept_unless_refused

from .conftest import FORMS, MAX_ATTACHMENT, MAX_JSON, READ, Answer, Caller, World, application, served

# aiohttp warns of dispositions that it cannot read; names are read by service/files/names.py.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader"),
    pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionParam"),
]

CONTENT = os.urandom(2_500_000)
FORM = "multipart/form-data; boundary=XYZ"


def part(name: str, content: bytes, more: str = "", kind: str | None = None) -> bytes:
    head = f'--XYZ\r\nContent-Disposition: form-data; name="{name}"{more}\r\n'
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return head.encode(errors="surrogateescape") + b"\r\n" + content + b"\r\n"


END = b"--XYZ--\r\n"
JOB = part("job", b'{"type":"echo"}', kind="application/json")
FILE = part("attachment", CONTENT, '; filename="dovuti.csv"', "text/csv")


async def post(caller: Caller, body: bytes | AsyncIterator[bytes], **headers: str) -> Answer:
    return await caller.ask("POST", "/form", data=body, **{"Content_Type": FORM, **headers})


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.005)


def file_of(world: World) -> Upload:
    file = world.client.app[FORMS][-1].file
    assert file is not None
    return file


async def content_of(world: World, blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in world.storage.read(blob.key, 0, blob.size)])


# POST /api/attachments ------------------------------------------------------------------------------------------------


async def test_a_raw_body_is_stored_for_a_day_as_its_creators(world: World, anna: Caller) -> None:
    made = await anna.ask("POST", "/api/attachments?name=dovuti.csv", data=CONTENT, Content_Type="text/csv")
    assert made.status == 201
    (row,) = await world.pool.fetch("SELECT * FROM files")
    assert made.body == {
        "id": str(row["id"]),
        "name": "dovuti.csv",
        "mime_type": "text/csv",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "created_at": made.body["created_at"],
        "expires_at": made.body["expires_at"],
    }
    lifetime = datetime.fromisoformat(made.body["expires_at"]) - datetime.fromisoformat(
        made.body["created_at"]
    )
    assert lifetime == timedelta(hours=24)
    assert (row["tenant_id"], row["created_by"]) == (1, "anna")
    assert await content_of(world, Blob(row["storage_key"], row["size"], row["sha256"])) == CONTENT
    (audited,) = await world.pool.fetch("SELECT action, object_type, object_id FROM audit")
    assert tuple(audited) == ("create", "attachment", made.body["id"])


@pytest.mark.parametrize(
    ("query", "kind", "name", "mime_type"),
    [
        ("", None, "attachment", "application/octet-stream"),
        ("?name=", None, "attachment", "application/octet-stream"),
        ("?name=a.csv", None, "a.csv", "text/csv"),
        ("?name=a.csv", "application/x-www-form-urlencoded", "a.csv", "text/csv"),
        ("?name=a.csv", "nonsense", "a.csv", "text/csv"),
        ("?name=a.csv", "application/json; charset=utf-8", "a.csv", "application/json"),
        ("?name=..%2F..%2Fetc%2Fpasswd", None, "passwd", "application/octet-stream"),
        ("?name=%E2%80%AEfdp.exe%0D%0A", None, "fdp.exe", None),
        ("?name=" + "x" * 400 + ".csv", None, "x" * 251 + ".csv", "text/csv"),
    ],
)
async def test_names_are_cleaned_and_types_guessed(
    anna: Caller, query: str, kind: str | None, name: str, mime_type: str | None
) -> None:
    headers = {"Content_Type": kind} if kind else {}
    made = await anna.ask("POST", f"/api/attachments{query}", data=b"abc", **headers)
    assert (made.status, made.body["name"]) == (201, name)
    assert mime_type is None or made.body["mime_type"] == mime_type


async def test_an_empty_body_is_an_empty_file(anna: Caller) -> None:
    made = await anna.ask("POST", "/api/attachments", data=b"")
    assert (made.status, made.body["size"]) == (201, 0)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_body_is_stored_unpacked(world: World, anna: Caller, encoding: str) -> None:
    packed = gzip.compress(CONTENT) if encoding == "gzip" else zlib.compress(CONTENT)
    made = await anna.ask("POST", "/api/attachments", data=packed, Content_Encoding=encoding)
    assert (made.status, made.body["sha256"]) == (201, hashlib.sha256(CONTENT).hexdigest())


async def chunked(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(100_000)


@pytest.mark.parametrize("way", ["declared", "chunked", "bomb"])
async def test_a_body_over_the_limit_is_413_and_leaves_nothing(world: World, anna: Caller, way: str) -> None:
    over = bytes(MAX_ATTACHMENT + 1)
    bodies: dict[str, tuple[Any, dict[str, str]]] = {
        "declared": (over, {}),
        "chunked": (chunked(over), {}),
        "bomb": (gzip.compress(bytes(200_000_000), 9), {"Content_Encoding": "gzip"}),
    }
    body, headers = bodies[way]
    refused = await anna.ask("POST", "/api/attachments", data=body, **headers)
    assert (refused.status, refused.body["code"]) == (413, "too_large")
    assert str(MAX_ATTACHMENT) in refused.body["detail"]
    assert await world.blobs() == set()


async def test_a_body_of_exactly_the_limit_is_taken(anna: Caller) -> None:
    made = await anna.ask("POST", "/api/attachments", data=chunked(bytes(MAX_ATTACHMENT)))
    assert (made.status, made.body["size"]) == (201, MAX_ATTACHMENT)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": FORM}, 415),
        ({"Content_Encoding": "x-pack"}, 415),
        ({"Content_Encoding": "gzip, gzip"}, 415),
        ({"Content_Encoding": "gzip"}, 400),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_refused(
    world: World, anna: Caller, headers: dict[str, str], status: int
) -> None:
    refused = await anna.ask("POST", "/api/attachments", data=b"not packed at all", **headers)
    assert refused.status == status
    assert await world.blobs() == set()


async def test_uploading_needs_the_right_to_create_jobs(world: World) -> None:
    viewer = await world.caller("vera", "viewer")
    assert (await viewer.ask("POST", "/api/attachments", data=b"abc")).status == 403
    assert (await world.nobody.ask("POST", "/api/attachments", data=b"abc")).status == 401
    assert await world.blobs() == set()


async def test_a_full_disk_is_507_and_leaves_nothing(world: World, anna: Caller) -> None:
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, old[1]))
    try:
        refused = await anna.ask("POST", "/api/attachments", data=CONTENT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert (refused.status, refused.body["code"]) == (507, "storage_full")
    assert await world.blobs() == set()
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


# Forms ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [JOB + FILE + END, FILE + JOB + END, b"\r\n" + JOB + FILE + END + b"tail"])
@pytest.mark.parametrize("way", ["at once", "in small pieces", "gzip"])
async def test_a_form_gives_job_and_attachment_in_any_order(
    world: World, anna: Caller, body: bytes, way: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, 3000, 7):
            yield body[start : start + 7]
        yield body[3003:]

    if way == "gzip":
        answer = await post(anna, gzip.compress(body), Content_Encoding="gzip")
    else:
        answer = await post(anna, pieces() if way == "in small pieces" else body)
    assert (answer.status, answer.body) == (200, {"job": {"type": "echo"}})
    file = file_of(world)
    assert (file.name, file.mime_type, file.blob.size) == ("dovuti.csv", "text/csv", len(CONTENT))
    assert await content_of(world, file.blob) == CONTENT


async def test_a_form_may_have_no_attachment(world: World, anna: Caller) -> None:
    assert (await post(anna, JOB + END)).status == 200
    assert world.client.app[FORMS][-1].file is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"--XY", b"\r\n--XY", b"a\r\n--XYQ\r\nb", b"a--XYZ--", b"\n--XYZ", b"\r\n" * 1000],
)
async def test_content_that_looks_like_a_boundary_is_kept(world: World, anna: Caller, content: bytes) -> None:
    assert (await post(anna, JOB + part("attachment", content) + END)).status == 200
    assert await content_of(world, file_of(world).blob) == content


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("", "attachment"),
        ('; filename=""', "attachment"),
        ('; filename="a;b;c.csv"', "a;b;c.csv"),
        ('; filename="C:\\dati\\dovuti.csv"', "dovuti.csv"),
        ('; filename="../../x.csv"', "x.csv"),
        ('; filename="è.csv"', "è.csv"),
        ("; filename=\"e.csv\"; filename*=UTF-8''%C3%A8.csv", "è.csv"),
        ('; filename="caf\udce9.csv"', "caf.csv"),
    ],
)
async def test_the_name_of_a_part_is_what_people_call_the_file(
    world: World, anna: Caller, more: str, name: str
) -> None:
    assert (await post(anna, JOB + part("attachment", b"abc", more) + END)).status == 200
    assert file_of(world).name == name


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (FILE + END, "the part job is missing"),
        (END, "the part job is missing"),
        (JOB + FILE + JOB + END, "the part job is given twice"),
        (FILE + part("attachment", b"") + JOB + END, "the part attachment is given twice"),
        (b"--XYZ", "unknown part: a form has the parts job and attachment"),
        (b"--XYZ\r\n", "unknown part: a form has the parts job and attachment"),
        (FILE + part("file", b"abc") + JOB + END, "unknown part: a form has the parts job and attachment"),
        (FILE + part("", b"abc") + JOB + END, "unknown part: a form has the parts job and attachment"),
        (FILE + b"--XYZ\r\n\r\nabc\r\n" + END, "unknown part: a form has the parts job and attachment"),
    ],
)
async def test_a_form_with_wrong_parts_is_422_and_leaves_nothing(
    world: World, anna: Caller, body: bytes, detail: str
) -> None:
    refused = await post(anna, body)
    assert refused.status == 422
    assert refused.body["errors"] == [{"pointer": "#", "detail": detail}]
    assert await world.blobs() == set()


BROKEN = [
    b"",
    b"nonsense",
    b"nonsense\r\n" * 100,
    FILE,
    FILE[:-2],
    FILE[:100],
    FILE[: len(FILE) // 2],
    FILE + JOB,
    FILE + JOB[:-2],
    FILE + JOB + b"--XY",
    FILE + b"--XYZ\r\nContent-Disposition",
    FILE + b"--XYZ\r\n" + b"X: y\r\n" * 1000 + b"\r\nabc\r\n" + END,
    FILE + b"--XYZ\r\nX: " + b"y" * 100_000 + b"\r\n\r\nabc\r\n" + END,
    FILE + b"--XYZ\r\nno header\r\n\r\nabc\r\n" + END,
    FILE + part("job", b"--A\r\n\r\nx\r\n--A--", kind="multipart/mixed; boundary=A") + END,
    FILE + part("job", b"x", kind="multipart/mixed") + END,
    FILE + part("_charset_", b"x" * 40) + JOB + END,
    FILE + part("_charset_", b"\xff") + JOB + END,
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_a_broken_or_cut_form_is_400_and_leaves_nothing(
    world: World, anna: Caller, body: bytes
) -> None:
    refused = await post(anna, body)
    assert (refused.status, refused.body["code"]) == (400, "malformed")
    assert await world.blobs() == set()


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
        'multipart/form-data; boundary="',
    ],
)
async def test_a_form_without_a_good_boundary_is_400(anna: Caller, kind: str) -> None:
    assert (await post(anna, JOB + END, Content_Type=kind)).status == 400


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_what_is_no_form_is_415(anna: Caller, kind: str) -> None:
    assert (await post(anna, b"{}", Content_Type=kind)).status == 415


async def one_by_one(*parts: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for one in parts:
        if isinstance(one, bytes):
            yield one
        else:
            async for chunk in one:
                yield chunk


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([JOB, part("attachment", bytes(MAX_ATTACHMENT + 1)), END], "the file"),
        ([FILE, part("job", b" " * (MAX_JSON + 1)), END], "the part job"),
        ([JOB, part("attachment", bytes(MAX_ATTACHMENT + MAX_JSON + 100_000)), END], "the body"),
    ],
)
async def test_a_part_over_its_limit_is_413_and_leaves_nothing(
    world: World, anna: Caller, body: list[bytes], named: str
) -> None:
    refused = await post(anna, b"".join(body))
    assert (refused.status, refused.body["code"]) == (413, "too_large")
    assert refused.body["detail"].startswith(named)
    assert await world.blobs() == set()


async def test_an_attachment_of_exactly_the_limit_is_taken(world: World, anna: Caller) -> None:
    assert (await post(anna, JOB + part("attachment", bytes(MAX_ATTACHMENT)) + END)).status == 200
    assert file_of(world).blob.size == MAX_ATTACHMENT


@pytest.mark.parametrize("head", [b"", JOB, b"--XYZ\r\n", JOB + FILE[:200], FILE + JOB[:-2]])
async def test_an_endless_form_is_refused_before_much_more_than_the_limit_is_read(
    world: World, anna: Caller, head: bytes
) -> None:
    async def lines() -> AsyncIterator[bytes]:
        while True:
            yield b"\r\n".join([b"x" * 998] * 100)

    try:
        refused = await post(anna, one_by_one(head, lines()))
    except OSError:
        pass  # aiohttp's client may meet the closed connection before it reads the answer
    else:
        assert refused.status in (400, 413)
    (read,) = world.client.app[READ]
    assert read < 1.5 * MAX_ATTACHMENT
    await until(lambda: nothing_in(world))


async def nothing_in(world: World) -> bool:
    return await world.blobs() == set()


@pytest.mark.parametrize("handler_cancellation", [False, True])
@pytest.mark.parametrize("path", ["/form", "/api/attachments"])
async def test_a_client_that_leaves_in_the_middle_leaves_nothing_and_is_no_error(
    world: World, anna: Caller, path: str, capsys: pytest.CaptureFixture[str], *, handler_cancellation: bool
) -> None:
    kind = FORM if path == "/form" else "text/csv"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna.token}\r\n"
    head += f"Content-Type: {kind}\r\nContent-Length: {MAX_ATTACHMENT}\r\n\r\n"
    app = application(world.pool, world.storage)
    async with served(app, handler_cancellation=handler_cancellation) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + JOB + FILE[:2_000_000])
        await until(world.blobs)
        writer.transport.abort()
        await until(lambda: nothing_in(world))
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0
    assert capsys.readouterr().out == ""


async def test_a_refused_job_takes_its_attachment_along(world: World, anna: Caller) -> None:
    assert (await post(anna, FILE + part("job", b"{") + END)).status == 400
    assert await world.blobs() == set()


async def test_an_error_that_leaves_the_commit_unknown_keeps_the_bytes(world: World) -> None:
    upload = Upload(await world.store(b"abc"), "a", "text/csv")

    async def end_with(error: Exception) -> None:
        async with kept_unless_refused(world.storage, upload):
            raise error

    for unknown in (StorageFull("full"), OSError("the connection was lost")):
        with pytest.raises(type(unknown)):
            await end_with(unknown)
        assert await world.blobs() == {upload.blob.key}
    with pytest.raises(Invalid):
        await end_with(Invalid([]))
    assert await world.blobs() == set()
