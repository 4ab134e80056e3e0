"""Real servers for the tests: PostgreSQL and Valkey of their own, a fresh database a test."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from fault_report import (  # noqa: F401 - hooks, which pytest finds here
    pytest_generate_tests,
    pytest_runtest_makereport,
    pytest_sessionfinish,
)
from service.db.migrate import migrate
from service.db.pool import create_pool
from service.dev.embedded import Servers, embedded_servers

TEMPLATE = "lavori_template"
NUMBERS = itertools.count(1)
REDIS_DATABASES = 16


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """Servers of this run alone; the first test that asks starts them."""
    async with embedded_servers(tmp_path_factory.mktemp("servers"), durable=False) as running:
        await _execute(running.database_url, f"CREATE DATABASE {TEMPLATE}")
        await migrate(_on(running.database_url, TEMPLATE))
        yield running


@pytest.fixture
async def empty_database_url(servers: Servers) -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    async with _database(servers, "template1") as url:
        yield url


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """The address of a database of this test alone, with the schema and nothing else."""
    async with _database(servers, TEMPLATE) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_database_url(servers: Servers) -> AsyncIterator[str]:
    """The address of a database for all tests of a module, with the schema and nothing else."""
    async with _database(servers, TEMPLATE) as url:
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
async def redis_url(servers: Servers) -> str:
    """The address of an empty Redis database."""
    return await _empty_redis(servers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_redis_url(servers: Servers) -> str:
    """The address of a Redis database that is empty when the module begins."""
    return await _empty_redis(servers)


async def _empty_redis(servers: Servers) -> str:
    url = servers.redis_url.rpartition("/")[0] + f"/{next(NUMBERS) % REDIS_DATABASES}"
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushdb()
    return url


@contextlib.asynccontextmanager
async def _database(servers: Servers, template: str) -> AsyncIterator[str]:
    name = f"test_{next(NUMBERS)}"
    # Its files are copied: page by page through shared buffers, as is the default, takes three times as long.
    await _execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield _on(servers.database_url, name)
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
