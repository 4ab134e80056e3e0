"""PgBouncer in transaction mode before a server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dev_run import free_port, until
from fault_lab.debian import newer_program
from service.dev.postgres import _as_a_plain_user

# asyncpg prepares its statements, which PgBouncer follows from server to server since 1.21.
# Each transaction goes to another server than the one before.
CONFIG = """\
[databases]
* = host=127.0.0.1 port={port} user=postgres password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_prepared_statements = 200
default_pool_size = 20
server_round_robin = 1
max_client_conn = 500
ignore_startup_parameters = extra_float_digits,jit,timezone,application_name
"""


@contextmanager
def pgbouncer(url: str, folder: Path) -> Iterator[str]:
    """A PgBouncer in transaction mode before the server of `url`: the url through it, of whichever database."""
    parts, own_port = urlsplit(url), free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            port=parts.port,
            password=parts.password,
            own_port=own_port,
        )
    )
    log = folder / "pgbouncer.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_as_a_plain_user(), *newer_program("pgbouncer"), config], stdout=out, stderr=out
        )
    try:
        until(lambda: b"process up" in log.read_bytes(), "PgBouncer", 10)
        yield urlunsplit(parts._replace(netloc=f"postgres:any@127.0.0.1:{own_port}"))
    finally:
        process.kill()
        process.wait()
