"""What a job publishes, for dialects in which each document has an address of its own.

A document is an output of a job, or the job's publish link, which stands for the first output of the current run. The
publish link decides for all of them: whom its scope lets in, when it ends, whether it was revoked.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from service.db.connection import Executor
from service.files.sharing import OpenedLink
from service.files.store import StoredFile

# A new version, since the job now shows its link; what is there already stays as it is.
PUBLISH_AHEAD = """
WITH linked AS (
    INSERT INTO links (id, tenant_id, job_id, scope, created_by)
    SELECT $3, jobs.tenant_id, jobs.id, asked.publish_link_access_scope, jobs.created_by
    FROM jobs JOIN job_requests AS asked ON asked.job_id = jobs.id
    WHERE jobs.tenant_id = $1 AND jobs.id = $2
    ON CONFLICT (job_id) WHERE output_id IS NULL DO NOTHING
    RETURNING job_id
)
UPDATE jobs SET version = version + 1, updated_at = now() FROM linked WHERE jobs.id = linked.job_id
"""


async def publish_ahead(connection: Executor, tenant_id: int, job_id: UUID) -> None:
    """Make a job's publish link before there is an output; without end until there is one."""
    await connection.execute(PUBLISH_AHEAD, tenant_id, job_id, uuid7())


class Published(NamedTuple):
    """A document: the link that decides about it, with the document's own file, and when the document was made."""

    link: OpenedLink
    created_at: datetime


PUBLISHED = """
SELECT links.id, links.tenant_id, links.scope, jobs.created_by AS job_created_by,
       jobs.terminated_at IS NOT NULL AS job_ended, links.revoked_at IS NOT NULL AS revoked,
       coalesce(least(links.expires_at, published.expires_at) <= now(), false) AS expired,
       coalesce(links.downloads >= links.max_downloads, false) AS used_up,
       files.name, files.mime_type, files.size, files.sha256, files.storage_key,
       coalesce(document.created_at, links.created_at) AS created_at
FROM (
    SELECT job_id, NULL::uuid AS id, NULL::timestamptz AS created_at FROM links WHERE id = $1 AND output_id IS NULL
    UNION ALL SELECT job_id, id, created_at FROM outputs WHERE id = $1
) AS document
JOIN links ON links.job_id = document.job_id AND links.output_id IS NULL
JOIN jobs ON jobs.id = links.job_id
LEFT JOIN LATERAL (
    SELECT file_id, expires_at FROM outputs
    WHERE outputs.job_id = jobs.id AND (outputs.id = document.id OR document.id IS NULL AND outputs.run = jobs.run)
    ORDER BY outputs.position LIMIT 1
) AS published ON true
LEFT JOIN files ON files.id = published.file_id
"""


async def published_by_id(connection: Executor, document_id: UUID) -> Published | None:
    """Give a document of any tenant: who asks is held against tenant and scope next, as in sharing.link_by_id."""
    row = await connection.fetchrow(PUBLISHED, document_id)
    if row is None:
        return None
    file = StoredFile(row["name"], row["mime_type"], row["size"], row["sha256"], row["storage_key"])
    link = OpenedLink(
        row["id"],
        row["tenant_id"],
        row["scope"],
        row["job_created_by"],
        row["job_ended"],
        row["revoked"],
        row["expired"],
        row["used_up"],
        file if file.storage_key else None,
    )
    return Published(link, row["created_at"])
