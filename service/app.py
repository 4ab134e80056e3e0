"""The one place where the parts of the API meet."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
from aiohttp import web

from service.access import login_routes, sessions, tenant_openapi, tenant_routes, trail
from service.access import openapi as access_openapi
from service.access import routes as access_routes
from service.access.buckets import LocalBuckets
from service.access.identities import identities
from service.access.limits import limits
from service.access.middleware import authenticate, is_open, open_to_all
from service.access.store import ensure_admin_key
from service.db.pool import create_pool
from service.definitions import openapi as definitions_openapi
from service.definitions import routes as definitions_routes
from service.dialects import aims360, alteryx, conscia, dataone, documents, opencity
from service.dialects.contract import refusals, stand_ins, switched_on
from service.dialects.documents import DOCUMENTS
from service.dovuti import openapi as dovuti_openapi
from service.dovuti import routes as dovuti_routes
from service.files import openapi as files_openapi
from service.files import routes as files_routes
from service.files.conversions import Conversions
from service.files.keys import CONVERSIONS, GUESSES, SIGNER, STORAGE
from service.files.links import LinkSigner
from service.files.storage import open_storage
from service.jobs import (
    actions,
    details,
    explain,
    listing,
    pace,
    purging,
    queue,
    stats,
    types,
    types_openapi,
    watch,
    workers,
    workers_openapi,
)
from service.jobs import openapi as jobs_openapi
from service.jobs import routes as jobs_routes
from service.jobs.backlog import backlog
from service.jobs.core import CORE, make_core
from service.jobs.jobtype import JobTypes
from service.keys import DRAINING, POOL, REDIS, SETTINGS
from service.notifications import endpoint_routes
from service.notifications import openapi as notices_openapi
from service.notifications import routes as notices_routes
from service.notifications.backlog import notices_backlog
from service.settings import Settings
from service.telemetry.metrics import METRICS, SYSTEM
from service.telemetry.spans import is_traced
from service.web import dashboard, health, openapi, operations, problems, scrape, viewer
from service.web.about import ABOUT
from service.web.health import MIGRATED
from service.web.measurements import measure, measurements
from service.web.middleware import REFUSALS, edge, sign
from service.web.observe import OBSERVE
from service.web.openapi import DOCUMENT, Document
from service.web.traced import ending_spans, traced

JOB_TYPES = web.AppKey("job_types", JobTypes)
FEATURES = (
    jobs_routes,
    listing,
    stats,
    details,
    explain,
    watch,
    actions,
    workers,
    types,
    definitions_routes,
    files_routes,
    access_routes,
    sessions,
    login_routes,
    tenant_routes,
    trail,
    purging,
    notices_routes,
    endpoint_routes,
    dovuti_routes,
    health,
    problems,
    scrape,
    openapi,
    documents,
    viewer,
    dashboard,
)
OPEN = (health, problems, scrape, openapi, documents, viewer, dashboard)
DIALECTS = (opencity.DIALECT, conscia.DIALECT, aims360.DIALECT, dataone.DIALECT, alteryx.DIALECT)
TABLES = (
    jobs_openapi,
    workers_openapi,
    types_openapi,
    definitions_openapi,
    files_openapi,
    access_openapi,
    purging,
    tenant_openapi,
    notices_openapi,
    dovuti_openapi,
    operations,
    documents,
)
POOL_SIZE = 16
WAIT_SECONDS = 1.0  # for a connection, while all are in use
CONNECT_SECONDS = 3.0
# Where the way to PostgreSQL is lost without a word, a request waits in line (1 s at most), and then for a statement
# and the half second to call it back (service/db/patience.py), or for a connection: 4.5 s in all, and F14 asks for 5.
# Only a list that was under way may take longer: 8 s for its statement (service/jobs/listing.py).
STATEMENT_SECONDS = 3.0
LANGUAGE = "/{lang:[A-Za-z][A-Za-z]|lang}"


def create_app(settings: Settings, job_types: JobTypes) -> web.Application:
    """The API over these settings and job types; its parts start and stop with it. Raises SettingsError."""
    dialects = switched_on(DIALECTS, settings.dialects)
    app = web.Application(middlewares=[edge, authenticate], client_max_size=settings.max_json_body)
    measure(app)
    if is_traced():
        app.middlewares.insert(1, traced)
        app[OBSERVE] = ending_spans(app[OBSERVE])
    app[SETTINGS] = settings
    app[JOB_TYPES] = job_types
    app[DOCUMENT] = document(job_types)
    app[DOCUMENTS] = {dialect.name: dialect.document for dialect in dialects}
    app[REFUSALS] = refusals(dialects)
    app[DRAINING] = asyncio.Event()
    app[MIGRATED] = asyncio.Event()
    app.on_response_prepare.append(sign)
    app.cleanup_ctx.extend(
        (
            database,
            measurements,
            identities,
            jobs,
            limits,
            backlog,
            notices_backlog,
            watch.hub_of,
            listing.lists_of,
            stats.stats_of,
            details.details_of,
            pace.pace_of,
            types.types_of,
        )
    )
    instead = stand_ins(dialects)
    for feature in FEATURES:
        for route in feature.routes:
            if feature in OPEN:
                open_to_all(route.handler)
            handler = instead.get(route.handler, route.handler)
            web.RouteDef(route.method, route.path, handler, route.kwargs).register(app.router)
            if route.path.startswith("/api/"):
                web.RouteDef(route.method, LANGUAGE + route.path, handler, route.kwargs).register(app.router)
    for dialect in dialects:
        for route in dialect.routes:
            route.register(app.router)
    return app


def document(job_types: JobTypes) -> Document:
    """The OpenAPI document of all features, and of the args of all job types."""
    return Document(
        [route for feature in FEATURES for route in feature.routes],
        {handler: told for table in TABLES for handler, told in table.OPERATIONS.items()},
        {name: word for table in TABLES for name, word in table.WORDS.items()},
        is_open=is_open,
        about=ABOUT,
        schemas=partial(types.args_schemas, job_types),
    )


async def database(app: web.Application) -> AsyncIterator[None]:
    """PostgreSQL: the pool, and the admin key of the settings."""
    settings = app[SETTINGS]
    assert settings.database_url is not None  # noqa: S101 - the command line has checked it
    pool: asyncpg.Pool = await create_pool(
        settings.database_url,
        size=POOL_SIZE,
        application="lavori api",
        statement_seconds=STATEMENT_SECONDS,
        wait_seconds=WAIT_SECONDS,
        connect_seconds=CONNECT_SECONDS,
        on_wait=app[METRICS].process.pool_wait.observe,
    )
    app[POOL] = pool
    if settings.admin_key is not None:
        async with pool.acquire() as connection:
            await ensure_admin_key(connection, settings.admin_key)
    yield
    await pool.close()


async def jobs(app: web.Application) -> AsyncIterator[None]:
    """Storage, links, the queue, and what jobs make of them."""
    settings = app[SETTINGS]
    assert settings.redis_url is not None  # noqa: S101 - the command line has checked it
    app[STORAGE] = open_storage(settings.storage_url)
    app[CONVERSIONS] = Conversions()
    app[SIGNER], app[GUESSES] = LinkSigner(settings.secret_keys), LocalBuckets()
    app[REDIS] = queue.connect(settings.redis_url)
    dispatcher = queue.Dispatcher(app[REDIS])
    job_types: JobTypes = app[JOB_TYPES]
    app[CORE] = make_core(
        settings,
        job_types,
        app[POOL],
        app[STORAGE],
        app[SIGNER],
        dispatcher,
        app[METRICS],
        app[SYSTEM],
    )
    yield
    await app[CORE].capped.join()
    await dispatcher.close()
