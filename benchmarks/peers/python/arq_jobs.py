"""FastAPI + arq as its documentation shows it: jobs and their results are in Redis alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job
from fastapi import FastAPI
from shape import REDIS_URL, JobIn


async def echo(_: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """The job."""
    return job["args"]


class WorkerSettings:
    """What `arq arq_jobs.WorkerSettings` runs."""

    functions = (echo,)
    redis_settings = RedisSettings.from_dsn(REDIS_URL)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The connection to Redis."""
    app.state.queue = await create_pool(WorkerSettings.redis_settings)
    yield
    await app.state.queue.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Ready."""
    return {"ok": True}


@app.post("/jobs", status_code=202)
async def submit(job: JobIn) -> dict[str, str]:
    """Enqueue."""
    queued = await app.state.queue.enqueue_job("echo", job.model_dump())
    return {"id": queued.job_id}


@app.get("/jobs/{job_id}")
async def read(job_id: str) -> dict[str, Any]:
    """The status, and the result once there is one."""
    job = Job(job_id, app.state.queue)
    status = await job.status()
    info = await job.result_info() if status == "complete" else None
    return {"id": job_id, "status": status, "output": info.result if info else None}
