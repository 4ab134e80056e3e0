"""The parts that every operation on jobs shares; made once by app.py, used by the routes and each dialect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import asyncpg
from aiohttp import web

from service.db.batch import Batcher
from service.db.patience import again_if_broken
from service.files.links import LinkSigner
from service.files.storage import Storage
from service.jobs import defined, store
from service.jobs.capped import CappedOffers
from service.jobs.job import Row
from service.jobs.jobtype import JobType
from service.jobs.queue import Dispatcher
from service.jobs.reader import JobReader
from service.sealing import Sealer
from service.settings import Settings
from service.telemetry.logs import Line, direct_info
from service.telemetry.metrics import ApiMetrics, SystemMetrics


@dataclass(slots=True)
class Core:
    """Everything that submit, read and control need."""

    settings: Settings
    job_types: Mapping[str, JobType]
    pool: asyncpg.Pool
    storage: Storage
    dispatcher: Dispatcher
    reader: JobReader
    metrics: ApiMetrics
    system: SystemMetrics
    info: Callable[[Line], None] | None = field(init=False)
    sealer: Sealer = field(init=False)
    inserting: Batcher[store.NewJob, asyncpg.Record | None] = field(init=False)
    inserting_within: Batcher[store.NewJob, store.Decided] = field(init=False)
    replaying: Batcher[bytes, asyncpg.Record | None] = field(init=False)
    defining: Batcher[defined.Named, Row | None] = field(init=False)
    capped: CappedOffers = field(init=False)

    def __post_init__(self) -> None:
        self.info = direct_info()
        self.sealer = Sealer(self.settings.secret_keys)
        self.inserting = Batcher(self._insert, max_items=256, concurrency=2)
        self.inserting_within = Batcher(self._insert_within, max_items=256, concurrency=1)
        self.replaying = Batcher(self._replay, max_items=256, concurrency=2)
        self.defining = Batcher(self._define, max_items=256, concurrency=2)
        self.capped = CappedOffers(self.pool, self.dispatcher)

    async def _insert(self, jobs: list[store.NewJob]) -> list[asyncpg.Record | None]:
        if all(job.digest is not None for job in jobs):
            # Had the first one committed, the keys are taken, and say so.
            return await again_if_broken(lambda: store.insert_jobs(self.pool, jobs))
        return await store.insert_jobs(self.pool, jobs)

    async def _insert_within(self, jobs: list[store.NewJob]) -> list[store.Decided]:
        async with self.pool.acquire() as connection, connection.transaction():
            return await store.insert_jobs_within_caps(connection, jobs)

    async def _replay(self, digests: list[bytes]) -> list[asyncpg.Record | None]:
        return await again_if_broken(lambda: store.jobs_of_keys(self.pool, digests))

    async def _define(self, wanted: list[defined.Named]) -> list[Row | None]:
        return await again_if_broken(lambda: defined.definitions_named(self.pool, wanted))


CORE = web.AppKey("core", Core)


def make_core(
    settings: Settings,
    job_types: Mapping[str, JobType],
    pool: asyncpg.Pool,
    storage: Storage,
    signer: LinkSigner,
    dispatcher: Dispatcher,
    metrics: ApiMetrics,
    system: SystemMetrics,
) -> Core:
    """Put the parts together."""
    reader = JobReader(pool, signer)
    return Core(settings, job_types, pool, storage, dispatcher, reader, metrics, system)
