"""Reading jobs at a poller's pace.

Concurrent reads share one statement that asks for versions alone; a body that this process has rendered at
that version is handed out again, so a poll of a job that has not changed costs one narrow row. The cache is
keyed by what the version promises, never by time, so it is never stale.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.access.principal import Principal
from service.db.batch import Batcher
from service.db.patience import again_if_broken
from service.errors import NotFound
from service.files.links import LinkSigner, link_url
from service.jobs import store
from service.jobs.job import Row, job_view
from service.jobs.store import Heading
from service.web.encoding import dumps

CACHE_BYTES = 64 * 1024 * 1024
ENTRY_BYTES = 800  # that an entry takes beside its body: an API grows by so many for each job of 1,008 bytes

Wanted = tuple[UUID, int]


class Rendered(NamedTuple):
    """A job's JSON, and what of it goes into headers; `base` is the origin of its links."""

    version: int
    status: str
    type: str
    due_at: datetime
    started_at: datetime | None
    base: str
    body: bytes

    @property
    def size(self) -> int:
        """The bytes that it takes in the cache."""
        return len(self.body) + ENTRY_BYTES


class JobReader:
    """Finds jobs that a caller may see, and renders them."""

    def __init__(self, pool: asyncpg.Pool, signer: LinkSigner) -> None:
        self._signer = signer
        self._pool = pool
        self._headings: Batcher[Wanted, Heading | None] = Batcher(
            self._read_headings, max_items=256, concurrency=2
        )
        self._rows: Batcher[Wanted, asyncpg.Record | None] = Batcher(
            self._read_rows, max_items=128, concurrency=2
        )
        self._cache: OrderedDict[UUID, Rendered] = OrderedDict()
        self._cached_bytes = 0

    async def heading(self, principal: Principal, job_id: UUID) -> Heading:
        """The heading of a job that the caller may see; raises NotFound."""
        found = await self._headings.put((job_id, principal.tenant_id))
        if found is None or not principal.may_read(found.created_by, found.shared_with):
            raise NotFound("no such job")
        return found

    async def row(self, tenant_id: int, job_id: UUID) -> asyncpg.Record | None:
        """The row of store.READ, whoever asks; None when the tenant has no such job."""
        return await self._rows.put((job_id, tenant_id))

    async def visible(self, principal: Principal, job_ids: Sequence[UUID]) -> list[Heading]:
        """The headings of those jobs that there are and that the caller may see."""
        wanted = [(job_id, principal.tenant_id) for job_id in job_ids]
        found = await store.headings(self._pool, wanted) if wanted else []
        return [
            one for one in found if one is not None and principal.may_read(one.created_by, one.shared_with)
        ]

    async def body(self, principal: Principal, heading: Heading, base: str) -> Rendered:
        """The job, at the heading's version or later; `base` is the origin of its links."""
        cached = self._cache.get(heading.id)
        if cached is not None and cached.version == heading.version and cached.base == base:
            self._cache.move_to_end(heading.id)
            return cached
        row = await self._rows.put((heading.id, principal.tenant_id))
        if row is None:
            raise NotFound("no such job")
        return self.render(row, base)

    async def bodies(self, tenant_id: int, found: Sequence[Row], base: str) -> list[bytes]:
        """The JSON of many jobs by their headings (`id`, `version`), in order; those deleted meanwhile are left out."""
        return list((await self.bodies_by_id(tenant_id, found, base)).values())

    async def bodies_by_id(self, tenant_id: int, found: Sequence[Row], base: str) -> dict[UUID, bytes]:
        """As `bodies`, by id."""
        bodies: dict[UUID, bytes] = {}
        missing = []
        for one in found:
            cached = self._cache.get(one["id"])
            if cached is not None and cached.version == one["version"] and cached.base == base:
                bodies[one["id"]] = cached.body
            else:
                missing.append((one["id"], tenant_id))
        if missing:
            rows = await store.read_jobs(self._pool, missing)
            bodies.update({row["id"]: self.render(row, base).body for row in rows if row is not None})
        return {one["id"]: bodies[one["id"]] for one in found if one["id"] in bodies}

    def render(self, row: Row, base: str) -> Rendered:
        """Render a row of store.READ, and remember it."""
        loose = dumps(job_view(row, lambda link_id: link_url(base, link_id, self._signer.token(link_id))))
        body = bytes(memoryview(loose))  # orjson's own (3.13) holds 8 KiB for 1 KiB of JSON
        rendered = Rendered(
            row["version"], row["status"], row["type"], row["due_at"], row["started_at"], base, body
        )
        job_id = row["id"]
        known = self._cache.pop(job_id, None)
        if known is not None:
            self._cached_bytes -= known.size
            if known.version > row["version"]:  # an older read came in late
                self._cache[job_id] = known
                self._cached_bytes += known.size
                return rendered
        self._cache[job_id] = rendered
        self._cached_bytes += rendered.size
        while self._cached_bytes > CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.size
        return rendered

    async def _read_headings(self, wanted: list[Wanted]) -> list[Heading | None]:
        once = list(set(wanted))  # many may wait for the same job
        found = dict(zip(once, await again_if_broken(lambda: store.headings(self._pool, once)), strict=True))
        return [found[one] for one in wanted]

    async def _read_rows(self, wanted: list[Wanted]) -> list[asyncpg.Record | None]:
        once = list(set(wanted))
        found = dict(zip(once, await again_if_broken(lambda: store.read_jobs(self._pool, once)), strict=True))
        return [found[one] for one in wanted]
