"""A whole system of processes that may die: APIs, workers, who starts them again, and the check at the end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from api_process import ApiProcess
from fault_lab.checker import breaches
from fault_lab.ledger_of import read_ledger, watch
from fault_lab.seen import History, read_effects
from service.settings import Settings
from worker_process import WorkerProcess

JOB_TYPES = {"JOB_TYPES": "engine_jobs,fault_jobs"}
LEFT = """
SELECT (SELECT count(*) FROM jobs WHERE terminated_at IS NULL) AS jobs,
       (SELECT count(*) FROM outbox WHERE ended_at IS NULL) AS notices
"""


def diary_of(settings: Settings) -> Path:
    """The effect log."""
    return settings.data / "effects.log"


def storage_of(settings: Settings) -> Path:
    """The folder in which files are kept."""
    return Path(unquote(urlsplit(settings.storage_url).path))


async def wrong_in(pool: asyncpg.Pool, settings: Settings, history: History) -> list[str]:
    """What breaks an invariant, as text."""
    ledger = await read_ledger(pool, storage_of(settings))
    found = breaches(history, read_effects(diary_of(settings)), ledger)
    return [f"{breach.invariant}: {breach.told}" for breach in found]


@dataclass(slots=True)
class System:
    """Processes over one database, and what clients have seen of them."""

    settings: Settings
    pool: asyncpg.Pool
    apis: list[ApiProcess]
    workers: list[WorkerProcess]
    history: History = field(default_factory=History)
    started_again: int = 0

    @property
    def diary(self) -> Path:
        """The effect log."""
        return diary_of(self.settings)

    async def supervise(self) -> None:
        """Start again what has ended, until cancelled."""
        while True:
            self.started_again += sum(api.start_again_if_ended() for api in self.apis)
            self.started_again += sum(worker.start_again_if_ended() for worker in self.workers)
            await asyncio.sleep(0.02)

    async def rest(self, seconds: float) -> None:
        """Wait until all jobs and notices have ended."""
        left: list[int] = []
        try:
            async with asyncio.timeout(seconds):
                while any(left := list(await self.pool.fetchrow(LEFT) or ())):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not at rest within {seconds} s: {left}; {await self.wrong()}") from None

    async def wrong(self) -> list[str]:
        """What breaks an invariant, as text."""
        return await wrong_in(self.pool, self.settings, self.history)

    async def check(self, seconds: float = 40) -> None:
        """Once all is at rest, every invariant holds."""
        await self.rest(seconds)
        found = await self.wrong()
        assert not found, found


@asynccontextmanager
async def running_system(
    settings: Settings,
    pool: asyncpg.Pool,
    *,
    apis: int = 1,
    workers: int = 1,
    module: str = "service",
    environ: Mapping[str, str] | None = None,
    supervised: bool = True,
) -> AsyncIterator[System]:
    """So many processes, started again whenever they end, over a database whose changes are noted."""
    await watch(pool)
    environ = JOB_TYPES | {**(environ or {})}
    async with AsyncExitStack() as stack:
        system = System(
            settings,
            pool,
            [stack.enter_context(ApiProcess(settings, None, environ, module)) for _ in range(apis)],
            [stack.enter_context(WorkerProcess(settings, environ, module)) for _ in range(workers)],
        )
        for api in system.apis:
            await api.until_ready()
        supervising = asyncio.create_task(system.supervise()) if supervised else None
        try:
            yield system
        finally:
            if supervising is not None:
                supervising.cancel()
                with suppress(asyncio.CancelledError):
                    await supervising
