"""`lavori migrate`."""

import asyncio

import asyncpg

from service.cli.front_door import leave, read_settings
from service.db.migrate import MigrationError, migrate


def run() -> None:
    """Bring the database to the current schema and say what was applied."""
    settings = read_settings(("DATABASE_URL",))
    try:
        applied = asyncio.run(migrate(settings.database_url or ""))
    except MigrationError as error:
        leave(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        leave(f"The database of DATABASE_URL cannot be reached: {error}")
    print("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")
