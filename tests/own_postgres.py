"""A PostgreSQL of one test alone, to be stopped, killed, frozen and started again at the same address."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from service.db.migrate import migrate
from service.dev.child import Child
from service.dev.embedded import FORGETFUL
from service.dev.postgres import postgres_child


class OwnPostgres:
    """A server process and its children."""

    def __init__(self, child: Child, url: str, environ: Mapping[str, str]) -> None:
        self._child = child
        self._environ = {**os.environ, **environ}
        self.url = url

    async def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._spawn()
        assert self._child.ready is not None
        deadline = time.monotonic() + 30
        while not await self._child.ready():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def _spawn(self) -> None:
        with (self._child.log or Path("/dev/null")).open("ab") as log:
            self._process = subprocess.Popen(
                self._child.argv,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT as `pg_ctl -m fast` does, SIGQUIT as `-m immediate`, after which it has to recover."""
        self._process.send_signal(how)
        await asyncio.to_thread(self._process.wait, 30)


@asynccontextmanager
async def own_postgres(folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[OwnPostgres]:
    """A server with the schema in it, whose files lie in `folder`; `environ` is added to its environment."""
    # A crash of the server keeps what was committed all the same; only one of the machine would not.
    child, url = await postgres_child(
        folder, "a-password-for-the-tests", {**FORGETFUL, "synchronous_commit": "on"}
    )
    server = OwnPostgres(child, url, environ or {})
    await server.start()
    try:
        await migrate(url)
        yield server
    finally:
        await server.stop(signal.SIGQUIT)
