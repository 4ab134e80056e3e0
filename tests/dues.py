"""What the tests of import_dovuti share."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import ClientSession

SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"

Submit = Callable[..., Awaitable[dict[str, Any]]]
Import = Callable[..., Awaitable[dict[str, Any]]]
WorkerProcess = Callable[[], AbstractAsyncContextManager[asyncio.subprocess.Process]]


async def rejected_rows(api: ClientSession, job: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of the job's rejected.csv, its one output."""
    (output,) = job["outputs"]
    assert (output["name"], output["mime_type"]) == ("rejected.csv", "text/csv")
    async with api.get(f"/api/jobs/{job['id']}/outputs/{output['id']}/content") as response:
        assert response.status == 200
        return list(csv.DictReader(io.StringIO(await response.text("utf-8"), newline="")))
