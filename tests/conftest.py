"""Real servers for the tests: PostgreSQL and Valkey of their own, a fresh database a test."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from fault_lab.ledger_of import watch
from fault_lab.pgbouncer import pgbouncer
from fault_lab.seen import History
from fault_lab.system import wrong_in
from fault_report import (  # noqa: F401 - hooks, which pytest finds here
    pytest_generate_tests,
    pytest_runtest_makereport,
    pytest_sessionfinish,
)
from service.db.migrate import migrate
from service.db.pool import create_pool
from service.dev.embedded import Servers, embedded_servers
from service.settings import Settings
from worker_process import OwnRedis

TEMPLATE = "lavori_template"
NUMBERS = itertools.count(1)
REDIS_DATABASES = 16
MEMORY = Path("/dev/shm")
TESTS = Path(__file__).parent
BREAKING = ("acceptance", "deploy", "faults")
ROOM = 8 * 2**30  # bytes; they take a tenth of it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What breaks things is alone too."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in BREAKING:
            item.add_marker(pytest.mark.alone)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--through-pgbouncer`: the tests reach their databases through a PgBouncer in transaction mode (F16)."""
    parser.addoption("--through-pgbouncer", action="store_true")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """Servers of this run alone; the first test that asks starts them."""
    async with (
        _in_memory()
        if _has_memory()
        else contextlib.nullcontext(tmp_path_factory.mktemp("servers")) as folder,
        embedded_servers(folder, durable=False) as running,
    ):
        await _execute(running.database_url, f"CREATE DATABASE {TEMPLATE}")
        await migrate(_on(running.database_url, TEMPLATE))
        yield running


def _has_memory() -> bool:
    """Whether the servers' files have room in memory.

    A database is some 350 files, and goes with its test. For each file that it makes, an ext4 without a journal looks
    at all that it deleted within the last minute, so that a database takes ten times as long there after a while.
    """
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM


@contextlib.asynccontextmanager
async def _in_memory() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lavori-tests-", dir=MEMORY) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def front(
    servers: Servers, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the tests reach the server of their databases."""
    if not request.config.getoption("through_pgbouncer"):
        yield servers.database_url
        return
    folder = tmp_path_factory.mktemp("pgbouncer")
    with pgbouncer(servers.database_url, folder) as url:
        yield url


@pytest.fixture
async def empty_database_url(servers: Servers, front: str) -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    async with _database(servers, "template1", front) as url:
        yield url


@pytest.fixture
async def database_url(servers: Servers, front: str) -> AsyncIterator[str]:
    """The address of a database of this test alone, with the schema and nothing else."""
    async with _database(servers, TEMPLATE, front) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_database_url(servers: Servers, front: str) -> AsyncIterator[str]:
    """The address of a database for all tests of a module, with the schema and nothing else."""
    async with _database(servers, TEMPLATE, front) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to `database_url`, made as the service makes them."""
    made = await create_pool(database_url, size=8, application="tests")
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def invariants(pool: asyncpg.Pool, settings: Settings) -> AsyncIterator[None]:
    """After the test, all that the ledger alone can tell of the invariants holds; fault_lab also asks the clients."""
    await watch(pool)
    yield
    found = await wrong_in(pool, settings, History())
    assert not found, found


@pytest.fixture
async def redis_url(servers: Servers) -> str:
    """The address of an empty Redis database."""
    return await _empty_redis(servers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_redis_url(servers: Servers) -> str:
    """The address of a Redis database that is empty when the module begins."""
    return await _empty_redis(servers)


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    """A Redis that may be stopped."""
    made = await OwnRedis.under(tmp_path)
    yield made
    made.stop()


async def _empty_redis(servers: Servers) -> str:
    url = servers.redis_url.rpartition("/")[0] + f"/{next(NUMBERS) % REDIS_DATABASES}"
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushdb()
    return url


@contextlib.asynccontextmanager
async def _database(servers: Servers, template: str, front: str) -> AsyncIterator[str]:
    name = f"test_{next(NUMBERS)}"
    # Its files are copied: page by page through shared buffers, as is the default, takes three times as long.
    await _execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield _on(front, name)
    finally:
        await _execute(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _on(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))
