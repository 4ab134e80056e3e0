"""The rows of download links and of the downloads through them. All times are the database's."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from service.db.connection import Executor
from service.files.store import StoredFile


@dataclass(frozen=True, slots=True)
class Link:
    """A link's row, as it is shown; `output_id` is null for a job's own publish link."""

    id: UUID
    output_id: UUID | None
    scope: str
    expires_at: datetime | None
    max_downloads: int | None
    downloads: int
    revoked_at: datetime | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that somebody follows, with what it leads to: `file` is None while there is no such output."""

    id: UUID
    tenant_id: int
    scope: str
    job_created_by: str
    job_ended: bool
    revoked: bool
    expired: bool
    used_up: bool
    file: StoredFile | None


INSERT_LINK = """
INSERT INTO links (id, tenant_id, job_id, output_id, scope, expires_at, max_downloads, created_by)
SELECT $1, tenants.id, outputs.job_id, outputs.id, $5,
       now() + make_interval(secs => coalesce($6::int, tenants.link_seconds)), $7, $8
FROM outputs JOIN tenants ON tenants.id = outputs.tenant_id
WHERE outputs.tenant_id = $2 AND outputs.job_id = $3 AND outputs.id = $4
RETURNING id, output_id, scope, expires_at, max_downloads, downloads, revoked_at, created_at, created_by
"""


async def insert_link(
    connection: Executor,
    tenant_id: int,
    job_id: UUID,
    output_id: UUID,
    *,
    scope: str,
    expires_in: int | None,
    max_downloads: int | None,
    created_by: str,
) -> Link | None:
    """Make a link to an output; it expires in that many seconds, or as the tenant has it. None: no such output."""
    row = await connection.fetchrow(
        INSERT_LINK, uuid7(), tenant_id, job_id, output_id, scope, expires_in, max_downloads, created_by
    )
    return Link(**row) if row else None


# The publish link belongs to the run's first output, so it is listed and revoked there.
LINKS_OF_OUTPUT = """
SELECT links.id, links.output_id, links.scope, links.expires_at, links.max_downloads, links.downloads,
       links.revoked_at, links.created_at, links.created_by
FROM links JOIN jobs ON jobs.id = links.job_id
WHERE links.tenant_id = $1 AND links.job_id = $2 AND ($4::uuid IS NULL OR links.id < $4)
  AND (links.output_id = $3 OR links.output_id IS NULL AND $3 = (
        SELECT id FROM outputs WHERE job_id = jobs.id AND run = jobs.run ORDER BY position LIMIT 1))
ORDER BY links.id DESC LIMIT $5
"""


async def links_of_output(
    connection: Executor, tenant_id: int, job_id: UUID, output_id: UUID, *, before: UUID | None, limit: int
) -> list[Link]:
    """Give the links that lead to an output, newest first, those that are over too."""
    rows = await connection.fetch(LINKS_OF_OUTPUT, tenant_id, job_id, output_id, before, limit)
    return [Link(**row) for row in rows]


REVOKE_LINK = """
UPDATE links SET revoked_at = coalesce(links.revoked_at, now())
FROM jobs
WHERE jobs.id = links.job_id AND links.tenant_id = $1 AND links.job_id = $2 AND links.id = $4
  AND (links.output_id = $3 OR links.output_id IS NULL AND $3 = (
        SELECT id FROM outputs WHERE job_id = jobs.id AND run = jobs.run ORDER BY position LIMIT 1))
RETURNING links.id
"""


async def revoke_link(
    connection: Executor, tenant_id: int, job_id: UUID, output_id: UUID, link_id: UUID
) -> bool:
    """End a link of an output for good, from the next request on; False when there is no such link."""
    return await connection.fetchval(REVOKE_LINK, tenant_id, job_id, output_id, link_id) is not None


LINK_BY_ID = """
SELECT links.id, links.tenant_id, links.scope, jobs.created_by AS job_created_by,
       jobs.terminated_at IS NOT NULL AS job_ended, links.revoked_at IS NOT NULL AS revoked,
       coalesce(least(links.expires_at, published.expires_at) <= now(), false) AS expired,
       coalesce(links.downloads >= links.max_downloads, false) AS used_up,
       files.name, files.mime_type, files.size, files.sha256, files.storage_key
FROM links
JOIN jobs ON jobs.id = links.job_id
LEFT JOIN LATERAL (
    SELECT file_id, expires_at FROM outputs
    WHERE outputs.job_id = jobs.id
      AND (outputs.id = links.output_id OR links.output_id IS NULL AND outputs.run = jobs.run)
    ORDER BY outputs.position LIMIT 1
) AS published ON true
LEFT JOIN files ON files.id = published.file_id
WHERE links.id = $1
"""


async def link_by_id(connection: Executor, link_id: UUID) -> OpenedLink | None:
    """Give a link of any tenant: whoever asks has shown its token, and is held against tenant and scope next."""
    row = await connection.fetchrow(LINK_BY_ID, link_id)
    if row is None:
        return None
    file = StoredFile(row["name"], row["mime_type"], row["size"], row["sha256"], row["storage_key"])
    return OpenedLink(
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


COUNT_DOWNLOAD_IF_LIVE = """
WITH counted AS (
    UPDATE links SET downloads = downloads + 1
    WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
      AND (max_downloads IS NULL OR downloads < max_downloads)
    RETURNING id
)
INSERT INTO downloads (link_id, principal, address, outcome) SELECT id, $2, $3, 'begun' FROM counted
RETURNING true
"""


async def count_download_if_live(
    connection: Executor, link_id: UUID, principal: str | None, address: str | None
) -> bool:
    """Count and record a download; False when the link is revoked, expired or used up."""
    return await connection.fetchval(COUNT_DOWNLOAD_IF_LIVE, link_id, principal, address) is not None


CONTINUE_DOWNLOAD_IF_BEGUN = """
INSERT INTO downloads (link_id, principal, address, outcome)
SELECT links.id, $2, $3, 'continued' FROM links
WHERE links.id = $1 AND links.revoked_at IS NULL AND (links.expires_at IS NULL OR links.expires_at > now())
  AND EXISTS (
    SELECT FROM downloads
    WHERE downloads.link_id = links.id AND downloads.at > now() - interval '1 hour'
      AND downloads.principal IS NOT DISTINCT FROM $2 AND downloads.address IS NOT DISTINCT FROM $3)
RETURNING true
"""


async def continue_download_if_begun(
    connection: Executor, link_id: UUID, principal: str | None, address: str | None
) -> bool:
    """Record, uncounted, that a caller goes on with a download it began or went on with in the last hour.

    A range past the first byte alone says nothing: else all but one byte could be had without being counted.
    """
    return await connection.fetchval(CONTINUE_DOWNLOAD_IF_BEGUN, link_id, principal, address) is not None
