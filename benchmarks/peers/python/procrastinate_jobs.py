"""FastAPI + Procrastinate: jobs are rows in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import procrastinate
from fastapi import FastAPI
from shape import DATABASE_URL, JobIn

connector = procrastinate.PsycopgConnector(conninfo=DATABASE_URL, min_size=4, max_size=20)
tasks = procrastinate.App(connector=connector)


@tasks.task(name="echo")
async def echo(job: dict[str, Any]) -> dict[str, Any]:
    """The job."""
    return job["args"]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The connections to PostgreSQL."""
    async with tasks.open_async():
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Ready."""
    return {"ok": True}


@app.post("/jobs", status_code=202)
async def submit(job: JobIn) -> dict[str, int]:
    """Defer."""
    return {"id": await echo.defer_async(job=job.model_dump())}


@app.get("/jobs/{job_id}")
async def read(job_id: int) -> dict[str, Any]:
    """The status; it keeps no results."""
    status = await tasks.job_manager.get_job_status_async(job_id)
    return {"id": job_id, "status": status.value}
