"""Rows of files: who holds them, when they are let go, and what crashes leave behind."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.files import sharing, store

from .conftest import World

STATEMENTS = [
    (name, statement)
    for module in (store, sharing)
    for name, statement in vars(module).items()
    if name.isupper() and isinstance(statement, str)
]


@pytest.fixture
async def old_upload(world: World) -> UUID:
    """An upload of anna's whose time is over."""
    file_id = await world.file(b"abc")
    await expire(world, file_id)
    return file_id


async def expire(world: World, file_id: UUID) -> None:
    await world.pool.execute("UPDATE files SET expires_at = now() - interval '1 ms' WHERE id = $1", file_id)


async def key_of(world: World, file_id: UUID) -> str:
    key: str = await world.pool.fetchval("SELECT storage_key FROM files WHERE id = $1", file_id)
    return key


async def expiry_of(world: World, file_id: UUID) -> float | None:
    """Seconds until a file expires."""
    seconds: float | None = await world.pool.fetchval(
        "SELECT extract(epoch FROM expires_at - now())::float8 FROM files WHERE id = $1", file_id
    )
    return seconds


async def test_every_statement_is_one_that_the_schema_knows(pool: asyncpg.Pool) -> None:
    assert len(STATEMENTS) >= 16
    async with pool.acquire() as connection:
        for _, statement in STATEMENTS:
            await connection.prepare(statement)


async def test_an_upload_is_taken_by_its_creator_alone(world: World) -> None:
    file_id = await world.file(b"abc", "a.csv")
    taken = await store.take_attachment(world.pool, 1, "anna", file_id)
    assert taken is not None
    assert (taken.name, taken.mime_type, taken.size) == ("a.csv", "text/csv", 3)
    assert await store.take_attachment(world.pool, 1, "bruno", file_id) is None
    assert await store.take_attachment(world.pool, 2, "anna", file_id) is None
    assert await store.take_attachment(world.pool, 1, "anna", uuid4()) is None


async def test_taking_an_upload_keeps_it_for_an_hour_at_least(world: World, old_upload: UUID) -> None:
    assert await store.take_attachment(world.pool, 1, "anna", old_upload) is None
    fresh = await world.file(b"abc")
    await store.take_attachment(world.pool, 1, "anna", fresh)
    assert 86_000 < (await expiry_of(world, fresh) or 0) < 86_401
    await world.pool.execute("UPDATE files SET expires_at = now() + interval '1 minute' WHERE id = $1", fresh)
    await store.take_attachment(world.pool, 1, "anna", fresh)
    assert 3500 < (await expiry_of(world, fresh) or 0) < 3601


async def test_an_attachment_in_use_can_be_taken_again_and_stays_in_use(world: World) -> None:
    file_id = await world.file(b"abc")
    await world.job(attachment=file_id)
    assert await store.take_attachment(world.pool, 1, "anna", file_id) is not None
    assert await expiry_of(world, file_id) is None


async def test_expired_files_are_released_and_live_ones_stay(world: World, old_upload: UUID) -> None:
    key = await key_of(world, old_upload)
    live = await world.file(b"live")
    held = await world.file(b"held")
    await world.job(attachment=held)
    assert await store.release_expired_files(world.pool, 100) == [key]
    assert await store.release_expired_files(world.pool, 100) == []
    left = {row["id"] for row in await world.pool.fetch("SELECT id FROM files")}
    assert left == {live, held}


async def test_a_file_that_something_refers_to_is_not_released_though_it_has_expired(world: World) -> None:
    attachment = await world.file(b"attachment")
    job_id = await world.job(attachment=attachment)
    await world.output(job_id, b"output")
    await world.pool.execute("UPDATE files SET expires_at = now() - interval '1 ms'")
    assert await store.release_expired_files(world.pool, 100) == []


async def test_releasing_takes_no_more_than_asked(world: World) -> None:
    for _ in range(5):
        await expire(world, await world.file(b"abc"))
    assert [len(await store.release_expired_files(world.pool, 2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_deleted_jobs_files_are_released(world: World) -> None:
    attachment = await world.file(b"attachment")
    job_id = await world.job(attachment=attachment)
    await world.output(job_id, b"output")
    bystander = await world.output(await world.job(), b"another job's")
    async with world.pool.acquire() as connection, connection.transaction():
        await store.expire_files_of_jobs(connection, 2, [job_id])  # of another tenant: nothing
        await store.expire_files_of_jobs(connection, 1, [job_id])
        await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)
    assert len(await store.release_expired_files(world.pool, 100)) == 2
    left = await world.pool.fetchval(
        "SELECT array_agg(outputs.id) FROM outputs JOIN files ON files.id = file_id"
    )
    assert left == [bystander]


async def test_an_attachment_of_two_jobs_goes_with_the_second_even_when_both_go_at_once(world: World) -> None:
    attachment = await world.file(b"attachment")
    first, second = await world.job(attachment=attachment), await world.job(attachment=attachment)
    both_marked = asyncio.Barrier(2)

    async def delete(job_id: UUID) -> None:
        async with world.pool.acquire() as connection, connection.transaction():
            if job_id == first:
                await store.expire_files_of_jobs(connection, 1, [job_id])
                await both_marked.wait()
            else:
                await both_marked.wait()
                await store.expire_files_of_jobs(connection, 1, [job_id])
            await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)

    await asyncio.gather(delete(first), delete(second))
    assert len(await store.release_expired_files(world.pool, 100)) == 1


async def test_taking_and_releasing_at_once_have_one_winner(world: World) -> None:
    for _ in range(30):
        file_id = await world.file(b"abc")
        await world.pool.execute(
            "UPDATE files SET expires_at = now() + interval '1 ms' WHERE id = $1", file_id
        )
        taken, released = await asyncio.gather(
            store.take_attachment(world.pool, 1, "anna", file_id), store.release_expired_files(world.pool, 10)
        )
        assert not (taken and taken.storage_key in released)


async def test_a_release_passes_over_what_another_transaction_is_taking(
    world: World, old_upload: UUID
) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM files WHERE id = $1 FOR UPDATE", old_upload)
        assert await store.release_expired_files(world.pool, 10) == []
    assert len(await store.release_expired_files(world.pool, 10)) == 1


async def orphans(world: World, grace: timedelta) -> set[str]:
    found = [key async for key in store.orphans(world.pool, world.storage, grace)]
    assert len(found) == len(set(found))
    return set(found)


async def test_bytes_without_a_row_are_orphans_after_the_grace(world: World) -> None:
    with_row = await world.file(b"with a row")
    without = {(await world.store(b"without")).key for _ in range(3)}
    assert await orphans(world, timedelta(hours=1)) == set()
    past = -timedelta(minutes=5)  # a grace that ends in five minutes: everything is older than it
    assert await orphans(world, past) == without
    async with world.storage.create(None) as writer:
        await writer.write(bytes(2_000_000))
        assert await orphans(world, past) == without  # somebody still writes it
    assert await key_of(world, with_row) in await world.blobs()


async def test_thousands_of_blobs_are_looked_through_in_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BATCH", 3)
    rows = [await key_of(world, await world.file(b"abc")) for _ in range(4)]
    without = {(await world.store(b"without")).key for _ in range(5)}
    assert await orphans(world, -timedelta(minutes=5)) == without
    assert await world.blobs() == without | set(rows)


async def test_a_released_file_whose_bytes_were_not_deleted_is_an_orphan(
    world: World, old_upload: UUID
) -> None:
    (key,) = await store.release_expired_files(world.pool, 10)
    assert await orphans(world, -timedelta(minutes=5)) == {key}
