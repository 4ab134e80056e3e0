"""Bytes whose row was never written go after a grace; everything else stays."""

import os
import time
from pathlib import Path

import pytest

from service.files.storage import open_storage
from workers.upkeep import collect as collecting
from workers.upkeep.collect import collect_orphans

from .conftest import World


def age(folder: Path, key: str, hours: float) -> None:
    """Make a stored blob so old."""
    then = time.time() - hours * 3600
    os.utime(folder / key[:2] / key[2:4] / key, (then, then))


async def test_bytes_without_a_row_go_after_an_hour_and_all_else_stays(world: World) -> None:
    young, old = (await world.store(b"young")).key, (await world.store(b"old")).key
    await world.file(b"with a row")
    kept: str = await world.pool.fetchval("SELECT storage_key FROM files")
    for key, hours in ((young, 0.9), (old, 1.1), (kept, 1000)):
        age(world.folder, key, hours)
    assert await collect_orphans(world.pool, world.storage) == 1
    assert await world.blobs() == {young, kept}
    assert await collect_orphans(world.pool, world.storage) == 0


async def test_a_round_removes_so_many_and_the_next_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MOST", 3)
    for _ in range(5):
        age(world.folder, (await world.store(b"old")).key, 2)
    assert [await collect_orphans(world.pool, world.storage) for _ in range(3)] == [3, 2, 0]
    assert await world.blobs() == set()


async def test_young_objects_without_a_row_stay(world: World, bucket_url: str) -> None:
    storage = open_storage(bucket_url)
    async with storage.create(None) as writer:
        await writer.write(b"young")
    assert await collect_orphans(world.pool, storage) == 0
    assert [chunk async for chunk in storage.read(writer.blob.key, 0, 5)] == [b"young"]
