"""`lavori serve`: one API process."""

import asyncio
import errno
import signal

import uvloop
from aiohttp import web

from service.app import create_app
from service.cli.front_door import installed_job_types, leave, read_settings
from service.errors import Unavailable
from service.keys import DRAINING
from service.settings import REQUIRED_OUTSIDE_DEV, Settings

HANDLER_SECONDS = 30.0  # how long requests that are under way may take once we are told to stop
BACKLOG = 1024


def run() -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    app = create_app(settings, installed_job_types(settings))
    try:
        uvloop.run(serve(app, settings))
    except Unavailable as error:
        leave(str(error))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            leave(f"Port {settings.port} of {settings.host} is taken: set PORT to another, or free it.")
        raise


async def serve(app: web.Application, settings: Settings) -> None:
    """Serve `app` until a signal: then say so to its waiting requests, stop accepting, and let handlers finish."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=HANDLER_SECONDS)
    await runner.setup()
    try:
        # Several processes share a port by SO_REUSEPORT; one alone does not, and so learns that it is taken.
        shared = settings.api_processes > 1
        site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG, reuse_port=shared)
        await site.start()
        await stopping.wait()
        app[DRAINING].set()
    finally:
        await runner.cleanup()
