"""`lavori doctor`: is everything there that the service needs, and what to do where it is not."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import redis.asyncio

from service.cli.front_door import installed_job_types, leave, read_settings
from service.db.migrate import applied_numbers, read_migrations
from service.settings import REQUIRED_OUTSIDE_DEV, Settings

SECONDS = 5.0
CLOCK_SECONDS = 2.0
LOW_DISK_BYTES = 1 << 30
WORKERS = "SELECT count(*) FROM workers WHERE beat_at > now() - interval '1 minute'"


class Finding(NamedTuple):
    """What was looked at, what was found, and what to do about it (empty where it is fine)."""

    what: str
    found: str
    remedy: str = ""


def run() -> None:
    """Look at each part, say what is found, and leave with 1 where something is wrong."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    types = ", ".join(sorted(installed_job_types(settings)))
    findings = [Finding("settings", "in order"), Finding("job types", types), *asyncio.run(_look(settings))]
    for one in findings:
        print(f"{'ok   ' if not one.remedy else 'FAULT'}  {one.what}: {one.found}")
        if one.remedy:
            print(f"       {one.remedy}")
    wrong = sum(bool(one.remedy) for one in findings)
    if wrong:
        leave(f"{wrong} of {len(findings)} need something done.")
    print("All is well.", file=sys.stderr)


async def _look(settings: Settings) -> list[Finding]:
    return [*[one async for one in _database(settings)], await _redis(settings), *_storage(settings)]


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        connection = await asyncpg.connect(settings.database_url, timeout=SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        yield Finding(
            "PostgreSQL",
            f"cannot be reached ({str(error) or type(error).__name__})",
            "Check DATABASE_URL, and that it runs.",
        )
        return
    try:
        version = await connection.fetchval("SHOW server_version")
        if await connection.fetchval("SELECT pg_is_in_recovery()"):
            yield Finding("PostgreSQL", f"{version}, a standby", "DATABASE_URL must lead to the primary.")
        else:
            yield Finding("PostgreSQL", str(version))
        yield await _schema(connection)
        ahead = (datetime.now(UTC) - await connection.fetchval("SELECT clock_timestamp()")).total_seconds()
        off = abs(ahead) > CLOCK_SECONDS
        yield Finding("clock", f"{ahead:+.1f} s from the database's", "Let both follow NTP." if off else "")
        yield await _workers(connection)
    finally:
        await connection.close()


async def _schema(connection: asyncpg.Connection) -> Finding:
    needed = {0} | {one.number for one in read_migrations()}
    try:
        missing = needed - await applied_numbers(connection)
    except asyncpg.UndefinedTableError:
        missing = needed
    if missing:
        return Finding("schema", "not that of this version", "Run `lavori migrate`.")
    return Finding("schema", "that of this version")


async def _workers(connection: asyncpg.Connection) -> Finding:
    try:
        alive = await connection.fetchval(WORKERS)
    except asyncpg.UndefinedTableError:
        alive = 0
    return Finding("workers", f"{alive} alive", "" if alive else "Start some: `lavori worker`.")


async def _redis(settings: Settings) -> Finding:
    client = redis.asyncio.Redis.from_url(
        settings.redis_url or "", socket_connect_timeout=SECONDS, socket_timeout=SECONDS
    )
    try:
        told = await client.info()
        policy = (await client.config_get("maxmemory-policy")).get("maxmemory-policy", "noeviction")
    except (redis.exceptions.RedisError, OSError) as error:
        return Finding(
            "Redis", f"cannot be reached ({error})", "Check REDIS_URL. Until then jobs start more slowly."
        )
    finally:
        await client.aclose()
    found = str(told.get("redis_version", "there"))
    if policy != "noeviction":
        return Finding("Redis", f"{found}, which evicts ({policy})", "Set maxmemory-policy to noeviction.")
    return Finding("Redis", found)


def _storage(settings: Settings) -> list[Finding]:
    if not settings.storage_url.startswith("file://"):
        return [Finding("files", settings.storage_url)]
    folder = Path(settings.storage_url.removeprefix("file://"))
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return [
            Finding(
                "files",
                f"{folder} cannot be written: {error.strerror}",
                "Let the service's user write there.",
            )
        ]
    disk = os.statvfs(there)
    free = disk.f_bavail * disk.f_frsize
    room = f"{folder}, {free / (1 << 30):.1f} GiB free"
    return [Finding("files", room, "Make room." if free < LOW_DISK_BYTES else "")]
