"""Migrations: a new database, an older one, two runners at once, a step that fails, a database from the future."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from service.db.migrate import MigrationError, migrate, read_migrations

FIRST, SECOND = (
    "CREATE TABLE first (id integer);",
    "CREATE TABLE second AS TABLE first; SELECT pg_sleep(0.2);",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001-first.sql").write_text(FIRST)
    (tmp_path / "0002-second.sql").write_text(SECOND)
    return tmp_path


@pytest.fixture
def no_migrations(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


async def numbers(dsn: str) -> list[int]:
    rows = await fetch(dsn, "SELECT number FROM schema_migrations ORDER BY number")
    return [int(str(number)) for (number,) in rows]


async def fetch(dsn: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_a_new_database_gets_the_whole_schema_once(
    empty_database_url: str, no_migrations: Path
) -> None:
    assert await migrate(empty_database_url, no_migrations) == ["schema.sql"]
    assert await numbers(empty_database_url) == [0]
    assert await migrate(empty_database_url, no_migrations) == []
    assert await fetch(empty_database_url, "SELECT code FROM tenants") == [("default",)]


async def test_a_new_database_is_stamped_with_what_schema_sql_contains_already(
    empty_database_url: str, folder: Path
) -> None:
    await migrate(empty_database_url, folder)
    assert await numbers(empty_database_url) == [0, 1, 2]
    assert await fetch(empty_database_url, "SELECT to_regclass('first') IS NULL") == [(True,)]


async def test_an_older_database_gets_what_it_misses_in_order(
    empty_database_url: str, folder: Path, no_migrations: Path
) -> None:
    await migrate(empty_database_url, no_migrations)
    (folder / "0002-second.sql").rename(no_migrations / "0002-second.sql")
    assert await migrate(empty_database_url, folder) == ["0001-first"]
    (no_migrations / "0002-second.sql").rename(folder / "0002-second.sql")
    assert await migrate(empty_database_url, folder) == ["0002-second"]
    assert await numbers(empty_database_url) == [0, 1, 2]


@pytest.mark.fault("G4", "several migrations at once")
async def test_runners_that_start_at_once_apply_each_step_once(
    empty_database_url: str, folder: Path, no_migrations: Path
) -> None:
    at_schema = await asyncio.gather(*(migrate(empty_database_url, no_migrations) for _ in range(3)))
    assert sorted(at_schema) == [[], [], ["schema.sql"]]
    at_migrations = await asyncio.gather(*(migrate(empty_database_url, folder) for _ in range(3)))
    assert sorted(step for applied in at_migrations for step in applied) == ["0001-first", "0002-second"]


async def test_a_step_that_fails_is_rolled_back_and_those_before_it_stay(
    empty_database_url: str, folder: Path, no_migrations: Path
) -> None:
    await migrate(empty_database_url, no_migrations)
    (folder / "0002-second.sql").write_text("CREATE TABLE half (id integer); SELECT nonsense;")
    with pytest.raises(MigrationError, match='0002-second failed and was rolled back: column "nonsense"'):
        await migrate(empty_database_url, folder)
    assert await numbers(empty_database_url) == [0, 1]
    assert await fetch(empty_database_url, "SELECT to_regclass('half') IS NULL") == [(True,)]
    (folder / "0002-second.sql").write_text(SECOND)
    assert await migrate(empty_database_url, folder) == ["0002-second"]


async def test_a_step_lets_others_pass_while_a_long_transaction_keeps_it_waiting(
    empty_database_url: str, no_migrations: Path
) -> None:
    await migrate(empty_database_url, no_migrations)
    (no_migrations / "0001-first.sql").write_text("ALTER TABLE jobs ADD COLUMN first text")
    holder, reader = [await asyncpg.connect(empty_database_url) for _ in range(2)]
    try:
        assert await _while_held(holder, reader, empty_database_url, no_migrations) == ["0001-first"]
    finally:
        await holder.close()
        await reader.close()


async def _while_held(
    holder: asyncpg.Connection, reader: asyncpg.Connection, url: str, folder: Path
) -> list[str]:
    """Migrate while one transaction has read jobs for 2.5 s, and another connection reads them again and again."""
    async with asyncio.TaskGroup() as tasks, holder.transaction():
        await holder.fetch("SELECT FROM jobs")
        migrating = tasks.create_task(migrate(url, folder))
        until = asyncio.get_running_loop().time() + 2.5
        while asyncio.get_running_loop().time() < until:
            await reader.fetch("SELECT FROM jobs", timeout=1.8)
            await asyncio.sleep(0.05)
        assert not migrating.done()
    return migrating.result()


async def test_a_newer_database_is_refused(
    empty_database_url: str, folder: Path, no_migrations: Path
) -> None:
    await migrate(empty_database_url, folder)
    with pytest.raises(MigrationError, match="at schema 0002"):
        await migrate(empty_database_url, no_migrations)


@pytest.mark.parametrize("name", ["1-short.sql", "0000-zero.sql", "0001_line.sql", "0001-twice.sql"])
def test_a_file_with_a_bad_or_doubled_number_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"NNNN-name\.sql"):
        read_migrations(folder)


def test_the_migrations_that_ship_can_be_read() -> None:
    read_migrations()


SESSIONS_BEFORE_1 = """
DROP TABLE sessions;
DELETE FROM schema_migrations WHERE number = 1;
CREATE TABLE sessions (
    token_hash  bytea PRIMARY KEY,
    key_id      uuid NOT NULL REFERENCES keys ON DELETE CASCADE,
    is_ticket   boolean NOT NULL,
    created_at  timestamptz(3) NOT NULL DEFAULT now(),
    expires_at  timestamptz(3) NOT NULL
);
CREATE INDEX sessions_of_key ON sessions (key_id, created_at);
CREATE INDEX sessions_expired ON sessions (expires_at);
INSERT INTO keys (id, tenant_id, name, principal, secret_hash, created_by)
VALUES ('00000000-0000-7000-8000-000000000001', 1, 'a key', 'anna', 'hash', 'anna');
INSERT INTO sessions VALUES ('token', '00000000-0000-7000-8000-000000000001', false, now(), now());
"""
SESSIONS = """
SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull FROM pg_attribute
WHERE attrelid = 'sessions'::regclass AND attnum > 0
UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'sessions'::regclass
UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename = 'sessions'
ORDER BY 1
"""


async def test_older_sessions_become_as_those_of_a_new_database_and_none_is_lost(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    new = await fetch(empty_database_url, SESSIONS)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SESSIONS_BEFORE_1)
    await connection.close()
    assert await migrate(empty_database_url) == ["0001-sessions-of-people"]
    assert await fetch(empty_database_url, SESSIONS) == new
    assert await fetch(empty_database_url, "SELECT token_hash FROM sessions") == [(b"token",)]


FIRST_SCHEMA = Path(__file__).parents[1] / "schemas" / "0000.sql"
LOOKS = (
    """SELECT table_name::text, column_name::text, data_type::text, is_nullable::text,
              datetime_precision::int, column_default FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 0",
    "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT pg_get_functiondef(pg_proc.oid) FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
       WHERE nspname = 'public' AND prokind = 'f'""",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    """SELECT oid::regclass::text, relkind::text, relpersistence::text, reloptions FROM pg_class
       WHERE relnamespace = 'public'::regnamespace""",
)


async def look_of(dsn: str) -> list[list[str]]:
    """Columns, constraints, indexes, functions, triggers and options of all tables, to be compared."""
    return [sorted(map(repr, await fetch(dsn, query))) for query in LOOKS]


async def test_a_database_of_the_first_schema_is_brought_to_what_a_new_one_is(
    empty_database_url: str, database_url: str
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(FIRST_SCHEMA.read_text(encoding="utf-8"))
        await connection.execute("INSERT INTO schema_migrations (number, name) VALUES (0, 'schema')")
        await connection.execute(
            "INSERT INTO workers (id, tags, types, concurrency, version) VALUES ('w', '{}', '{}', 1, '1')"
        )
    finally:
        await connection.close()
    command = [sys.executable, "-m", "service", "migrate"]
    environ = {**os.environ, "DATABASE_URL": empty_database_url}
    migrating = await asyncio.create_subprocess_exec(*command, env=environ)
    assert await migrating.wait() == 0
    old, new = await look_of(empty_database_url), await look_of(database_url)
    assert all(old)
    assert old == new
    shipped = [one.number for one in read_migrations()]
    assert await numbers(empty_database_url) == await numbers(database_url) == [0, *shipped]
    assert await fetch(empty_database_url, "SELECT id, drain_requested_at FROM workers") == [("w", None)]
