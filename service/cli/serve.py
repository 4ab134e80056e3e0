"""`lavori serve`: one API process."""

import asyncio
import signal

import uvloop
from aiohttp import web

from service.app import create_app
from service.cli.front_door import BAD_SETTINGS, installed_job_types, leave, read_settings, tracing
from service.cli.garbage import spare_the_collector
from service.dev.child import DevError
from service.dev.ports import demand_port
from service.errors import Unavailable
from service.jobs.jobtype import JobTypesError
from service.keys import DRAINING
from service.settings import REQUIRED_OUTSIDE_DEV, Settings, SettingsError
from service.web.connection_draining import drain_connections
from service.web.guard import GuardedRunner, guarding

HANDLER_SECONDS = 30.0  # how long requests that are under way may take once we are told to stop
BACKLOG = 1024


def run() -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    shared = settings.api_processes > 1
    try:
        if not shared:
            demand_port(settings.host, settings.port)  # before anything starts
        with tracing(settings, "api"):
            app = create_app(settings, installed_job_types(settings))
            uvloop.run(serve(app, settings, shared=shared))
    except SettingsError as error:
        leave("\n".join(error.faults), BAD_SETTINGS)
    except (DevError, JobTypesError, Unavailable) as error:
        leave(str(error))


async def serve(app: web.Application, settings: Settings, *, shared: bool) -> None:
    """Serve `app` until a signal: then say so to its waiting requests, stop accepting, and let handlers finish.

    Several processes may have the port when each says that it is `shared` (SO_REUSEPORT).
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    runner = GuardedRunner(app, access_log=None, shutdown_timeout=HANDLER_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG, reuse_port=shared)
        await site.start()
        spare_the_collector()
        async with guarding(runner):
            await stopping.wait()
            app[DRAINING].set()
            await drain_connections(runner)
    finally:
        await runner.cleanup()
