"""What every storage promises, tried on each of the twins; then what only a filesystem can get wrong."""

import asyncio
import hashlib
import os
import resource
import signal
import stat
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import StorageFull, TooLarge, Unavailable
from service.files.blob import Blob, BlobMissing
from service.files.disk import Part
from service.files.filesystem import CHUNK, FilesystemStorage
from service.files.storage import Storage, open_storage

LATER = timedelta(days=1)


@pytest.fixture(params=["filesystem", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return open_storage(request.getfixturevalue("bucket_url"))
    return open_storage((tmp_path / "files").as_uri())


async def stored(storage: Storage, *writes: bytes, limit: int | None = None) -> Blob:
    async with storage.create(limit) as writer:
        for data in writes:
            await writer.write(data)
    return writer.blob


async def whole(storage: Storage, key: str, start: int = 0, length: int = 1 << 40) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key, start, length)])


async def keys(storage: Storage, when: datetime) -> set[str]:
    return {key async for key in storage.older_than(when)}


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.001)


async def keys_of_all(storage: Storage) -> set[str]:
    return await keys(storage, datetime.now(UTC) + LATER)


async def none_left(storage: Storage) -> bool:
    return not await keys_of_all(storage)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("sizes", [[], [0], [1], [CHUNK], [CHUNK + 1], [7, 3 * CHUNK, 1], [65_536] * 40])
async def test_what_is_written_is_read_back_with_its_size_and_hash(
    storage: Storage, sizes: list[int]
) -> None:
    writes = [os.urandom(size) for size in sizes]
    blob = await stored(storage, *writes)
    content = b"".join(writes)
    assert blob.size == len(content)
    assert blob.sha256 == hashlib.sha256(content).digest()
    assert await whole(storage, blob.key) == content


async def test_two_blobs_of_the_same_bytes_have_their_own_keys(storage: Storage) -> None:
    assert (await stored(storage, b"a")).key != (await stored(storage, b"a")).key


@pytest.mark.parametrize(
    ("start", "length"), [(0, 5), (3, CHUNK), (CHUNK - 1, 2), (2 * CHUNK, 99), (3 * CHUNK, 10), (0, 0)]
)
async def test_a_part_is_read_from_start_for_length(storage: Storage, start: int, length: int) -> None:
    content = os.urandom(2 * CHUNK + 99)
    blob = await stored(storage, content)
    assert await whole(storage, blob.key, start, length) == content[start : start + length]


async def test_chunks_stay_within_a_mebibyte(storage: Storage) -> None:
    blob = await stored(storage, bytes(5 * CHUNK + 1))
    sizes = [len(chunk) async for chunk in storage.read(blob.key, 0, blob.size)]
    assert max(sizes) <= CHUNK
    assert len(sizes) <= 24


async def test_one_byte_over_the_limit_is_refused_and_leaves_nothing(storage: Storage) -> None:
    assert (await stored(storage, b"12345", limit=5)).size == 5
    kept = await keys_of_all(storage)
    with pytest.raises(TooLarge, match="limit of 2000000 bytes"):
        await stored(storage, bytes(2_000_000), b"!", limit=2_000_000)
    assert await keys_of_all(storage) == kept


async def test_an_error_in_the_block_leaves_nothing(storage: Storage) -> None:
    async def fail() -> None:
        async with storage.create(None) as writer:
            await writer.write(bytes(3 * CHUNK))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await keys_of_all(storage) == set()


async def test_a_cancelled_write_leaves_nothing(storage: Storage) -> None:
    async def write_for_ever(written: asyncio.Event) -> None:
        async with storage.create(None) as writer:
            while True:
                for _ in range(10):
                    await writer.write(bytes(CHUNK))
                written.set()

    for round_ in range(20):
        written = asyncio.Event()
        task = asyncio.create_task(write_for_ever(written))
        if round_ % 2:
            await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await none_left(storage)


async def test_a_write_that_is_cancelled_twice_leaves_nothing(storage: Storage) -> None:
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        written, go_on = asyncio.Event(), threading.Event()

        async def write_and_wait() -> None:
            async with storage.create(None) as writer:
                await writer.write(bytes(CHUNK))
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write_and_wait())
        await written.wait()
        threads.submit(go_on.wait)  # so that the removal has to queue
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert await none_left(storage)


async def test_a_blob_deleted_during_its_download_is_read_to_its_end(storage: Storage) -> None:
    content = os.urandom(4 * CHUNK)
    blob = await stored(storage, content)
    chunks = storage.read(blob.key, 0, blob.size)
    got = [await anext(chunks)]
    await storage.delete(blob.key)
    got += [chunk async for chunk in chunks]
    assert b"".join(got) == content


async def test_a_deleted_blob_is_missing_and_deleting_it_again_is_fine(storage: Storage) -> None:
    blob = await stored(storage, b"abc")
    for _ in range(2):
        await storage.delete(blob.key)
    with pytest.raises(BlobMissing):
        await whole(storage, blob.key)
    with pytest.raises(BlobMissing):
        async with storage.local(blob.key):
            pass


async def test_local_gives_a_file_with_the_bytes(storage: Storage) -> None:
    blob = await stored(storage, b"abc", b"def")
    async with storage.local(blob.key) as path:
        assert path.read_bytes() == b"abcdef"


async def test_older_than_gives_what_was_written_before(storage: Storage) -> None:
    blob = await stored(storage, b"old")
    assert await keys(storage, datetime.now(UTC) - timedelta(hours=1)) == set()
    assert await keys_of_all(storage) == {blob.key}


async def test_a_read_that_is_left_early_does_no_harm(storage: Storage) -> None:
    blob = await stored(storage, bytes(3 * CHUNK))
    for _ in range(20):
        async with aclosing(storage.read(blob.key, 0, blob.size)) as chunks:
            async for _chunk in chunks:
                break
    assert await whole(storage, blob.key) == bytes(3 * CHUNK)


HOSTILE_KEYS = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "ab/cd/../../../etc/passwd",
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "a" * 32 + "\n",
    "a" * 31 + "\0",
    "..%2f..%2fetc%2fpasswd",
    "\u0661" * 32,
    "~" * 32,
    "a" * 32 + ".part",
]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
async def test_a_hostile_key_reads_nothing_and_deletes_nothing(storage: Storage, key: str) -> None:
    with pytest.raises(BlobMissing):
        await whole(storage, key)
    with pytest.raises(BlobMissing):
        async with storage.local(key):
            pass
    await storage.delete(key)


# What only a filesystem can get wrong -----------------------------------------------------------------------


def path_of(folder: Path, key: str) -> Path:
    return folder / key[:2] / key[2:4] / key


async def test_a_read_that_is_left_early_closes_its_file(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path / "files")
    blob = await stored(storage, bytes(3 * CHUNK))
    before = open_files()
    for _ in range(20):
        async with aclosing(storage.read(blob.key, 0, blob.size)) as chunks:
            async for _chunk in chunks:
                break
    assert open_files() == before


async def test_older_than_gives_an_unfinished_blob_once_nobody_writes_it_any_more(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path / "files")
    async with storage.create(None) as writer:
        await writer.write(bytes(CHUNK))
        assert await keys_of_all(storage) == set()
    assert await keys_of_all(storage) == {writer.blob.key}
    left = path_of(tmp_path / "files", "a" * 32 + ".part")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a killed process's")
    assert await keys_of_all(storage) == {writer.blob.key, "a" * 32}
    await storage.delete("a" * 32)
    assert not left.exists()


async def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "files"
    os.umask(os.umask(0))  # whatever the umask is, the modes are ours
    blob = await stored(FilesystemStorage(folder), b"abc")
    file = path_of(folder, blob.key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(inner.stat().st_mode) for inner in (folder, file.parent.parent, file.parent)} == {
        0o700
    }


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_symbolic_link_in_the_data_folder_leads_nowhere(tmp_path: Path, depth: int) -> None:
    storage, outside = FilesystemStorage(tmp_path / "files"), tmp_path / "outside"
    blob = await stored(storage, b"abc")
    inside = [path_of(tmp_path / "files", blob.key)]
    inside += [inside[0].parent, inside[0].parent.parent]
    place = inside[3 - depth]
    place.rename(outside)
    place.symlink_to(outside)
    with pytest.raises(Unavailable) as refused:
        await whole(storage, blob.key)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(Unavailable):
        async with storage.local(blob.key):
            pass
    if depth < 3:
        assert await keys_of_all(storage) == set()
        with pytest.raises(Unavailable):
            await storage.delete(blob.key)
    else:
        await storage.delete(blob.key)  # the link goes, what it points to stays
    assert outside.exists()


@pytest.mark.fault("F28", "a disk without room under a write")
async def test_a_disk_without_room_is_storage_full_and_leaves_nothing(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path / "files")
    small = await stored(storage, b"small")
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * CHUNK // 2, old[1]))
    try:
        with pytest.raises(StorageFull):
            await stored(storage, bytes(CHUNK), bytes(CHUNK))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert await keys_of_all(storage) == {small.key}


def test_a_chunk_that_comes_after_its_part_was_discarded_is_dropped(tmp_path: Path) -> None:
    part = Part(tmp_path, "a" * 32)
    part.write(bytearray(b"abc"))
    part.discard()
    part.write(bytearray(b"def"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_folder_that_cannot_be_written_is_unavailable_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file where the folder should be")
    with pytest.raises(Unavailable) as refused:
        await stored(FilesystemStorage(tmp_path / "files"), b"abc")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("", "files", "file:", "file://", "file:///", "file://host/x", "/var/x"),
        *(
            "s3:",
            "s3://",
            "s3://b",
            "s3://Bucket/x",
            "s3://key:secret@bucket/x",
            "s3://bucket/x?y",
            "gs://bucket/x",
        ),
    ],
)
def test_a_storage_url_of_another_kind_is_refused_with_its_reason(url: str) -> None:
    with pytest.raises(ValueError, match="STORAGE_URL must be file://"):
        open_storage(url)


async def test_a_storage_url_may_hold_any_characters(tmp_path: Path) -> None:
    folder = tmp_path / "mine & yours #1 é"
    blob = await stored(open_storage(folder.as_uri()), b"abc")
    assert path_of(folder, blob.key).read_bytes() == b"abc"
