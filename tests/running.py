"""Running the whole system in one process: an API, a worker, and questions about jobs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from service.jobs.jobtype import JobTypes
from service.settings import Settings
from workers.main import work

Submit = Callable[..., Awaitable[dict[str, Any]]]
"""The fixture `submit`: a type and a body's other members in, the job out."""


@asynccontextmanager
async def running_worker(settings: Settings, job_types: JobTypes) -> AsyncIterator[asyncio.Event]:
    """Run a worker for the time of the block, and drain it at its end."""
    stop = asyncio.Event()
    working = asyncio.create_task(work(settings, job_types, stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await working


async def job(api: ClientSession, job_id: str) -> dict[str, Any]:
    """The job as it is now."""
    async with api.get(f"/api/jobs/{job_id}") as response:
        read: dict[str, Any] = await response.json()
        assert response.status == 200, read
        return read


async def until(api: ClientSession, job_id: str, *statuses: str, seconds: float = 15) -> dict[str, Any]:
    """Poll a job until it has one of these statuses."""
    async with asyncio.timeout(seconds):
        while (read := await job(api, job_id))["status"] not in statuses:
            await asyncio.sleep(0.02)
    return read
