"""Workflows by their names."""

from collections.abc import Sequence

import asyncpg

CODES = "SELECT code FROM job_definitions WHERE tenant_id = $1 AND name = ANY ($2::text[])"


async def codes_of(connection: asyncpg.Pool, tenant_id: int, names: Sequence[str]) -> list[str]:
    """The codes that these may be, or that definitions of these names have."""
    rows = await connection.fetch(CODES, tenant_id, names)
    return [*names, *(row["code"] for row in rows)]
