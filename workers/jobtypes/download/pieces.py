"""The pieces of a download in storage: files like any other, which expire by themselves if nobody finishes it.

A piece is stored first; then its row and the checkpoint that names it commit together, behind the job's fence.
"""

from collections.abc import Sequence
from datetime import timedelta

from service.db.connection import Executor
from service.db.pool import UNREACHABLE
from service.errors import Unavailable
from service.files.blob import Blob
from service.files.names import UNKNOWN_TYPE
from service.files.store import LIFETIME, insert_file
from workers.context import JobContext
from workers.jobtypes.download.progress import Progress


async def keep(job: JobContext, progress: Progress, blob: Blob | None = None) -> None:
    """Save how far it is, with the row of its newest piece. Raises LeaseLost, Unavailable."""
    try:
        async with job.fenced() as connection:
            if blob is not None:
                await insert_file(
                    connection,
                    tenant_id=job.tenant_id,
                    name="part of a download",
                    mime_type=UNKNOWN_TYPE,
                    blob=blob,
                    created_by=job.created_by,
                    lifetime=_lifetime(job),
                )
            await job.save_checkpoint(connection, progress.state())
    except UNREACHABLE as error:
        raise Unavailable("PostgreSQL does not take how far the download is") from error


async def begun(job: JobContext) -> Progress | None:
    """What an earlier attempt of this run has left, kept for this one; None if that is nothing, or no longer whole."""
    state = await job.checkpoint_state()
    if state is None:
        return None
    progress = Progress.of_state(state)
    keys = [piece.key for piece in progress.pieces]
    return progress if await keep_pieces(job.pool, job.tenant_id, keys, _lifetime(job)) == len(keys) else None


async def let_go(job: JobContext, progress: Progress) -> None:
    """Forget it all: purge takes the pieces, and another attempt would begin anew. Raises LeaseLost."""
    async with job.fenced() as connection:
        await release_pieces(connection, job.tenant_id, [piece.key for piece in progress.pieces])
        await job.save_checkpoint(connection, None)


def _lifetime(job: JobContext) -> timedelta:
    return LIFETIME + timedelta(seconds=job.timeout_seconds)


KEEP_PIECES = """
UPDATE files SET expires_at = now() + $3::interval
WHERE tenant_id = $1 AND storage_key = ANY ($2::text[]) AND expires_at > now() + interval '1 minute'
RETURNING id
"""


async def keep_pieces(connection: Executor, tenant_id: int, keys: Sequence[str], lifetime: timedelta) -> int:
    """Let pieces live for so long from now; answers how many of them are still there."""
    return len(await connection.fetch(KEEP_PIECES, tenant_id, keys, lifetime))


RELEASE_PIECES = "UPDATE files SET expires_at = now() WHERE tenant_id = $1 AND storage_key = ANY ($2::text[])"


async def release_pieces(connection: Executor, tenant_id: int, keys: Sequence[str]) -> None:
    """Let purge take pieces that nobody needs any more."""
    await connection.execute(RELEASE_PIECES, tenant_id, keys)
