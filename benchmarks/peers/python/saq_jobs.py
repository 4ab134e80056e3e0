"""FastAPI + SAQ: jobs and their results are in Redis alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from saq import Queue
from shape import REDIS_URL, JobIn

queue = Queue.from_url(REDIS_URL)


async def echo(_: dict[str, Any], *, job: dict[str, Any]) -> dict[str, Any]:
    """The job."""
    return job["args"]


settings = {"queue": queue, "functions": [echo], "concurrency": 100}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The connection to Redis."""
    await queue.connect()
    yield
    await queue.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Ready."""
    return {"ok": True}


@app.post("/jobs", status_code=202)
async def submit(job: JobIn) -> dict[str, str]:
    """Enqueue."""
    queued = await queue.enqueue("echo", job=job.model_dump())
    assert queued is not None
    return {"id": queued.key}


@app.get("/jobs/{job_id}")
async def read(job_id: str) -> dict[str, Any]:
    """The job as Redis has it."""
    job = await queue.job(job_id)
    if job is None:
        raise HTTPException(404)
    return {"id": job_id, "status": job.status, "progress": job.progress, "output": job.result}
