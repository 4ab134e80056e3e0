"""Jobs of every kind, put into the database, for what is asked of lists."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for
from filling import NOON, put
from odata_asking import everything

LINK = """
INSERT INTO links (id, tenant_id, job_id, scope, created_by)
SELECT gen_random_uuid(), tenant_id, job_id, publish_link_access_scope, 'admin' FROM job_requests WHERE job_id = $1
"""
CHANGE = "UPDATE job_requests SET can_rerun = $2, publish_link_access_scope = $3, modified_by = $4 WHERE job_id = $1"


@pytest.fixture
async def many(api: ClientSession, pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """Jobs that differ in everything, as the list shows them to the admin."""
    await ask(api, "PATCH", "/api/tenant", json={"account_code": "AZ0012", "database_name": "AZData"})
    words = (None, "Reports", "reports", "", "It's", "100%_\\", "Größe 🦆", "Reports and more")
    for place, status in enumerate(
        6 * ("pending", "suspended", "running", "finished", "failed", "cancelled")
    ):
        word, started = words[place % len(words)], NOON + timedelta(minutes=place % 5)
        job_id = await put(
            pool,
            status,
            type=("echo", "sleep", "gone")[place % 3],
            created_by=("admin", "anna@example.org", "bob")[place % 3],
            created_at=NOON + timedelta(milliseconds=7 * (place // 2)),
            category=word,
            sub_category=words[-place % len(words)],
            description=words[place // 2 % len(words)],
            client_request_id=None if place % 2 else f"order-{place}",
            percent_completed=100 if status == "finished" else 2 * place,
            started_at=started if status in ("running", "finished") else None,
            purge_at=NOON + timedelta(days=place) if place % 4 == 0 else None,
            updated_at=NOON + timedelta(hours=place % 7),
            **({"status_text": word} if status == "running" else {}),
            **({"response_type": "publish_link" if place % 2 else "inline"} if status == "finished" else {}),
            **({"output": '{"a": 1}' if place % 4 else "plain"} if status == "finished" else {}),
        )
        scope = ("private", "public", "organization")[place % 3]
        await pool.execute(CHANGE, job_id, place % 4 != 1, scope, ("admin", "zoe")[place % 2])
        if place % 5 == 0:
            await pool.execute(LINK, job_id)
    return await everything(api)


@pytest.fixture
async def viewer(api: ClientSession) -> dict[str, str]:
    """Headers of one who may read all jobs, and do nothing."""
    return await key_for(api, "vera", "viewer")
