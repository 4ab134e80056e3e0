"""FastAPI + Celery + a row in PostgreSQL: what a team usually builds. Status and result come from Celery's backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI, HTTPException
from shape import DATABASE_URL, REDIS_URL, JobIn

INSERT = "INSERT INTO jobs (id, job) VALUES ($1, $2)"
READ = "SELECT created_at FROM jobs WHERE id = $1"

tasks = Celery("celery_jobs", broker=REDIS_URL, backend=REDIS_URL)
tasks.conf.update(task_acks_late=True, task_track_started=True, broker_connection_retry_on_startup=True)


@tasks.task(name="echo")
def echo(job: dict[str, Any]) -> dict[str, Any]:
    """The job."""
    return job["args"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The connections to PostgreSQL."""
    async with asyncpg.create_pool(DATABASE_URL) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Ready."""
    return {"ok": True}


@app.post("/jobs", status_code=202)
async def submit(job: JobIn) -> dict[str, str]:
    """A row, then a message."""
    job_id = str(uuid4())
    await app.state.pool.execute(INSERT, job_id, job.model_dump_json())
    echo.apply_async(args=[job.model_dump()], task_id=job_id)
    return {"id": job_id}


@app.get("/jobs/{job_id}")
async def read(job_id: str) -> dict[str, Any]:
    """The row with Celery's status and result."""
    row = await app.state.pool.fetchrow(READ, job_id)
    if row is None:
        raise HTTPException(404)
    found = AsyncResult(job_id, app=tasks)
    status = found.state
    return {
        "id": job_id,
        "created_at": row["created_at"],
        "status": status,
        "output": found.result if status == "SUCCESS" else None,
    }
