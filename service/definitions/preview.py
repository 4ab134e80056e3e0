"""When a schedule would fire, without one."""

import asyncio
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import asyncpg

from service.definitions.prepare import NOW
from service.definitions.schedule import Schedule, times_of

_MOST_SKIPPED = 1_000


async def preview_of(pool: asyncpg.Pool, asked: Schedule) -> dict[str, Any]:
    """The envelope of the contract for a schemas.PreviewIn, from its `start_at`, or from the database's now."""
    start: datetime | None = asked["start_at"]
    after = start - timedelta(milliseconds=1) if start else await pool.fetchval(NOW)
    return await asyncio.to_thread(_preview, asked, after)


def _preview(asked: Schedule, after: datetime) -> dict[str, Any]:
    fires: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for fire in islice(times_of(asked, after), asked["count"] + _MOST_SKIPPED):
        local = fire.local.isoformat(timespec="seconds")
        if fire.is_skipped:
            skipped.append({"local": local, "policy": fire.policy})
            continue
        fires.append({"at": fire.at, "local": local, "policy": fire.policy})
        if len(fires) == asked["count"]:
            break
    return {"fires": fires, "skipped": skipped}
