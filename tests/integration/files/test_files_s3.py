"""An object store that fails, is slow, or breaks off: retried or told cleanly, and no part of an upload stays."""

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from object_store import FULL, REFUSED, ObjectStore, Spoiler
from service.errors import StorageFull, TooLarge, Unavailable
from service.files import s3
from service.files.blob import Blob
from service.files.s3_upload import PART
from service.files.storage import Storage, open_storage

MIB = 1 << 20
PART_PUT, COMPLETION = "^PUT .*partNumber=", "^POST .*uploadId="


async def stored(storage: Storage, content: bytes, limit: int | None = None) -> Blob:
    async with storage.create(limit) as writer:
        for at in range(0, len(content), MIB):
            await writer.write(content[at : at + MIB])
    return writer.blob


async def whole(storage: Storage, key: str) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key, 0, 1 << 40)])


async def keys(storage: Storage) -> set[str]:
    return {key async for key in storage.older_than(datetime.now(UTC) + timedelta(days=1))}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def storage(bucket_url: str) -> Storage:
    return open_storage(bucket_url)


@asynccontextmanager
async def spoilt(spoiler: Spoiler, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Storage]:
    """The storage of a URL, behind a proxy."""
    async with spoiler.running() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        yield open_storage(url)


async def test_a_large_blob_goes_up_in_parts_and_a_small_one_in_one_request(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler, content = Spoiler(objects.port, times=0), os.urandom(3 * PART + 5)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        await stored(storage, b"small")
        assert [line.split()[0] for line in spoiler.seen] == ["PUT"]
        blob = await stored(storage, content)
        assert sum(re.search(PART_PUT, line) is not None for line in spoiler.seen) == 4
        assert await whole(storage, blob.key) == content
    assert await objects.unfinished() == 0


async def test_an_upload_that_is_given_up_takes_its_parts_back(
    storage: Storage, objects: ObjectStore
) -> None:
    with pytest.raises(TooLarge):
        await stored(storage, bytes(3 * PART), limit=2 * PART + 1)
    assert await objects.unfinished() == 0

    async def upload(begun: asyncio.Event) -> None:
        async with storage.create(None) as writer:
            await writer.write(bytes(2 * PART))
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    task = asyncio.create_task(upload(begun))
    await begun.wait()
    assert await objects.unfinished() == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await objects.unfinished() == 0
    assert await keys(storage) == set()


@pytest.mark.parametrize("match", ["^PUT ", "^POST .*uploads", PART_PUT, COMPLETION])
@pytest.mark.fault("F30", "an object store with errors that pass")
async def test_errors_that_pass_are_not_noticed(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    spoiler, content = Spoiler(objects.port, match, times=2, answer=REFUSED), os.urandom(2 * PART + 5)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        blob = await stored(storage, content)
        assert spoiler.spoilt == 2
        assert await whole(storage, blob.key) == content


@pytest.mark.parametrize(
    ("match", "answer", "error"),
    [
        ("^PUT ", REFUSED, Unavailable),
        ("^POST .*uploads", REFUSED, Unavailable),
        (PART_PUT, REFUSED, Unavailable),
        (COMPLETION, REFUSED, Unavailable),
        (PART_PUT, FULL, StorageFull),
    ],
)
@pytest.mark.parametrize("size", [5, 6 * PART])
@pytest.mark.fault("F30", "an object store with errors that stay")
async def test_errors_that_stay_are_told_and_leave_nothing(
    bucket_url: str,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    match: str,
    answer: bytes,
    error: type[Exception],
    size: int,
) -> None:
    spoiler = Spoiler(objects.port, match, answer=answer)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        if size < PART and match != "^PUT ":
            await stored(storage, bytes(size))
            return
        with pytest.raises(error) as told:
            await stored(storage, bytes(size))
        assert "127.0.0.1" not in str(told.value)
        assert await keys(storage) == set()
    assert await objects.unfinished() == 0


async def test_an_upload_whose_completion_is_not_answered_leaves_nothing_or_all(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler = Spoiler(objects.port, COMPLETION, cut_after=10)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        with pytest.raises(Unavailable):
            await stored(storage, bytes(2 * PART))
        assert await keys(storage) == set()
    assert await objects.unfinished() == 0


@pytest.mark.fault("F30", "a download from an object store that is cut")
async def test_a_download_that_is_cut_goes_on_where_it_was(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3 * PART)
    spoiler = Spoiler(objects.port, "^GET ", times=2, cut_after=5 * MIB)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        blob = await stored(storage, content)
        assert await whole(storage, blob.key) == content
        assert spoiler.spoilt == 2


async def test_a_download_that_is_cut_for_good_is_told(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler = Spoiler(objects.port, "^GET ", cut_after=100_000)
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:
        blob = await stored(storage, bytes(PART))
        with pytest.raises(Unavailable):
            await whole(storage, blob.key)
        with pytest.raises(Unavailable):
            async with storage.local(blob.key):
                pass


@pytest.mark.parametrize("match", ["^PUT ", PART_PUT, "^GET "])
@pytest.mark.fault("F30", "an object store that says nothing")
async def test_silence_has_an_end(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    monkeypatch.setattr(s3, "SILENCE", "300ms")
    async with spoilt(Spoiler(objects.port, match, silent=True), bucket_url, monkeypatch) as storage:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await whole(storage, (await stored(storage, bytes(2 * PART))).key)
        assert time.monotonic() - began < 10
    assert await objects.unfinished() == 0


async def test_a_writer_waits_for_an_upload_that_is_slower(
    bucket_url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SILENCE", "500ms")
    spoiler, written = Spoiler(objects.port, PART_PUT, silent=True), 0
    async with spoilt(spoiler, bucket_url, monkeypatch) as storage:

        async def write() -> None:
            nonlocal written
            async with storage.create(None) as writer:
                for _ in range(200):
                    await writer.write(bytes(MIB))
                    written += 1

        task = asyncio.create_task(write())

        async def stands() -> bool:
            before = written
            await asyncio.sleep(0.3)
            return before == written > 8

        await until(stands)
        assert written * MIB <= 5 * PART
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_store_that_cannot_be_reached_is_unavailable(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        storage = open_storage(bucket_url)
        with pytest.raises(Unavailable):
            await stored(storage, b"abc")
        with pytest.raises(Unavailable):
            await whole(storage, "a" * 32)
        with pytest.raises(Unavailable):
            await keys(storage)
        with pytest.raises(Unavailable):
            await storage.delete("a" * 32)


async def test_a_bucket_that_is_not_there_is_unavailable(bucket_url: str) -> None:
    storage = open_storage(bucket_url.replace("lavori", "elsewhere"))
    with pytest.raises(Unavailable):
        await stored(storage, b"abc")
    with pytest.raises(Unavailable):
        await whole(storage, "a" * 32)


async def test_objects_of_others_below_the_prefix_are_left_alone(storage: Storage, bucket_url: str) -> None:
    blob = await stored(storage, b"abc")
    await stored(open_storage(bucket_url + "deeper"), b"another's")
    assert await keys(storage) == {blob.key}


async def test_the_local_copy_goes_with_its_block(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = os.urandom(3 * MIB)
    blob = await stored(storage, content)
    async with storage.local(blob.key) as path:
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == []
