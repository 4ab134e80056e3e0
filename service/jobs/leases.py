"""How a worker keeps what it has claimed: leases that are renewed, wishes to cancel, and its own sign of life."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service.db.connection import Connection

RENEW = """
WITH held AS (
    SELECT jobs.id FROM unnest($1::uuid[], $2::uuid[]) AS held(id, lease_id)
    JOIN jobs ON jobs.id = held.id AND jobs.lease_id = held.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
)
UPDATE jobs SET lease_until = now() + make_interval(secs => $3)
FROM held WHERE jobs.id = held.id
RETURNING jobs.lease_id
"""


async def renew_leases(
    connection: Connection, held: Sequence[tuple[UUID, UUID]], lease_seconds: float
) -> set[UUID]:
    """Push the leases (job id, lease id) on; answers those that are still held."""
    ids, leases = zip(*held, strict=True)
    return {row["lease_id"] for row in await connection.fetch(RENEW, ids, leases, lease_seconds)}


FLAGS = """
SELECT jobs.lease_id FROM unnest($1::uuid[]) AS held(id) JOIN jobs ON jobs.id = held.id
WHERE jobs.cancel_requested_at IS NOT NULL AND jobs.lease_id IS NOT NULL
"""


async def cancel_requests(connection: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """The leases of those jobs that somebody wants cancelled: how cancellation arrives when Redis is away."""
    return {row["lease_id"] for row in await connection.fetch(FLAGS, job_ids)}


class Heard(NamedTuple):
    """What a beat tells the worker: the time by the database's clock, in seconds since 1970, and its order."""

    now: float
    drain: bool


BEAT = """
INSERT INTO workers (id, tags, types, concurrency, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET beat_at = now(), draining = $6 OR workers.drain_requested_at IS NOT NULL
RETURNING extract(epoch FROM clock_timestamp())::float8 AS now, drain_requested_at IS NOT NULL AS drain
"""


async def beat(
    connection: Connection,
    worker_id: str,
    tags: Sequence[str],
    types: Sequence[str],
    concurrency: int,
    version: str,
    ending: bool,  # noqa: FBT001
) -> Heard:
    """Say that this worker lives, and whether it is ending; answers whether an operator wants it to drain."""
    (heard,) = await connection.fetch(BEAT, worker_id, tags, types, concurrency, version, ending)
    return Heard(**heard)
