"""What notices tell of a job: the job as the API showed it at its end, whatever became of it since.

The database writes what is owed with the end itself (owe_notices in schema.sql), each with the job's row of that
moment; a rerun changes nothing of it. What was asked for is read when it is told. When a job is deleted before all
who wait for its end are told, what they are told is kept.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from service.db.connection import Connection, Executor
from service.jobs.job import LinkUrl, job_view
from service.web.encoding import dumps

_TIMES = (
    "start_by", "cancel_requested_at", "created_at", "updated_at", "started_at", "terminated_at", "purge_at",
)  # fmt: skip

ASKED = """
SELECT asked.args, asked.attachment_file_id, asked.attachment_url, asked.attachment_name,
       asked.attachment_mime_type, asked.description, asked.category, asked.sub_category, asked.labels,
       asked.client_request_id, asked.correlation_id, asked.idempotency_key, asked.can_rerun, asked.run_at,
       asked.publish_link_access_scope, asked.modified_by,
       files.size AS attachment_size, files.sha256 AS attachment_sha256,
       links.id AS link_id, links.expires_at AS link_expires_at,
       (SELECT json_agg(json_build_object(
                   'id', outputs.id, 'name', stored.name, 'mime_type', stored.mime_type, 'size', stored.size,
                   'sha256', encode(stored.sha256, 'hex'), 'available_formats', outputs.available_formats,
                   'created_at', to_char(outputs.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'expires_at', to_char(outputs.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                 ORDER BY outputs.position)
        FROM outputs JOIN files AS stored ON stored.id = outputs.file_id
        WHERE outputs.job_id = asked.job_id AND outputs.run = $3) AS outputs
FROM job_requests AS asked
LEFT JOIN files ON files.id = asked.attachment_file_id
LEFT JOIN links ON links.job_id = asked.job_id AND links.output_id IS NULL
WHERE asked.job_id = $1 AND asked.tenant_id = $2
"""


async def shown_at_end(
    connection: Executor, tenant_id: int, job_id: UUID, job: str, link_url: LinkUrl | None
) -> bytes | None:
    """The JSON of a job as it was at the end that `job`, the JSON of its row, tells of; None when it is deleted.

    Without `link_url` it has no publish link: that goes with a job that is being deleted.
    """
    ended = orjson.loads(job)
    asked = await connection.fetchrow(ASKED, job_id, tenant_id, ended["run"])
    if asked is None:
        return None
    times = {name: _time(ended[name]) for name in _TIMES}
    error = None if ended["error"] is None else dumps(ended["error"]).decode()
    row = {**ended, **times, "error": error, **asked}
    if link_url is None:
        row |= {"link_id": None, "link_expires_at": None}
    return dumps(job_view(row, link_url or str))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


OWED = """
SELECT id, job FROM outbox WHERE job_id = $1 AND tenant_id = $2 AND state IN ('pending', 'undeliverable')
FOR NO KEY UPDATE
"""

KEEP = "UPDATE outbox SET job_id = NULL, shown = $2 WHERE id = $1"


async def keep_what_is_owed(connection: Connection, tenant_id: int, job_id: UUID) -> None:
    """In the transaction that deletes a job: keep the notices that it still owes, and what they tell."""
    owed: list[asyncpg.Record] = await connection.fetch(OWED, job_id, tenant_id)
    for row in owed:
        shown = await shown_at_end(connection, tenant_id, job_id, row["job"], None)
        if shown is not None:
            await connection.execute(KEEP, row["id"], shown.decode())
