"""How far the effects of a job have come: a fence around them, and what the next attempt of the run needs to know."""

from uuid import UUID

from service.db.connection import Connection

# The fence is the checkpoint's row, not the job's: holding the job's would stop its own heartbeat. Whoever has it
# locked and then sees its lease alone may commit effects; the next attempt waits for the lock, and so reads what was
# committed.
LOCK_CHECKPOINT = """
INSERT INTO job_checkpoints (job_id, run, state) VALUES ($1, $2, 'null')
ON CONFLICT (job_id) DO UPDATE
    SET state = CASE WHEN job_checkpoints.run = excluded.run THEN job_checkpoints.state ELSE 'null' END,
        run = excluded.run
RETURNING state
"""
# A worker that freezes in the transaction holds the next attempt up no longer than this.
STILL_HELD = """
SELECT EXISTS (SELECT FROM jobs WHERE id = $1 AND lease_id = $2)
FROM set_config('idle_in_transaction_session_timeout', $3, true)
"""


async def lock_checkpoint_if_held(
    connection: Connection, job_id: UUID, run: int, lease_id: UUID, lease_seconds: float
) -> str | None:
    """In a transaction: lock the run's checkpoint and answer its JSON; None when the lease is lost.

    From then on the transaction is ended by the database when its client is silent for `lease_seconds`.
    """
    state: str = await connection.fetchval(LOCK_CHECKPOINT, job_id, run)
    silence = f"{int(lease_seconds * 1000)}ms"
    return state if await connection.fetchval(STILL_HELD, job_id, lease_id, silence) else None


SAVE_CHECKPOINT = "UPDATE job_checkpoints SET state = $2 WHERE job_id = $1"


async def save_checkpoint(connection: Connection, job_id: UUID, state: str) -> None:
    """Write the JSON that the next attempt of this run reads; commits with the caller's transaction."""
    await connection.execute(SAVE_CHECKPOINT, job_id, state)
