"""The whole system as children of one supervisor: servers, workers, API."""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus

import asyncpg
from aiohttp import ClientError, ClientSession, ClientTimeout

from service.db.migrate import migrate
from service.dev.child import Child, DevError
from service.dev.kept import Secrets, kept_secrets, locked
from service.dev.ports import demand_port
from service.dev.postgres import postgres_child
from service.dev.supervisor import Supervisor
from service.dev.valkey import valkey_child
from service.settings import Settings

API_STOP_SECONDS = 40.0  # it gives its handlers 30
TICKET_SECONDS = 10.0
WORKER_MARGIN_SECONDS = 5.0  # beyond its own drain time


async def run_system(
    settings: Settings,
    environ: Mapping[str, str],
    on_line: Callable[[str], None],
    on_ready: Callable[[Secrets, str], None],
) -> None:
    """Run the system until SIGINT, SIGTERM or SIGHUP, then stop it in order; a second signal hurries that.

    `on_ready` is called once the API answers, with the secrets and a ticket to the dashboard. Raises DevError,
    MigrationError, or OSError when the disk refuses.
    """
    supervisor = Supervisor(on_line)
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            supervisor.hurry()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    with locked(settings.data):
        demand_port(settings.host, settings.port)
        starting = asyncio.create_task(_start(supervisor, settings, environ), name="start the system")
        stop = asyncio.create_task(stopping.wait(), name="wait for a signal")
        try:
            await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                on_ready(*starting.result())
            await stop
        finally:
            stop.cancel()
            starting.cancel()
            await asyncio.wait({starting})
            await supervisor.stop()


async def _start(
    supervisor: Supervisor, settings: Settings, environ: Mapping[str, str]
) -> tuple[Secrets, str]:
    kept = kept_secrets(settings.data)
    secrets = Secrets(
        signing=",".join(settings.secret_keys) or kept.signing,
        admin=settings.admin_key or kept.admin,
        servers=kept.servers,
    )
    database_url, redis_url = settings.database_url, settings.redis_url
    if database_url is None:
        postgres, database_url = await postgres_child(settings.data, secrets.servers)
        await supervisor.start(postgres)
    if redis_url is None:
        valkey, redis_url = await valkey_child(settings.data, secrets.servers)
        await supervisor.start(valkey)
    try:
        await migrate(database_url)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DevError(f"The database of DATABASE_URL cannot be used: {error}.") from error
    env = _child_environ(environ, database_url, redis_url, secrets)
    await supervisor.start(*(_worker(number, settings, env) for number in range(1, settings.workers + 1)))
    await supervisor.start(*(_api(number, settings, env) for number in range(1, settings.api_processes + 1)))
    return secrets, await _ticket(settings, secrets.admin)


async def _ticket(settings: Settings, admin_key: str) -> str:
    """A ticket to the dashboard, asked of the API; "" where it gives none, as under a limit of requests."""
    url = f"{address(settings)}/api/session/tickets"
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TICKET_SECONDS)) as session,
            session.post(url, headers={"Authorization": f"Bearer {admin_key}"}) as response,
        ):
            answer = await response.json()
            return str(answer["ticket"]) if response.status == HTTPStatus.CREATED else ""
    except (ClientError, OSError, TimeoutError):
        return ""


def _child_environ(
    environ: Mapping[str, str], database_url: str, redis_url: str, secrets: Secrets
) -> dict[str, str]:
    ours = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAVORI_SECRET_KEYS": secrets.signing,
        "LAVORI_ADMIN_KEY": secrets.admin,
        "PYTHONUNBUFFERED": "1",
    }
    inherited = {name: value for name, value in environ.items() if name.removesuffix("_FILE") not in ours}
    return _child_logs() | {name: value for name, value in inherited.items() if value} | ours


def _child_logs() -> dict[str, str]:
    """What children log unless the environment says otherwise: what needs somebody, for who reads our own stderr."""
    return {
        "LAVORI_LOG_LEVEL": "warning",
        "LAVORI_LOG_FORMAT": "text" if sys.stderr.isatty() else "json",
    }


# -P keeps the folder that we are started in off the path: it may hold another package named service.
COMMAND = (sys.executable, "-P", "-m", "service")


def _worker(number: int, settings: Settings, env: Mapping[str, str]) -> Child:
    return Child(
        name=f"worker {number}",
        argv=(*COMMAND, "worker"),
        env=env,
        stop_seconds=settings.drain_seconds + settings.cancel_grace_seconds + WORKER_MARGIN_SECONDS,
    )


def _api(number: int, settings: Settings, env: Mapping[str, str]) -> Child:
    async def ready() -> bool:
        return await is_ready(settings.host, settings.port)

    return Child(
        name=f"api {number}", argv=(*COMMAND, "serve"), env=env, stop_seconds=API_STOP_SECONDS, ready=ready
    )


async def is_ready(host: str, port: int) -> bool:
    """Whether the API answers that it is ready."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(reachable(host), port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def address(settings: Settings) -> str:
    """The address to open on this machine."""
    host = reachable(settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def reachable(host: str) -> str:
    """An address under which this machine reaches what listens on `host`, which may mean all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
