"""A disk that is full in the middle of a large output."""

import hashlib
import resource
from pathlib import Path

import asyncpg
import pytest

from asking import ask
from fault_jobs import mebibyte
from fault_lab.load import clients_of
from fault_lab.system import System, running_system, storage_of
from ledger import outcomes_of, until_row, until_status
from service.settings import Settings

MIB = 2**20


def set_room(system: System, mebibytes: int | None) -> None:
    """How large a file the worker may write: at its end the kernel refuses each write, as a full disk does."""
    (worker,) = system.workers
    size = resource.RLIM_INFINITY if mebibytes is None else mebibytes * MIB
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def files_of(system: System) -> list[Path]:
    """What lies in storage, parts among it."""
    return [path for path in storage_of(system.settings).rglob("*") if path.is_file()]


@pytest.mark.fault("F28", "no room on the disk in the middle of an output of {size} MiB", size=(8, 200))
async def test_an_output_for_which_there_is_no_room_fails_as_storage_full_and_is_whole_once_there_is_room(
    settings: Settings, pool: asyncpg.Pool, size: int
) -> None:
    async with (
        running_system(settings, pool, supervised=False) as system,
        clients_of(system) as clients,
        system.apis[0].session() as api,
    ):
        body = {"type": "bulky", "args": {"mebibytes": size}}
        assert files_of(system) == []
        set_room(system, size // 2)
        failing = await clients.submit("never room", body)
        row = await until_status(pool, failing, "failed", seconds=60)
        assert '"storage_full"' in row["error"]
        assert await outcomes_of(pool, failing) == [(1, 1, "failed"), (1, 2, "failed")]
        assert files_of(system) == []
        told = (await ask(api, "GET", f"/api/jobs/{failing}")).body
        assert (told["outputs"], told["publish_link"]) == ([], None)

        later = await clients.submit("room in time", body)
        await until_row(pool, later, lambda row: row["attempt"] == 2, seconds=30)
        set_room(system, None)
        await until_status(pool, later, "finished", seconds=60)
        link = (await ask(api, "GET", f"/api/jobs/{later}")).body["publish_link"]
        found = hashlib.sha256()
        async with api.get(link) as response:
            assert (response.status, response.content_length) == (200, size * MIB)
            async for piece in response.content.iter_chunked(MIB):
                found.update(piece)
        expected = hashlib.sha256()
        for number in range(size):
            expected.update(mebibyte(number))
        assert found.digest() == expected.digest()
        await system.check()
