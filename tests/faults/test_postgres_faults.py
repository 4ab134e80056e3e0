"""PostgreSQL stopped, crashed, turned read-only, and cut off: clients hear 2xx or 503, and nothing is lost."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from fault_lab.load import Clients, clients_of
from fault_lab.seen import Answered
from fault_lab.system import System, running_system
from faulty_proxy import faulty_proxy
from own_postgres import OwnPostgres, own_postgres
from service.db.pool import create_pool
from service.settings import Settings


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    async with own_postgres(tmp_path) as server:
        yield server


@asynccontextmanager
async def system_on(
    postgres: OwnPostgres, settings: Settings, url: str | None = None
) -> AsyncIterator[System]:
    """A system over that server, by way of `url`; the test's own pool goes there directly."""
    pool = await create_pool(postgres.url, size=4, application="tests")
    try:
        async with running_system(replace(settings, database_url=url or postgres.url), pool) as system:
            yield system
    finally:
        pool.terminate()


async def load(clients: Clients, until: asyncio.Event, name: str = "k") -> None:
    """Submit and read until told to stop: six clients, each request as soon as the one before was answered."""
    first = await clients.submit("first", {"type": "echo"})

    async def submitting(client: int) -> None:
        number = 0
        while not until.is_set():
            body = {"type": "echo", "args": {"n": number}}
            answer = await clients.ask(
                "submit", "POST", "/api/jobs", key=f"{name}{client}.{number}", json=body
            )
            number += answer.status in (200, 201)
            await asyncio.sleep(0.01)

    async def reading() -> None:
        while not until.is_set():
            await clients.ask("read", "GET", f"/api/jobs/{first}")
            await asyncio.sleep(0.01)

    await asyncio.gather(*(submitting(client) for client in range(3)), *(reading() for _ in range(3)))


@asynccontextmanager
async def under_load(clients: Clients) -> AsyncIterator[None]:
    """Load for as long as the block takes."""
    until = asyncio.Event()
    loading = asyncio.create_task(load(clients, until))
    await until_answered(clients, 50)
    try:
        yield
    finally:
        until.set()
        await loading


async def until_answered(clients: Clients, count: int, *statuses: int) -> float:
    """Wait for so many more answers with one of these statuses (201 if none is given); answers how long it took."""
    began, seen, at = time.monotonic(), 0, len(clients.history.answers)
    async with asyncio.timeout(30):
        while seen < count:
            new, at = clients.history.answers[at:], len(clients.history.answers)
            seen += sum(one.status in (statuses or (201,)) for one in new)
            await asyncio.sleep(0.01)
    return time.monotonic() - began


def told_the_truth(answers: list[Answered], *others: int | None) -> None:
    """Only 2xx, or 503 with Retry-After."""
    statuses = {one.status for one in answers}
    assert statuses <= {200, 201, 503, *others}, statuses
    assert all(one.retry_after for one in answers if one.status == 503)


@pytest.mark.fault("F09", "PostgreSQL stopped for {seconds} s under load", seconds=(3, 15))
async def test_while_postgresql_is_stopped_clients_hear_503_and_then_all_goes_on(
    postgres: OwnPostgres, settings: Settings, seconds: int
) -> None:
    async with system_on(postgres, settings) as system, clients_of(system) as clients:
        async with under_load(clients):
            await postgres.stop()
            await until_answered(clients, 10, 503)
            await asyncio.sleep(seconds)
            await postgres.start()
            assert await until_answered(clients, 1) < 2
        told_the_truth(clients.history.answers)
        await system.pool.expire_connections()
        await system.check()
        assert system.started_again == 0


@pytest.mark.fault("F10", "PostgreSQL ended by -m immediate {times} times under load", times=(2, 10))
async def test_crashes_of_postgresql_lose_nothing_that_was_committed(
    postgres: OwnPostgres, settings: Settings, times: int
) -> None:
    async with system_on(postgres, settings) as system, clients_of(system) as clients:
        async with under_load(clients):
            for _ in range(times):
                await postgres.stop(signal.SIGQUIT)
                await postgres.start()
                await until_answered(clients, 50)
        told_the_truth(clients.history.answers)
        await system.pool.expire_connections()
        await system.check()
        assert system.started_again == 0


TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name IN ('lavori api', 'lavori worker') OR application_name = ''
"""


@pytest.mark.fault(
    "F11", "pg_terminate_backend on all connections each second, for {seconds} s", seconds=(5, 60)
)
async def test_connections_that_are_ended_each_second_are_hardly_noticed(
    settings: Settings, pool: asyncpg.Pool, seconds: int
) -> None:
    async with running_system(settings, pool) as system, clients_of(system) as clients:
        async with under_load(clients):
            for _ in range(seconds):
                await pool.execute(TERMINATE + " AND datname = current_database()")
                await asyncio.sleep(1)
        answers = clients.history.answers
        told_the_truth(answers)
        assert sum(one.status != 503 for one in answers) / len(answers) >= 0.99
        await system.check()
        assert system.started_again == 0


@pytest.mark.fault("F12", "the primary read-only for {seconds} s", seconds=(3, 30))
async def test_a_primary_that_turns_read_only_is_503_and_recovers(
    postgres: OwnPostgres, settings: Settings, seconds: int
) -> None:
    async with system_on(postgres, settings) as system, clients_of(system) as clients:
        async with under_load(clients):
            async with system.pool.acquire() as connection:
                await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                await connection.execute("SELECT pg_reload_conf()")
                await until_answered(clients, 10, 503)
                await asyncio.sleep(seconds)
                await connection.execute("SET default_transaction_read_only = off")
                await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                await connection.execute("SELECT pg_reload_conf()")
            assert await until_answered(clients, 1) < 5
        told_the_truth(clients.history.answers)
        await system.pool.expire_connections()
        await system.check()
        assert system.started_again == 0


@pytest.mark.fault("F14", "half-open TCP to PostgreSQL for {seconds} s", seconds=(6, 60))
async def test_while_the_way_to_postgresql_is_half_open_requests_end_soon_and_workers_give_up_in_time(
    postgres: OwnPostgres, settings: Settings, seconds: int
) -> None:
    async with (
        faulty_proxy(postgres.url) as (proxy, url),
        system_on(postgres, settings, url) as system,
        clients_of(system) as clients,
    ):
        body = {"type": "marked", "args": {"diary": str(system.diary), "seconds": 4.0, "steps": 8}}
        await clients.submit_many(5, body, name="long")
        async with under_load(clients):
            before = len(clients.history.answers)
            proxy.freeze()
            paths = ("/api/me", "/api/tenant", "/api/keys")
            reads = (clients.ask("read", "GET", path) for path in paths)
            await asyncio.gather(asyncio.sleep(seconds), *reads)
            proxy.mend()
            await until_answered(clients, 5)
        slowest = max(clients.history.answers[before:], key=lambda one: one.seconds)
        assert slowest.seconds < 5, slowest
        told_the_truth(clients.history.answers)
        await system.check()


@pytest.mark.fault("F15", "the answer to a commit lost {times} times", times=(15, 500))
async def test_a_submit_whose_commit_was_not_answered_is_not_doubled_by_its_retry(
    postgres: OwnPostgres, settings: Settings, times: int
) -> None:
    async with (
        faulty_proxy(postgres.url) as (proxy, url),
        system_on(postgres, settings, url) as system,
        clients_of(system) as clients,
    ):
        for number in range(times):
            proxy.lose_answer_to = f"lose-{number}-".encode()
            await clients.submit(f"lost{number}", {"type": "echo", "args": {"x": f"lose-{number}-"}})
            # A worker that claims the job reads its args, so only the API's statements carry this text.
        assert proxy.lost == times
        told_the_truth(clients.history.answers)
        assert await system.pool.fetchval("SELECT count(*) FROM jobs") == times
        await system.check()
