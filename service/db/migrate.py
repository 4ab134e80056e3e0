"""Bring a database to this version's schema.

A new database gets schema.sql whole; an older one gets the numbered files of service/db/migrations that it misses,
each in a transaction of its own. Both are recorded in schema_migrations; number 0 is schema.sql itself.
"""

import asyncio
import random
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from service.db.connection import Executor

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"
# Beside this file in an installed package, at the top of the repository otherwise.
SCHEMA = HERE / "schema.sql" if (HERE / "schema.sql").exists() else HERE.parents[1] / "schema.sql"

TRIES = 20
IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


class MigrationError(Exception):
    """The database cannot be brought to this version's schema; the text says why, for an operator."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, which orders it, its name, and its SQL."""

    number: int
    name: str
    sql: str

    @property
    def label(self) -> str:
        """What it is called where it is told of."""
        return f"{self.number:04}-{self.name}" if self.number else "schema.sql"


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read NNNN-name.sql files in the order of their numbers. Raises MigrationError for a bad or doubled number."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        named = re.fullmatch(r"([0-9]{4})-([a-z0-9-]+)", path.stem)
        number = int(named[1]) if named else 0
        if not named or number == 0 or number in found:
            raise MigrationError(
                f"{path.name} must be called NNNN-name.sql, with a number of its own from 0001."
            )
        found[number] = Migration(number, named[2], path.read_text(encoding="utf-8"))
    return list(found.values())


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the database to the newest schema and return the names of what was applied, [] when it was there already.

    Runners that start at once wait for each other. Raises MigrationError when the database is newer than this code or
    a step fails (that step is rolled back, those before it stay), OSError or asyncpg's errors when it is out of reach.
    """
    migrations = read_migrations(folder)
    connection = await asyncpg.connect(dsn)
    try:
        applied = []
        while (name := await _apply_next(connection, migrations)) is not None:
            applied.append(name)
        return applied
    finally:
        await connection.close()


# Any constant will do, as long as it stays: runners of all versions take the same lock. It is the transaction's and not
# the session's, because behind PgBouncer each transaction may be of another session.
LOCK = "SELECT pg_advisory_xact_lock(7308604896967881574)"


async def _apply_next(connection: asyncpg.Connection, migrations: list[Migration]) -> str | None:
    """Run the first step that is missing and record it, in one transaction; answers its name, or None without one.

    It may be run under load, where it wants locks that others hold. While it waits for one, all who come later wait
    behind it, so it waits for a second only; then, and after a deadlock, it is rolled back and tried anew.
    """
    tries = 0
    while True:
        tries += 1
        async with connection.transaction():
            await connection.execute(LOCK)
            step, contained = await _missing(connection, migrations)
            if step is None:
                return None
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL lock_timeout = '1s'")
                    await connection.execute(step.sql)
                    for migration in [step, *contained]:
                        await connection.execute(RECORD, migration.number, migration.name)
            except asyncpg.PostgresError as error:
                if tries == TRIES or not isinstance(error, IN_THE_WAY):
                    message = f"Migration {step.label} failed and was rolled back: {error}"
                    raise MigrationError(message) from error
            else:
                return step.label
        await asyncio.sleep(random.uniform(0.2, 1))  # noqa: S311


async def _missing(
    connection: asyncpg.Connection, migrations: list[Migration]
) -> tuple[Migration | None, list[Migration]]:
    """The first step that the database misses, and which others it contains."""
    if not await is_prepared(connection):
        return Migration(0, "schema", SCHEMA.read_text(encoding="utf-8")), migrations
    known = {migration.number for migration in migrations}
    done = {0} | await applied_numbers(connection)
    if max(done) > max(known, default=0):
        raise MigrationError(
            f"The database is at schema {max(done):04}, which this version does not know: run a newer Lavori."
        )
    return next((migration for migration in migrations if migration.number not in done), None), []


RECORD = "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)"


IS_PREPARED = "SELECT to_regclass('schema_migrations') IS NOT NULL"


async def is_prepared(connection: asyncpg.Connection) -> bool:
    """Whether the database has a schema of Lavori at all."""
    return bool(await connection.fetchval(IS_PREPARED))


APPLIED_NUMBERS = "SELECT number FROM schema_migrations"


async def applied_numbers(connection: Executor) -> set[int]:
    """The numbers of the migrations that the database has, 0 for schema.sql."""
    return {row["number"] for row in await connection.fetch(APPLIED_NUMBERS)}
