"""PostgreSQL and Valkey from wheels: no installation, no root, no container."""

import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.dev.child import Keeper
from service.dev.postgres import postgres_child
from service.dev.valkey import valkey_child

# For tests: a crash of the machine may lose their data, which nobody will miss.
FORGETFUL: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of running servers, passwords included."""

    database_url: str
    redis_url: str


@contextlib.asynccontextmanager
async def embedded_servers(
    folder: Path, *, password: str | None = None, durable: bool = True
) -> AsyncIterator[Servers]:
    """Run both servers on data under `folder` (absolute) while the block runs; the same folder needs the same password.

    Raises DevError when one does not start.
    """
    password = password or secrets.token_hex(16)
    postgres, database_url = await postgres_child(folder, password, None if durable else FORGETFUL)
    valkey, redis_url = await valkey_child(folder, password, durable=durable)
    async with contextlib.AsyncExitStack() as stack:
        for child in (postgres, valkey):
            keeper = Keeper(child, _show)
            stack.push_async_callback(keeper.stop)
            await keeper.start()
        yield Servers(database_url, redis_url)


def _show(line: str) -> None:
    sys.stderr.write(f"{line}\n")
